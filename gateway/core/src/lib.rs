//! The gateway's decisions: sessions and routing as state machines. No I/O, no tokio, no clock, no
//! order that depends on anything but the inputs.
//!
//! A machine takes an input and the time, and appends effects to a `Vec` of the caller. The shell
//! carries effects out in the order given and brings each answer back, exactly one for each effect that
//! has one: what does not answer within the shell's own deadline is answered with [`Away`].
//!
//! There is one [`Session`] for each connection; of everything else there is one for the gateway. A
//! session and the gateway's machines ([`Machines`]) never call each other, so each may have a lock of its own.
//!
//! | machine | effect | what the shell does | answer |
//! |---|---|---|---|
//! | [`Session`] | `Write`, `Ping`, `Close` | the connection's writer; while much waits there, read no more from it | |
//! | | `WriteIfIdle` | the same, or drop it where more than a few wait | |
//! | | `Verify` | verify the JWT | `Verified` |
//! | | `Register` | the message service | `Revoked` first, where anything is revoked of the device, by the answer or by [`Revocations::listed`] before the call; `Registered` |
//! | | `ReadInbox`, `Append`, `History`, `ReadGroup`, `ReadReceipts`, `Privacy` | the message service | `Inbox`, or the input of that name without `Read` |
//! | | `Acknowledge`, `MarkRead` | the message service; each receipt it stores goes to [`Router::route`] as [`Push::receipt`] | `Acknowledged`, `Marked` |
//! | | `Claim`, `Reclaim`, `Touch` | the manager, with the present incarnation's lease | `Claimed`, `Reclaimed`, `Touched` |
//! | | `Release` | the manager | |
//! | | `Hold`, `Unhold` | [`Locals::hold`]; [`Locals::remove`] and [`Presence::unwatch`] | |
//! | | `Displace` | [`Evictions::displace`] | |
//! | | `Route` | [`Router::route`] | |
//! | | `Typing` | [`Router::typing`] | |
//! | | `Watch` | [`Presence::watch`] | |
//! | | `WritePresence` | the connection's writer, or where more than a few wait [`Presence::missed`] | |
//! | | `TypingDropped`, `RateLimited` | count it | |
//! | [`Router`] | `Local` | [`Session::deliver`], after the router's lock is free | [`Router::outcome`] |
//! | | `Remote`, `ProbeAll` | the link to that gateway, opened where there is none | [`Router::outcome`] for each target, [`Machines::link_lost`], or [`Machines::gateway_gone`] |
//! | | `LocalTyping` | [`Session::show_typing`], after the router's lock is free | |
//! | | `RemoteTyping` | the link to that gateway, opened where there is none, while little waits for it | |
//! | | `DropLink` | close that link | |
//! | | `Lookup` | the manager | [`Router::routes`] |
//! | [`LeaseKeeper`] | `Renew`, `ReadLeases`, `ReadShards` | the manager | [`LeaseKeeper::renewed`], `leases`, `shards` |
//! | | `End` | the manager | |
//! | | `TakeIncarnation` | peer listener and links, claims, [`Machines::take_incarnation`] | |
//! | | `Reassert` | `Input::Reassert` to these sessions | |
//! | | `Gateways` | [`Machines::gateways`] | |
//! | | `GatewayLost`, `ProbeAll` | [`Prober::probe_all`] | |
//! | [`Prober`] | `Probe` | the message service | [`Prober::probed`] |
//! | | `ReadAgain` | `Input::ReadAgain` to that session | |
//! | [`Registrar`] | `Seen` | the message service | [`Registrar::seen`] |
//! | | `Removed`, `Revoked` | the input of that name to that session | |
//! | [`Revocations`] | `Read` | the message service | [`Revocations::read`] |
//! | | `Revoke` | `Input::Revoked` to all sessions of those devices | |
//! | | `CheckAll` | [`Registrar::check_all`] | |
//! | [`Presence`] | `LookUp` | the manager | [`Presence::looked_up`] |
//! | | `ReadSettings`, `ReadContacts` | the message service | [`Presence::settings`], [`Presence::contacts`] |
//! | | `Tell` | [`Session::show_presence`] | [`Presence::missed`], where that is not handed on |
//! | | `Refuse` | [`Session::refuse_presence`] | |
//! | [`Evictions`] | `Local` | `Input::Evict` to that session | |
//! | | `Remote` | the link to that gateway | [`Evictions::evicted`], [`Machines::link_lost`], or [`Machines::gateway_gone`] |
//! | | `ReadAgain` | `Input::ReadAgain` to that session | |
//! | [`Drainer`] | `Refuse` | the listener | |
//! | | `TakeTokens` | the manager | [`Drainer::tokens`] |
//! | | `Drain`, `DrainNow` | the input of that name to that session | |
//! | | `Finished` | end the lease, flush, exit | |
//!
//! What comes in from elsewhere:
//!
//! | from | what | where to |
//! |---|---|---|
//! | a client | a text frame, anything else, the end of the socket | `Input::Frame`, `Heard`, `Closed` |
//! | a peer | `Deliver` | [`Session::deliver`] of each target's connection; no such connection is `NotHere`; the outcomes back |
//! | a peer | `Typing` | [`Router::is_timely`]; then [`Session::show_typing`] of each target's connection; nothing back |
//! | a peer | `Evict` | `Input::Evict` to that connection, if it is there; then `Evicted` back |
//! | a peer, a backend | `Disconnect` | `Input::Disconnect` to that connection, if it is there; nothing back |
//! | a peer | `Probe` | [`Prober::probe_all`]; then `Queued` for target 0 back |
//! | a peer | a hello for another incarnation | refused: the peer takes it as [`Machines::gateway_gone`] |
//! | the clock | every second | [`Machines::tick`] |
//! | | more often, and at [`Session::deadline`] | [`Machines::look`], `Input::Tick` |
//! | SIGTERM | | [`Drainer::start`] |

mod backoff;
pub mod drainer;
pub mod evictions;
pub mod lease;
mod locals;
mod machines;
pub mod presence;
pub mod prober;
mod push;
pub mod rates;
pub mod registrar;
pub mod revocations;
pub mod router;
pub mod session;
pub mod submission;
mod sweep;
#[cfg(test)]
mod testing;
mod types;

pub use drainer::Drainer;
pub use evictions::Evictions;
pub use lease::LeaseKeeper;
pub use locals::{Local, Locals};
pub use machines::{Effects, Machines};
pub use presence::Presence;
pub use prober::Prober;
pub use push::Push;
pub use rates::{Door, Rate, Rates};
pub use registrar::Registrar;
pub use revocations::{Revocation, Revocations};
pub use router::Router;
pub use session::Session;
pub use types::{Away, ConnectionId, Device, Gateway, Incarnation, Now, Route, Target};
