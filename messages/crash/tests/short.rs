//! The short form of `make crash`, and that it can fail.

use std::process::{Command, Output};

fn crash(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatcluster-crash"));
    command.args(["--rounds", "1", "--short"]).args(arguments);
    let Output { status, stdout, stderr } = command.output().expect("run chatcluster-crash");
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (status.success(), said)
}

#[test]
fn nodes_that_are_killed_emptied_and_without_power_lose_nothing() {
    let faults = ["--fault", "kill-all", "--fault", "empty-disk", "--fault", "power-cuts"];
    let (good, said) = crash(&[&["--messages", "4000"][..], &faults].concat());
    println!("{said}");
    assert!(good, "{said}");
}

#[test]
fn full_disks_silent_links_and_dying_services_lose_nothing() {
    let faults = ["--fault", "full-disks", "--fault", "silent-links", "--fault", "kill-service"];
    let (good, said) = crash(&[&["--messages", "4000"][..], &faults].concat());
    println!("{said}");
    assert!(good, "{said}");
}

/// Nodes whose disks say that they have synced, and have not, are found out.
#[test]
fn disks_that_lie_are_found_out() {
    let faults = ["--fault", "power-cuts"];
    let (good, said) =
        crash(&[&["--messages", "2000", "--lies", "--patience", "15"][..], &faults].concat());
    println!("{said}");
    assert!(!good && said.contains(" wrong"), "{said}");
}
