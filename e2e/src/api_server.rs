//! An API server for tests: etcd, kube-apiserver and the controller manager on loopback, without root
//! and without namespaces. Nothing schedules or runs pods; everything else is what a cluster does.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use chatcluster_testkit::{Process, free_port};
use kube::Client;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    Namespace, Request, flags, kubeconfig,
    kubernetes::{part, part_with},
    pki,
};

/// It takes about 4 s with two cores to itself.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Somebody else may take a port between our look for a free one and its use.
const ATTEMPTS: u32 = 3;

/// A running API server. It ends with the process that started it, however that ends.
#[derive(Debug)]
pub struct ApiServer {
    kubeconfig: PathBuf,
    audit: PathBuf,
    config: kube::Config,
    processes: Vec<Process>,
    _janitor: Option<ChildStdin>,
}

impl ApiServer {
    /// The one of this process, for all tests of a binary: each works in a [`Namespace`] of its own.
    /// The first call starts it and blocks for some seconds, or for minutes when Kubernetes is not
    /// yet built (`scripts/need kubernetes`).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ApiServer> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (started, server) = mpsc::sync_channel(1);
            // Children end with the thread that started them, and a test's thread ends too early.
            thread::spawn(move || {
                let _ = started.send(start());
                loop {
                    thread::park();
                }
            });
            let server = server.recv().context("the thread that starts it panicked");
            server.and_then(|server| server).unwrap_or_else(|e| panic!("no API server: {e:#}"))
        })
    }

    /// A new client, as a user who may do everything. Clients belong to the runtime they are made in.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("make a client of the API server")
    }

    /// Everything of it, and gone with it.
    pub(crate) fn folder(&self) -> &Path {
        self.kubeconfig.parent().expect("the kubeconfig is in a folder")
    }

    /// What a client of its own thread is made of.
    pub(crate) fn config(&self) -> kube::Config {
        self.config.clone()
    }

    /// A client of another user, who may do everything, too: what this one does is told apart by
    /// [`Self::requests_of`].
    pub fn config_of(&self, user: &str) -> kube::Config {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
        config
    }

    /// The same as a file, for programs that take one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_of(&self, user: &str) -> Result<PathBuf> {
        let file = self.folder().join(user).with_extension("conf");
        kubeconfig::impersonate(&self.kubeconfig, user, &file)?;
        Ok(file)
    }

    /// What a user of [`Self::config_of`] has asked for so far, as the API server wrote it down.
    pub fn requests_of(&self, user: &str) -> Vec<Request> {
        let log = fs::read_to_string(&self.audit).expect("read the audit log");
        log.lines().filter_map(|line| Request::read(line, user)).collect()
    }

    /// A file for programs that take one, as the same user.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// kubectl as the same user, without arguments yet.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = part("kubectl").expect("kubectl is there where the API server was");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    /// Installs a custom resource from its file, and returns what the server said when it is served. Blocks.
    pub fn install(&self, file: &Path, resource: &str) -> String {
        let mut apply = self.kubectl();
        let applied = apply.args(["apply", "--server-side", "-f"]).arg(file).output();
        let applied = applied.expect("run kubectl");
        let said = String::from_utf8_lossy(&applied.stderr).into_owned();
        assert!(applied.status.success(), "apply {}: {said}", file.display());
        let deadline = std::time::Instant::now() + READY_WITHIN;
        let is_served = || {
            let listed = self.kubectl().args(["get", resource, "--all-namespaces"]).output();
            listed.expect("run kubectl").status.success()
        };
        while !is_served() {
            assert!(std::time::Instant::now() < deadline, "{resource} is not served");
            thread::sleep(Duration::from_millis(100));
        }
        said
    }

    /// A new namespace whose name begins with `purpose`.
    pub async fn namespace(&self, purpose: &str) -> Namespace {
        let namespace = Namespace::create(self.config.clone(), purpose).await;
        let namespace = namespace.unwrap_or_else(|e| panic!("no namespace {purpose}: {e:#}"));
        namespace.with_logs(self.processes.iter().map(|process| process.folder().join("output")))
    }
}

fn start() -> Result<ApiServer> {
    // Asked before any folder is made: a build may take minutes and may fail.
    crate::kubernetes().built()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let folder = tempfile::Builder::new().prefix("chatcluster-kubernetes-").tempdir()?;
        match (runtime.block_on(start_in(&folder)), attempts.next()) {
            (Err(e), Some(attempt)) if attempt < ATTEMPTS => drop(e),
            (started, _) => {
                let mut server = started?;
                server._janitor = Some(janitor(folder.keep())?);
                return Ok(server);
            }
        }
    }
}

