//! The message service's decisions: identity, references, quorum, pages. No I/O, no tokio.
