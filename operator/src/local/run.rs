//! The life of a local cluster, step by step.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    LocalError, Options,
    cluster::{Cluster, client_ports},
    endpoints::{self, Endpoints},
    file::{self, Wanted},
    fleet::Fleet,
    folder::{self, Folder},
    keys,
    options::Listen,
    ports::FreePorts,
    programs::Programs,
    render,
    report::Report,
};

/// After this a start is slow enough to say what is missing.
const SLOW_START: Duration = Duration::from_secs(30);

/// How often certificates are looked after. They are replaced months before their end.
const RENEW_EVERY: Duration = Duration::from_secs(12 * 3600);

/// A predecessor that was killed may hold its ports for a moment.
const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// Runs the cluster that the options describe until `shutdown`, then stops it in order. Call it on a
/// single-threaded runtime: children end with the thread that starts them.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), LocalError> {
    let report = Report::new(options.verbose);
    let wanted = read_file(&options.file, &options.listen, &report)?;
    let programs = Programs::find()?;
    let folder = Folder::take(&options.data)?;
    let cluster = resolve(wanted, &options, folder.path())?;
    write_files(&cluster, &report)?;
    for gateway in &cluster.gateways {
        wait_for_port((cluster.listen.address, gateway.client).into()).await?;
    }
    let name = &cluster.wanted.name;
    report.plain(&format!("ChatCluster {name}, data in {}", options.data.display()));

    let fleet = Fleet::start(&cluster, &programs, &report);
    let outcome = tokio::select! {
        outcome = serve(&cluster, &fleet, &options, &report) => outcome,
        () = shutdown.cancelled() => Ok(()),
    };
    report.event("local", "stopping: gateways first, then messages and manager");
    let gone = folder::remove(&cluster.paths.endpoints());
    fleet.stop().await;
    report.event("local", "stopped");
    outcome.and(gone)
}

fn read_file(path: &Path, listen: &Listen, report: &Report) -> Result<Wanted, LocalError> {
    let text = fs::read_to_string(path).map_err(LocalError::file("reading", path))?;
    let (wanted, warnings) =
        file::read(&text).map_err(|error| LocalError::Invalid { path: path.to_owned(), error })?;
    for warning in warnings {
        let line = warning.line.map_or_else(String::new, |line| format!(" line {line}:"));
        report.plain(&format!("warning: {}:{line} {}", path.display(), warning.reason));
    }
    if let Some(warning) = listen.warning() {
        report.plain(&format!("warning: {warning}"));
    }
    Ok(wanted)
}

fn resolve(wanted: Wanted, options: &Options, data: &Path) -> Result<Cluster, LocalError> {
    let base = options.port_base;
    let mut ports = FreePorts::except(client_ports(base, wanted.spec.gateways.replicas)?);
    Cluster::resolve(wanted, options.listen.clone(), data.to_owned(), base, |wish| ports.next(wish))
}

/// Everything that the processes read.
fn write_files(cluster: &Cluster, report: &Report) -> Result<(), LocalError> {
    let paths = &cluster.paths;
    folder::remove(&paths.endpoints())?;
    let issued = keys::ensure(cluster, SystemTime::now())?;
    if !issued.is_empty() {
        report.detail("local", &format!("issued certificates: {}", issued.join(", ")));
    }
    folder::make_empty(&paths.page())?;
    chatcluster_page::write_to(&paths.page()).map_err(LocalError::file("writing", paths.page()))?;
    for gateway in &cluster.gateways {
        let config = serde_yaml::to_string(&render::gateway(cluster, gateway))?;
        folder::write(&paths.config(&format!("{}.yaml", gateway.name)), config)?;
    }
    let config = serde_yaml::to_string(&render::messages(cluster))?;
    folder::write(&paths.config("messages.yaml"), config)?;
    for node in &cluster.redis {
        let config = render::redis(cluster, node);
        folder::write(&paths.config(&format!("{}.conf", node.name)), config)?;
    }
    for path in [paths.messages(), paths.log("any"), paths.pid("any")] {
        folder::make(path.parent().unwrap_or(paths.root()))?;
    }
    Ok(())
}

async fn wait_for_port(address: SocketAddr) -> Result<(), LocalError> {
    let end = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(LocalError::NotOurs(address.ip()));
            }
            Err(error) if Instant::now() >= end => {
                return Err(LocalError::Port { address, error });
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Waits until everything is ready, tells how to use it, and looks after certificates. Returns only with
/// an error.
async fn serve(
    cluster: &Cluster,
    fleet: &Fleet,
    options: &Options,
    report: &Report,
) -> Result<(), LocalError> {
    let slow = async {
        loop {
            sleep(SLOW_START).await;
            let text = format!("still waiting for {}; see their logs", fleet.unready().join(", "));
            report.event("local", &text);
        }
    };
    tokio::select! {
        () = fleet.ready() => {}
        () = slow => {}
    }
    let endpoints = serde_yaml::to_string(&Endpoints::of(cluster))?;
    folder::write(&cluster.paths.endpoints(), endpoints)?;
    report.plain(&instructions(cluster, &options.data));
    loop {
        sleep(RENEW_EVERY).await;
        match keys::ensure(cluster, SystemTime::now()) {
            Ok(issued) if issued.is_empty() => {}
            Ok(issued) => {
                report.event("local", &format!("renewed certificates: {}", issued.join(", ")))
            }
            Err(error) => report.event("local", &format!("renewing certificates failed: {error}")),
        }
    }
}

fn instructions(cluster: &Cluster, data: &Path) -> String {
    let (data, host, port) = (data.display(), cluster.listen.host(), cluster.gateways[0].client);
    let gateways: Vec<_> = cluster
        .gateways
        .iter()
        .map(|gateway| {
            format!("  {:<12} {}", gateway.name, endpoints::wss(cluster, gateway.client))
        })
        .collect();
    format!(
        "\n\
         Ready. Clients connect to any of\n{}\n\
         \x20 and trust    {data}/ca.pem\n\
         Page           https://{host}:{port}/\n\
         Backends       {}   (Authorization: Bearer, with {data}/service-token.jwt)\n\
         \x20 send at      http://127.0.0.1:{}   (or at any other gateway: {data}/endpoints.yaml)\n\
         Talk           chat --data {data} --user alice     and elsewhere: --user bob\n\
         Tokens         chat token --data {data} --user alice\n\
         Ctrl-C stops everything; {data} keeps the messages.\n",
        gateways.join("\n"),
        endpoints::http(cluster),
        cluster.gateways[0].backend,
    )
}
