//! The life of a local cluster, step by step.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    LocalError, Options,
    child::{self, Health, Kept, Program},
    cluster::{Cluster, MESSAGES, Redis, client_ports},
    endpoints::{self, Endpoints},
    file::{self, Wanted},
    folder::{self, Folder},
    keys,
    manager::{self, Node},
    options::Listen,
    ports::FreePorts,
    probe::Probe,
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

/// Beyond its drain, a gateway lets last frames leave (3 s) and ends its lease (3 s).
const GATEWAY_STOPS: Duration = Duration::from_secs(8);

/// Calls under way have 10 s in the message service.
const MESSAGES_STOPS: Duration = Duration::from_secs(13);

/// Redis has nothing to write.
const REDIS_STOPS: Duration = Duration::from_secs(5);

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
    let (wanted, warnings) = file::read(&text)
        .map_err(|source| LocalError::Invalid { path: path.to_owned(), source })?;
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
    Cluster::resolve(wanted, options.listen.clone(), data.to_owned(), base, || ports.next())
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

async fn wait_for_port(address: std::net::SocketAddr) -> Result<(), LocalError> {
    let end = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(source) if Instant::now() >= end => {
                return Err(LocalError::Port { address, source });
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
         Talk           chat --data {data} --user alice     and elsewhere: --user bob\n\
         Tokens         chat token --data {data} --user alice\n\
         Ctrl-C stops everything; {data} keeps the messages.\n",
        gateways.join("\n"),
        endpoints::http(cluster),
    )
}

/// All processes, in the order in which they stop.
struct Fleet {
    gateways: Group,
    messages: Group,
    redis: Group,
    manager: Manager,
}

/// Processes that are stopped together.
struct Group {
    children: Vec<Kept>,
    stop: CancellationToken,
}

/// Who forms and heals the Redis Cluster.
struct Manager {
    ready: watch::Receiver<bool>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Fleet {
    /// Starts all at once: none needs another to become ready.
    fn start(cluster: &Cluster, programs: &Programs, report: &Report) -> Self {
        let group = |children: Vec<Program>| Group::start(children, cluster, programs, report);
        let redis =
            group(cluster.redis.iter().map(|node| redis(cluster, programs, node)).collect());
        let messages = group(vec![messages(cluster, programs)]);
        let gateways = (0..cluster.gateways.len()).map(|index| gateway(cluster, programs, index));
        let gateways = group(gateways.collect());
        let nodes = cluster.redis.iter().zip(&redis.children);
        let nodes =
            nodes.map(|(node, kept)| Node { redis: node.clone(), health: kept.health.clone() });
        let (nodes, stop) = (nodes.collect(), CancellationToken::new());
        let (ready, is_ready) = watch::channel(false);
        let conduct = manager::conduct(nodes, cluster.goal(), report.clone(), ready, stop.clone());
        let manager = Manager { ready: is_ready, task: tokio::spawn(conduct), stop };
        Self { gateways, messages, redis, manager }
    }

    /// Returns when everything has become ready.
    async fn ready(&self) {
        let children = self.children().map(|kept| async {
            // An error means that it is being stopped.
            let _ = kept.health.clone().wait_for(|health| *health == Health::Ready).await;
        });
        join_all(children).await;
        let _ = self.manager.ready.clone().wait_for(|ready| *ready).await;
    }

    /// What is not ready.
    fn unready(&self) -> Vec<&str> {
        let children = self.children().filter(|kept| *kept.health.borrow() != Health::Ready);
        let manager = (!*self.manager.ready.borrow()).then_some("manager");
        children.map(|kept| kept.name.as_str()).chain(manager).collect()
    }

    fn children(&self) -> impl Iterator<Item = &Kept> {
        [&self.redis, &self.messages, &self.gateways].into_iter().flat_map(|group| &group.children)
    }

    /// Gateways first, while what they need is there: they let go of their clients.
    async fn stop(self) {
        self.gateways.stop().await;
        self.messages.stop().await;
        self.manager.stop.cancel();
        // It cannot fail; that it ends before its nodes keeps it from healing what is being stopped.
        let _ = self.manager.task.await;
        self.redis.stop().await;
    }
}

impl Group {
    fn start(
        children: Vec<Program>,
        cluster: &Cluster,
        programs: &Programs,
        report: &Report,
    ) -> Self {
        let stop = CancellationToken::new();
        let keep = |program: Program| {
            let (operator, paths) = (programs.operator.clone(), cluster.paths.clone());
            // A log that cannot be put aside is appended to.
            let _ = child::rotate_log(&paths.log(&program.name));
            child::keep(operator, program, paths, report.clone(), stop.clone())
        };
        Self { children: children.into_iter().map(keep).collect(), stop: stop.clone() }
    }

    async fn stop(self) {
        self.stop.cancel();
        join_all(self.children.into_iter().map(|kept| kept.task)).await;
    }
}

fn gateway(cluster: &Cluster, programs: &Programs, index: usize) -> Program {
    let gateway = &cluster.gateways[index];
    let config = cluster.paths.config(&format!("{}.yaml", gateway.name));
    Program {
        name: gateway.name.clone(),
        path: programs.gateway.clone(),
        arguments: vec!["--config".into(), config.into()],
        probe: Probe::Admin(gateway.admin),
        ready: format!("ready: {}", endpoints::wss(cluster, gateway.client)),
        stop_within: *render::drain_timeout(cluster) + GATEWAY_STOPS,
    }
}

fn messages(cluster: &Cluster, programs: &Programs) -> Program {
    Program {
        name: MESSAGES.into(),
        path: programs.messages.clone(),
        arguments: vec!["--config".into(), cluster.paths.config("messages.yaml").into()],
        probe: Probe::Admin(cluster.messages.admin),
        ready: format!("ready: {}", endpoints::http(cluster)),
        stop_within: MESSAGES_STOPS,
    }
}

fn redis(cluster: &Cluster, programs: &Programs, node: &Redis) -> Program {
    Program {
        name: node.name.clone(),
        path: programs.redis.clone(),
        arguments: vec![cluster.paths.config(&format!("{}.conf", node.name)).into()],
        probe: Probe::Redis(node.port),
        ready: "ready".into(),
        stop_within: REDIS_STOPS,
    }
}
