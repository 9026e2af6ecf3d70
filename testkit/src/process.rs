//! Child processes that never outlive their test.
//!
//! Three nets hold a child: it is killed when its [`Process`] is dropped, with its whole process
//! group; by the kernel when the thread that started it ends, so also when the test binary is killed
//! (parent death signal); and its files are in a folder that goes with it.

use std::{
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

/// Lines of a child's output that a failing test shows.
const SHOWN: usize = 60;

/// A running child. Start it on the test's own thread: it ends with the thread that started it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts `command` in a folder of its own, which is empty and goes away with the process.
    /// What it writes is kept, and shown when the test fails.
    pub fn start(name: &str, command: &Command) -> Self {
        Self::start_below(&std::env::temp_dir(), name, command)
    }

    /// [`Self::start`] with the process's own folder in `parent`.
    pub fn start_below(parent: &Path, name: &str, command: &Command) -> Self {
        let folder = tempfile::Builder::new()
            .prefix(&format!("chatcluster-{name}-"))
            .tempdir_in(parent)
            .expect("make a folder for a child process");
        let child = spawn(command, &folder);
        Self { name: name.to_owned(), child, folder }
    }

    /// Starts `command` in the place of this process, which is killed first; the folder is emptied
    /// unless `keep_files`.
    pub fn restart(&mut self, command: &Command, keep_files: bool) {
        self.kill();
        if !keep_files {
            fs::remove_dir_all(self.folder.path()).expect("empty the folder of a child process");
            fs::create_dir(self.folder.path()).expect("make the folder of a child process again");
        }
        self.child = spawn(command, &self.folder);
    }

    /// What it was named, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also that of its process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its working folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("look after a child process")
    }

    /// Everything that it wrote so far, standard output and standard error together.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.folder.path().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of [`Self::output`]: what is worth showing when a test fails.
    pub fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself; then there is nobody to tell.
        let _ = killpg(self.group(), signal);
    }

    /// Ends it with SIGKILL, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) -> ExitStatus {
        // Once reaped, the number may belong to somebody else.
        if let Some(ended) = self.ended() {
            return ended;
        }
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("wait for a killed child process")
    }

    /// Freezes it: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        wait_until_stopped(self.group());
    }

    /// Ends a [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit 31 bits"))
    }
}

impl Drop for Process {
    #[allow(clippy::print_stderr, reason = "the test has failed and this is its explanation")]
    fn drop(&mut self) {
        let ended = self.kill();
        if std::thread::panicking() {
            let last = self.last_words();
            let how = match ended.signal() {
                Some(libc::SIGKILL) => "ran until the test failed or was killed by it".to_owned(),
                _ => format!("had ended before ({ended})"),
            };
            eprintln!("--- {} {how}; its last words:\n{last}\n---", self.name);
        }
    }
}

/// `setpriv` sets the parent death signal and becomes the program: doing it here would need unsafe
/// code between fork and exec.
fn spawn(command: &Command, folder: &TempDir) -> Child {
    let output = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("output"))
        .expect("make the output file of a child process");
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(key, value),
            None => guarded.env_remove(key),
        };
    }
    guarded
        .current_dir(command.get_current_dir().unwrap_or(folder.path()))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("share the output file of a child process"))
        .stderr(output)
        .spawn()
        .unwrap_or_else(|e| panic!("start {command:?} by setpriv (package util-linux): {e}"))
}

/// Waits until a process that was sent SIGSTOP has stopped: on a busy machine its threads run on for a while.
pub fn wait_until_stopped(process: Pid) {
    let stopped = || {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()).all(
            |stat| {
                // The state follows the name, which is in brackets and may hold any character.
                stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't', 'Z', 'X']))
            },
        )
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !stopped() {
        assert!(Instant::now() < deadline, "process {process} does not stop");
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Signal 0 asks whether anybody is there.
    fn alive(id: i32) -> bool {
        nix::sys::signal::kill(Pid::from_raw(id), None).is_ok()
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone_with_its_children_and_its_folder() {
        let process = Process::start("tree", &shell("sleep 1000 & echo $!; wait"));
        let mut grandchild = 0;
        wait_until("the child named its child", Duration::from_secs(10), async || {
            grandchild = process.output().trim().parse().unwrap_or(0);
            grandchild != 0
        })
        .await;
        let (id, folder) = (process.id() as i32, process.folder());
        assert!(alive(id) && alive(grandchild) && folder.exists());
        drop(process);
        assert!(!alive(id) && !folder.exists());
        // Its new parent may reap it a moment later.
        wait_until("the grandchild is gone", Duration::from_secs(10), async || {
            let stat = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            !alive(grandchild) || stat.contains(") Z")
        })
        .await;
    }

    #[tokio::test]
    async fn a_process_ends_with_the_thread_that_started_it() {
        let start = || {
            let process = Process::start("orphan", &shell("echo started; exec sleep 1000"));
            while process.output().is_empty() {
                std::thread::yield_now();
            }
            process
        };
        let mut process = std::thread::spawn(start).join().unwrap();
        wait_until("the kernel killed it", Duration::from_secs(10), async || {
            process.ended().is_some()
        })
        .await;
    }

    #[test]
    fn how_a_process_ended_is_known() {
        let mut process = Process::start("seven", &shell("exit 7"));
        assert_eq!(process.child.wait().unwrap().code(), Some(7));
        assert_eq!(process.kill().code(), Some(7));
    }
}
