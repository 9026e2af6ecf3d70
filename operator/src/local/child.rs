//! A child process, kept running: started, watched, started again with back-off when it dies, stopped
//! when told to.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{LocalError, backoff::Backoff, cluster::Paths, folder, probe::Probe, report::Report};
use crate::guard;

/// What is to run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) probe: Probe,
    /// What the line says when it is ready.
    pub(super) ready: String,
    /// How long it may take to stop, before it is killed.
    pub(super) stop_within: Duration,
}

/// What is known of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// There certainly is no process.
    Down,
    /// There is one, and it is not ready yet.
    Starting,
    /// It was ready at least once.
    Ready,
}

/// A child that is kept running.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) health: watch::Receiver<Health>,
    /// Ends after the stop, when the process is gone.
    pub(super) task: JoinHandle<()>,
}

/// Keeps `program` running from `begin` until `stop`.
pub(super) fn keep(
    operator: PathBuf,
    program: Program,
    paths: Paths,
    report: Report,
    begin: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> Kept {
    let (health, watched) = watch::channel(Health::Down);
    let name = program.name.clone();
    let keeper = Keeper { operator, program, paths, report, health };
    let task = tokio::spawn(async move {
        stop.run_until_cancelled(begin).await;
        keeper.run(stop).await;
    });
    Kept { name, health: watched, task }
}

struct Keeper {
    operator: PathBuf,
    program: Program,
    paths: Paths,
    report: Report,
    health: watch::Sender<Health>,
}

impl Keeper {
    async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let end = match self.start() {
                Ok(child) => self.watch(child, &stop).await,
                Err(error) => Some(error.to_string()),
            };
            self.health.send_replace(Health::Down);
            let _ = fs::remove_file(self.paths.pid(&self.program.name));
            let Some(end) = end else { break };
            let wait = backoff.after(begun.elapsed());
            let text = format!("{end}; starting again in {:.1} s", wait.as_secs_f32());
            self.report.event(&self.program.name, &text);
            stop.run_until_cancelled(sleep(wait)).await;
        }
    }

    /// Starts the process in an empty working folder. Nothing is awaited here, so that the thread which
    /// starts it is the caller's.
    fn start(&self) -> Result<Child, LocalError> {
        let (name, program) = (&self.program.name, &self.program.path);
        let (work, log) = (self.paths.work(name), self.paths.log(name));
        folder::make_empty(&work)?;
        let output = open_log(&log).map_err(LocalError::file("opening", &log))?;
        let errors = output.try_clone().map_err(LocalError::file("opening", &log))?;
        let mut command = Command::from(guard::command(&self.operator, program));
        command
            .args(&self.program.arguments)
            .current_dir(&work)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C is for the operator: it stops its children in order.
            .process_group(0)
            .kill_on_drop(true);
        if std::env::var_os("CHATCLUSTER_LOG_FORMAT").is_none() {
            command.env("CHATCLUSTER_LOG_FORMAT", "text");
        }
        self.health.send_replace(Health::Starting);
        let child = command.spawn().map_err(LocalError::file("starting", program))?;
        if let Some(id) = child.id() {
            folder::write(&self.paths.pid(name), format!("{id}\n"))?;
            self.report.detail(name, &format!("pid {id}, log {}", log.display()));
        }
        Ok(child)
    }

    /// Watches the process to its end, and says how it ended; nothing if it was told to.
    async fn watch(&self, mut child: Child, stop: &CancellationToken) -> Option<String> {
        let ready = self.program.probe.until_ready();
        tokio::pin!(ready);
        let mut was_ready = false;
        loop {
            tokio::select! {
                ended = child.wait() => return Some(self.obituary(ended)),
                () = stop.cancelled() => break,
                () = &mut ready, if !was_ready => {
                    was_ready = true;
                    self.health.send_replace(Health::Ready);
                    self.report.event(&self.program.name, &self.program.ready);
                }
            }
        }
        self.stop(&mut child).await;
        None
    }

    async fn stop(&self, child: &mut Child) {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id {
            // It may be ending by itself right now.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        if timeout(self.program.stop_within, child.wait()).await.is_err() {
            let text = format!("did not stop in {} s: killed", self.program.stop_within.as_secs());
            self.report.event(&self.program.name, &text);
            let _ = child.kill().await;
        }
    }

    /// How it ended, and its last words, unless it was killed in the middle of others.
    fn obituary(&self, ended: io::Result<ExitStatus>) -> String {
        let how = match &ended {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let spoke = ended.is_ok_and(|status| status.signal() != Some(Signal::SIGKILL as i32));
        match last_line(&self.paths.log(&self.program.name)).filter(|_| spoke) {
            Some(words) => format!("ended ({how}): {words}"),
            None => format!("ended ({how})"),
        }
    }
}

/// Puts the log of an earlier operator aside.
pub(super) fn rotate_log(path: &Path) -> Result<(), LocalError> {
    match fs::rename(path, path.with_added_extension("1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LocalError::file("renaming", path)(error))
        }
        _ => Ok(()),
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// The last line with something on it, of a log that may be large.
fn last_line(path: &Path) -> Option<String> {
    use io::{Read, Seek, SeekFrom};
    const LOOK_AT: u64 = 4096;
    let mut file = File::open(path).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(LOOK_AT);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOOK_AT).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
