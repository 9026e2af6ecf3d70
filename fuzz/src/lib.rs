//! What must hold whatever bytes come. Each target takes any bytes and panics where something does not hold.
//!
//! - [`client_frame`], [`server_frame`], [`peer_frames`]: the wire
//! - [`record`], [`merged`]: what is on disk, and what replicas have on theirs
//! - [`erlang_message`]: what a node of Mnesia sends
//! - [`session`]: a gateway's session, under any sequence of frames, answers and events
//!
//! `make fuzz` feeds them by libFuzzer, guided by coverage (`targets/`); the tests of this crate by what is in
//! `corpus/` and by chance. An input that ever broke something goes into `corpus/`.

mod decoders;
mod erlang;
mod input;
mod records;
mod session;

pub use decoders::{client_frame, peer_frames, server_frame};
pub use erlang::erlang_message;
pub use records::{merged, record};
pub use session::session;

/// What takes bytes.
pub type Target = fn(&[u8]);

/// All targets, by their names.
pub const TARGETS: [(&str, Target); 7] = [
    ("client_frame", client_frame),
    ("server_frame", server_frame),
    ("peer_frames", peer_frames),
    ("record", record),
    ("merged", merged),
    ("erlang_message", erlang_message),
    ("session", session),
];
