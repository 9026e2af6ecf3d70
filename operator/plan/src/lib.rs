//! Decisions of the operator on the Redis Cluster: forming it, and healing it after a node came back as
//! a stranger or a majority of the masters fell silent. No I/O, no kube, no tokio, no clock.
//!
//! [`plan`] looks at a [`Picture`] and gives at most one [`Step`]. It remembers nothing, so whoever
//! carries steps out may stop, crash or be doubled at any point: the next picture says what is left.
//! An executor is this loop:
//!
//! 1. Ask every node that should run for `CLUSTER NODES`, `CLUSTER INFO` and `INFO replication`, with a
//!    deadline (1 s), and read the answers with [`View::read`]. A node that does not answer is
//!    [`Seen::Silent`]; where there certainly is no process, [`Seen::Absent`]: saying so speeds up
//!    healing, and saying it wrongly gives slots two owners for a while.
//! 2. `plan(&picture, &goal)`. `None`: all is well; look again when something changes or in a while.
//! 3. Send each of [`Step::commands`] to the member that it names, in order; none for a wait. Log the
//!    step: its `Display` is for people. An error ends the step, and the loop goes on: what failed
//!    shows in the next picture.
//! 4. Pause 200 ms (gossip needs about a second to spread) and go on at 1.
//!
//! What it counts on:
//!
//! - A restart is a new node: `nodes.conf` does not survive the process, there is no persistence, and
//!   no two processes run in one place.
//! - Where addresses change (pods), nodes announce hostnames, and [`Place::hostname`] has them.
//! - `cluster-require-full-coverage no`, so that a lost shard does not stop the others;
//!   `cluster-allow-replica-migration no`, so that replicas stay in their shard;
//!   `cluster-replica-validity-factor 0`, since an old copy of soft state is better than none.
//! - Gateways claim their routes again when a shard's master changes, so a lost shard may be filled by
//!   an empty node, and a replica may take over without a vote where none can be held.
//!
//! What must never happen is listed in [`Invariant`], and [`plan`] waits rather than break one.

mod facts;
mod invariant;
mod parse;
mod picture;
mod planning;
mod slots;
mod step;

pub use invariant::{Invariant, broken_by};
pub use parse::Unreadable;
pub use picture::{Goal, Known, Member, NodeId, Picture, Place, Role, Seen, View};
pub use planning::plan;
pub use slots::{SLOTS, Slots};
pub use step::{Awaited, Command, NoVote, Step};