async fn start_in(folder: &TempDir) -> Result<ApiServer> {
    let (etcd, etcd_peers, api) = (free_port(), free_port(), free_port());
    let etcd_url = format!("http://127.0.0.1:{etcd}");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| {
        fs::write(file(name), text).context("write a file of the API server")
    };

    let authority = pki::Authority::generate()?;
    let url = format!("https://127.0.0.1:{api}");
    let server = authority.issue("kube-apiserver", "", &["127.0.0.1", "localhost"])?;
    let admin = authority.issue("admin", "system:masters", &[])?;
    let controllers = authority.issue("system:kube-controller-manager", "", &[])?;
    write("ca.pem", authority.certificate())?;
    write("ca.key", &authority.key())?;
    write("apiserver.pem", &server.certificate)?;
    write("apiserver.key", &server.key)?;
    let tokens = pki::SigningKey::generate()?;
    write("tokens.key", &tokens.private)?;
    write("tokens.pub", &tokens.public)?;
    write("audit.yaml", flags::AUDIT_POLICY)?;
    write("admin.conf", &kubeconfig::text(&url, &authority, &admin))?;
    write("controllers.conf", &kubeconfig::text(&url, &authority, &controllers))?;

    let start = |name: &str, flags: &[Vec<String>]| -> Result<Process> {
        Ok(Process::start_below(folder.path(), name, &part_with(name, flags)?))
    };
    let processes = vec![
        start(
            "etcd",
            &[vec![
                format!("data-dir={}", file("etcd")),
                // What a test wrote need not survive the machine.
                "unsafe-no-fsync".into(),
                format!("listen-client-urls={etcd_url}"),
                format!("advertise-client-urls={etcd_url}"),
                format!("listen-peer-urls=http://127.0.0.1:{etcd_peers}"),
                "log-level=warn".into(),
            ]],
        )?,
        start(
            "kube-apiserver",
            &[
                flags::api_server(&etcd_url, file),
                vec![
                    "bind-address=127.0.0.1".into(),
                    "advertise-address=127.0.0.1".into(),
                    format!("secure-port={api}"),
                    // Nobody reaches it by the service `kubernetes`, and loopback may not stand there.
                    "endpoint-reconciler-type=none".into(),
                    "authorization-mode=RBAC".into(),
                    // As strict clusters have it: only who may change an owner may say that it waits.
                    "enable-admission-plugins=OwnerReferencesPermissionEnforcement".into(),
                    format!("audit-policy-file={}", file("audit.yaml")),
                    format!("audit-log-path={}", file("audit.log")),
                    // One file, whatever there is: whoever counts requests reads it from its beginning.
                    "audit-log-maxsize=10000".to_owned(),
                ],
            ],
        )?,
        start(
            "kube-controller-manager",
            &[
                flags::controller_manager(&file("controllers.conf"), file),
                vec![
                    // Serves nothing.
                    "secure-port=0".into(),
                    // Its own limit, 20 requests a second, spares servers that have other users.
                    "kube-api-qps=1000".into(),
                    "kube-api-burst=1000".into(),
                ],
            ],
        )?,
    ];
    let kubeconfig = folder.path().join("admin.conf");
    let config = kubeconfig::read(&kubeconfig).await?;
    let audit = folder.path().join("audit.log");
    let mut server = ApiServer { kubeconfig, audit, config, processes, _janitor: None };
    server.wait_until_ready().await?;
    Ok(server)
}

impl ApiServer {
    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let client = self.client();
        loop {
            for process in &mut self.processes {
                if let Some(ended) = process.ended() {
                    bail!("{} ended ({ended}): {}", process.name(), process.last_words());
                }
            }
            // TLS tells our server from another one that were quicker on the port.
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let why = match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(e) => e,
            };
            if Instant::now() > deadline {
                let words: Vec<_> = self.processes.iter().map(Process::last_words).collect();
                bail!("not ready within {READY_WITHIN:?}: {why}\n{}", words.join("\n"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Removes `folder` when this process has ended, also by a signal: it waits for the end of a pipe whose
/// other end, the one returned, only we hold.
fn janitor(folder: PathBuf) -> Result<ChildStdin> {
    // The servers die at the same moment and may still write a file while the first `rm` works.
    let script = r#"cat; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && exit; sleep 0.2; done"#;
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        // Ctrl-C is for us.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start the shell that removes the folder of the API server")?;
    child.stdin.take().context("the pipe to that shell")
}
