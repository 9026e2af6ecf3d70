//! The process that a cluster is: it starts the control plane and the nodes in namespaces of their
//! own, lays the cables between them, and plays the parts of a cloud (volumes, LoadBalancer
//! addresses). When it ends, even by SIGKILL, the kernel ends all of them.

use std::{
    env,
    fs::{self, File},
    io::Write,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    cgroups,
    layout::{Layout, NODES, node_name},
    load_balancer, network, volumes,
};
use crate::inside::{API_SOCKET, forward};

/// Between two looks at what the cluster wants of its cloud.
const PAUSE: Duration = Duration::from_millis(500);

/// A process that holds namespaces, with everything in them.
struct Holder {
    child: Child,
    id: i32,
}

/// Runs the cluster whose files are written. Returns only when it cannot.
pub(crate) fn supervise(layout: &Layout, port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).context("listen for the API")?;
    forward(listener, &layout.file(API_SOCKET));

    let mut control_plane = Holder::start(layout, "control-plane", &["control-plane"])?;
    network::control_plane(control_plane.id)?;
    control_plane.go()?;
    let mut outside = Holder::start(layout, "outside", &["outside"])?;
    network::outside(control_plane.id, outside.id)?;
    outside.go()?;
    let mut nodes = Vec::new();
    for node in NODES {
        nodes.push((node, start_node(layout, control_plane.id, node)?));
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(async {
        let config = crate::kubeconfig::read(&layout.kubeconfig()).await?;
        kube::Client::try_from(config).context("make a client of the API")
    })?;
    loop {
        runtime.block_on(cloud(&client, layout, outside.id));
        if let Some(ended) = control_plane.child.try_wait()? {
            bail!("the control plane ended: {ended}");
        }
        for (node, holder) in &mut nodes {
            // A node that ended stays away until it is asked for, like a machine without power.
            let asked = layout.file(&format!("{}.start", node_name(*node)));
            if holder.child.try_wait()?.is_some() && asked.exists() {
                match start_node(layout, control_plane.id, *node) {
                    Ok(started) => {
                        *holder = started;
                        fs::remove_file(asked)?;
                    }
                    Err(e) => crate::say(format_args!("node {node} must wait: {e:#}")),
                }
            }
        }
        thread::sleep(PAUSE);
    }
}

/// What a cloud would do. It is not there from the first moment, nor always: another look comes soon.
async fn cloud(client: &kube::Client, layout: &Layout, outside: i32) {
    let work = async {
        volumes::provide(client, layout).await?;
        load_balancer::assign(client, outside).await
    };
    match tokio::time::timeout(Duration::from_secs(10), work).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => crate::say(format_args!("the cloud's part: {e:#}")),
        Err(_) => crate::say("the cloud's part: no answer in time"),
    }
}

fn start_node(layout: &Layout, control_plane: i32, node: u8) -> Result<Holder> {
    cgroups::make(node)?;
    let name = node_name(node);
    let mut holder = Holder::start(layout, &name, &["node", &node.to_string()])?;
    network::node(control_plane, holder.id, node)?;
    holder.go()?;
    Ok(holder)
}

impl Holder {
    /// Starts this program in new namespaces, where it waits for [`Holder::go`].
    fn start(layout: &Layout, name: &str, inside: &[&str]) -> Result<Self> {
        fs::create_dir_all(layout.file(name))?;
        let log = File::create(layout.file(&format!("{name}/init.log"))).context("make a log")?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid"])
            .args(["--fork", "--kill-child", "--mount-proc"])
            .arg(env::current_exe().context("find this program")?)
            .arg("inside")
            .args(inside)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let id = child.id().try_into().context("a process id fits 31 bits")?;
        let namespace = |id: &str| fs::read_link(format!("/proc/{id}/ns/net")).ok();
        let deadline = Instant::now() + Duration::from_secs(10);
        while namespace("self") == namespace(&child.id().to_string()) {
            if Instant::now() > deadline {
                bail!("{name} got no network namespace");
            }
            thread::sleep(Duration::from_millis(5));
        }
        layout.write(&format!("{name}.pid"), &child.id().to_string())?;
        Ok(Self { child, id })
    }

    /// Tells it that its network is there.
    fn go(&mut self) -> Result<()> {
        let pipe = self.child.stdin.as_mut().context("the pipe to a namespace")?;
        writeln!(pipe, "go").context("start what is in a namespace")
    }
}
