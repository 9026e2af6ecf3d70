//! What changes the whole process, in a process of its own.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

#[tokio::test]
async fn the_first_sigterm_cancels_the_token() {
    let token = chatcluster_runtime::signals::shutdown_token().unwrap();
    assert!(!token.is_cancelled());
    kill(Pid::this(), Signal::SIGTERM).unwrap();
    let deadline = std::time::Duration::from_secs(20);
    tokio::time::timeout(deadline, token.cancelled()).await.expect("the token is cancelled");
}

#[test]
fn the_soft_limit_of_open_files_becomes_the_hard_one() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(512), hard).unwrap();
    assert_eq!(chatcluster_runtime::raise_nofile().unwrap(), hard);
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
}
