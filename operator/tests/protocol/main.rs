//! docs/protocol.md, held against a cluster of the real programs by a client that knows only what is written
//! there. The test has no frames of its own: it reads the document's, plays them, and breaks them.
//!
//! Run by `cargo test --workspace`, which builds the programs beside the operator.

mod bindings;
mod client;
mod cluster;
mod conversation;
mod document;
mod elided;
mod matching;
mod mistakes;
mod schemas;
mod world;
mod written;

use std::time::Duration;

use world::World;

/// For whatever must happen; many times what it takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// The document has every frame and code that there is, and shows frames that are some.
#[test]
fn the_document_and_the_schemas_agree() {
    none(written::disagreements());
}

#[tokio::test]
async fn the_conversation_goes_as_documented() {
    let world = World::up().await;
    none(conversation::play(&world).await.err());
}

#[tokio::test]
async fn mistakes_are_answered_as_documented() {
    let world = World::up().await;
    none(mistakes::make_all(&world).await);
}

/// Fails with all findings, each of which names its line.
fn none(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<_> = findings.into_iter().collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
