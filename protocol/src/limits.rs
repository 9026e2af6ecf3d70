//! How much of anything a client may send. The limits are part of the protocol: `welcome` repeats
//! those that a client has to know, and each violation has an error code of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest frame that a client may send, in bytes. A larger one ends the connection with 1009.
pub const CLIENT_FRAME: usize = 64 * 1024;

/// Largest frame that a gateway sends, in bytes. A client has to accept this much.
/// Pages of history end early to stay below it: a body of control characters grows sixfold in JSON.
pub const SERVER_FRAME: usize = 256 * 1024;

/// Largest `content.body`, in bytes of UTF-8.
pub const BODY: usize = 32 * 1024;

/// Sends without an answer on one connection. One more is answered with `too_many_in_flight`.
pub const SENDS_IN_FLIGHT: usize = 64;

/// Requests for history without an answer on one connection: a page has up to 256 KiB. One more is
/// answered with `too_many_in_flight`.
pub const HISTORIES_IN_FLIGHT: usize = 4;

/// Marks (`read`) without an answer on one connection, enough for whoever has read everything at once. One
/// more is answered with `too_many_in_flight`.
pub const READS_IN_FLIGHT: usize = 16;

/// Users who take part in a group at the same time. Adding one more is answered with `group_full`.
pub const GROUP_MEMBERS: usize = 1_000;

/// Users that one change of a group may name: with the longest names it has 13 KB.
pub const GROUP_USERS: usize = 100;

/// Characters in the name of a group.
pub const GROUP_NAME: usize = 128;

/// Ids in one `ack`.
pub const ACK_IDS: usize = 256;

/// Messages in one page of history.
pub const HISTORY_PAGE: u32 = 100;

/// Messages in a page of history when the request names no limit.
pub const HISTORY_DEFAULT: u32 = 50;

/// How long others show that somebody is typing after they were last told, in milliseconds.
pub const TYPING_LIFETIME: u64 = 6_000;

/// How often `typing` to the same user is passed on, in milliseconds. One that says the same earlier is
/// dropped without an answer. Half of [`TYPING_LIFETIME`], so that one that is lost leaves no gap.
pub const TYPING_EVERY: u64 = 3_000;

/// How many `typing` to the same user are passed on in [`TYPING_EVERY`] when each says something else: typing,
/// stopped, typing again.
pub const TYPING_CHANGES: u8 = 4;

/// To how many users a connection may be typing at the same time. What is typed to others is dropped without
/// an answer.
pub const TYPING_RECIPIENTS: usize = 8;

/// Users that a connection may watch: a request that names more is refused.
pub const WATCHED: usize = 100;

/// The latest time that may be asked for, in milliseconds: the largest that fits into an id, in the year 10889.
pub const TIME: u64 = (1 << 48) - 1;

/// Longest token in `hello` and `refresh`, in bytes.
pub const TOKEN: usize = 8 * 1024;

/// How long before its token expires a client is told, in milliseconds; a token that has less than twice as
/// long left when it is verified is told of halfway.
pub const EXPIRING_BEFORE: u64 = 60_000;

/// How long a connection may stay without a `hello`, in milliseconds.
pub const HELLO_WITHIN: u64 = 10_000;

/// How long a client reference is remembered, in milliseconds: sending the same reference again
/// within this time never makes a second message.
pub const REFERENCE_LIFETIME: u64 = 7 * 24 * 3600 * 1000;

/// Oldest id that the message service still appends, in milliseconds; also how far an id may be
/// ahead of the clock of whoever checks it.
pub const APPEND_WINDOW: u64 = 60_000;

/// How far ahead of a gateway's clock an id may be that a client says it has seen, in milliseconds. Gateways'
/// clocks may be wrong by minutes, and clients are not to suffer for it; whose is wrong by a day has worse
/// problems.
pub const SEEN_AHEAD: u64 = 24 * 3600 * 1000;

/// What a client has to know of the limits, as told in `welcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Largest frame that the client may send, in bytes.
    pub frame: usize,
    /// Largest `content.body`, in bytes of UTF-8.
    pub body: usize,
    /// Sends that may wait for their answer at the same time.
    pub sends_in_flight: usize,
    /// Requests for `history` that may wait for their answer at the same time.
    #[serde(default = "Limits::histories_in_flight")]
    pub histories_in_flight: usize,
    /// `read` frames that may wait for their answer at the same time.
    #[serde(default = "Limits::reads_in_flight")]
    pub reads_in_flight: usize,
    /// Ids in one `ack`.
    pub ack_ids: usize,
    /// Messages in one page of `history`.
    pub history_page: u32,
    /// How long a client reference is remembered, in milliseconds.
    pub reference_lifetime: u64,
}

impl Limits {
    /// Of a gateway that does not tell it yet.
    fn histories_in_flight() -> usize {
        HISTORIES_IN_FLIGHT
    }

    /// Likewise.
    fn reads_in_flight() -> usize {
        READS_IN_FLIGHT
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: CLIENT_FRAME,
            body: BODY,
            sends_in_flight: SENDS_IN_FLIGHT,
            histories_in_flight: HISTORIES_IN_FLIGHT,
            reads_in_flight: READS_IN_FLIGHT,
            ack_ids: ACK_IDS,
            history_page: HISTORY_PAGE,
            reference_lifetime: REFERENCE_LIFETIME,
        }
    }
}
