//! schemathesis against the program: what it serves is what `/openapi.json` says.
//! `scripts/schemathesis` installs the tool and runs this.

use std::time::Duration;

use chatcluster_messages_api::v1;
use chatcluster_protocol::id::MessageId;
use tokio::process::Command;

use crate::{
    harness::*,
    process::{Home, now, stored},
};

#[tokio::test]
#[ignore = "needs schemathesis: run scripts/schemathesis"]
async fn the_http_port_keeps_what_its_description_promises() {
    let tool = std::env::var("CHATCLUSTER_SCHEMATHESIS").expect("scripts/schemathesis sets this");
    let home = Home::new();
    let program = home.start().await;
    let mut gateway = home.gateway(&program).await;
    let mut seeded = String::new();
    for n in 0..50 {
        let (from, to) = if n % 2 == 0 { ("alice", "bob") } else { ("bob", "carol") };
        let append = append(from, to, &n.to_string(), now() + n, "hi");
        seeded = MessageId::from_bytes(append.id[..].try_into().unwrap()).unwrap().to_string();
        assert!(stored(&mut gateway, append).await.unwrap());
    }
    for n in 0..10 {
        let request =
            v1::RegisterRequest { device: device("alice", &format!("d{n}")), issued: NOW };
        gateway.register(request).await.unwrap();
    }
    let mut run = Command::new(tool);
    let url = format!("http://127.0.0.1:{}/openapi.json", program.http);
    run.args(["run", &url, "--checks", "all", "--max-examples", "60", "--max-time", "30"]);
    run.args(["--seed", "1", "--header", &format!("Authorization: Bearer {}", good_token())]);
    run.env("CHATCLUSTER_MESSAGE", seeded);
    run.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").kill_on_drop(true);
    // Asked when the test runs: checkouts share their build folder, so the compiler's may be another one.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets this");
    run.env("PYTHONPATH", format!("{package}/../scripts"));
    // It leaves a folder of examples where it runs.
    let folder = tempfile::tempdir().unwrap();
    let status = tokio::time::timeout(Duration::from_secs(180), run.current_dir(&folder).status());
    let status = status.await.expect("schemathesis ends in time").unwrap();
    assert!(status.success(), "{status}: its report is above");
}
