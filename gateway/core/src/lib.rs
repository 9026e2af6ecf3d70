//! The gateway's decisions: sessions and routing as state machines. No I/O, no tokio.
