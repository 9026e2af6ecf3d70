//! docs/kubernetes.md, as a newcomer follows it: from `helm install` to a chat, to `helm uninstall`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use chatcluster_e2e::helm;

use crate::{
    operator::{self, NAMESPACE},
    world::{World, scenario},
};

/// A block of code of the page, by what its fence says.
#[derive(Debug, PartialEq)]
struct Block {
    /// `sh` is run, `yaml` is what a ChatCluster may say, `sh example` is for people.
    kind: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // The spaces before the fence of the block that we are in.
    let mut inside: Option<&str> = None;
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (inside, fence) {
            (Some(_), Some(_)) => inside = None,
            (None, Some(kind)) => {
                inside = Some(&line[..line.len() - line.trim_start().len()]);
                blocks.push(Block { kind: kind.to_owned(), text: String::new() });
            }
            (Some(indent), None) => {
                let line = line.strip_prefix(indent).unwrap_or(line);
                blocks.last_mut().unwrap().text += &format!("{line}\n");
            }
            (None, None) => {}
        }
    }
    assert_eq!(inside, None, "the last block has an end");
    blocks
}

/// One shell does it all, since a block uses what the one before has left.
fn script(blocks: &[Block]) -> String {
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n".to_owned();
    for Block { kind, text } in blocks {
        let text = match kind.as_str() {
            "sh" => text.clone(),
            "sh example" => continue,
            "yaml" => format!(
                "kubectl apply --namespace chat --dry-run=server -f - <<'END'\n\
                 apiVersion: chatcluster.io/v1alpha1\nkind: ChatCluster\nmetadata: {{name: tried}}\n\
                 {text}END\n"
            ),
            other => panic!("nobody knows what a block of `{other}` is for:\n{text}"),
        };
        script += &format!("cat >&2 <<'END_OF_BLOCK'\n--- {text}END_OF_BLOCK\n{text}");
    }
    script
}

/// Runs it in a folder with the charts, with the programs and the home of a newcomer.
fn follow(world: &World, script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    symlink(root.join("charts"), home.path().join("charts")).unwrap();
    let programs = home.path().join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(helm().built().unwrap(), programs.join("helm")).unwrap();
    symlink(chat(), programs.join("chat")).unwrap();
    let kubectl = programs.join("kubectl");
    fs::write(&kubectl, format!("#!/bin/sh\nexec {} \"$@\"\n", world.kubectl_line())).unwrap();
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();

    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("timeout");
    bash.args(["300", "bash", "-c", script]).current_dir(home.path());
    bash.env("HOME", home.path()).env("PATH", path).env("KUBECONFIG", world.kubeconfig());
    for name in ["CACHE", "CONFIG", "DATA", "STATE"] {
        bash.env_remove(format!("XDG_{name}_HOME"));
    }
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let how = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{how}\n{said}", output.status);
    said
}

/// The program, which cargo puts beside this test's folder.
fn chat() -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let chat = test.ancestors().nth(2).unwrap().join("chat");
    assert!(chat.is_file(), "{}: cargo build -p chatcluster-client", chat.display());
    chat
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make e2e"]
async fn every_command_of_the_page_does_what_it_says() {
    scenario("docs/kubernetes.md, block by block", 600, async |world| {
        operator::uninstall(world);
        let page = include_str!("../../../docs/kubernetes.md");
        let blocks = blocks(page);
        let run = blocks.iter().filter(|block| block.kind == "sh").count();
        let script = script(&blocks);
        let said = tokio::task::block_in_place(|| follow(world, &script));
        assert!(said.contains("hello, bob"), "bob hears of alice: {said}");
        println!("    {run} blocks of commands run, {} in all", blocks.len());
        for namespace in ["chat", NAMESPACE] {
            world.kubectl(&["delete", "namespace", namespace]).await.unwrap();
        }
    })
    .await;
}

#[test]
fn blocks_have_what_stands_between_their_fences() {
    let page = "text\n```sh\none\ntwo\n```\n- item\n  ```yaml\n  spec:\n    paused: true\n  ```\n";
    let block = |kind: &str, text: &str| Block { kind: kind.into(), text: text.into() };
    assert_eq!(blocks(page), [block("sh", "one\ntwo\n"), block("yaml", "spec:\n  paused: true\n")]);
}
