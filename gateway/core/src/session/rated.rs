//! What is asked for more often than a user may.

use std::time::Duration;

use chatcluster_protocol::client::{ClientFrame, Error, ErrorCode, RequestId};

use super::{Effect, Env, RateLimited, Session};

/// The request that this frame makes of a service, other than to send. An `ack` has no answer that could
/// refuse it, and a `ping` costs as much as its refusal.
pub(super) fn rated(frame: &ClientFrame) -> Option<RequestId> {
    match frame {
        ClientFrame::History(history) => Some(history.id),
        ClientFrame::Group(group) => Some(group.id),
        ClientFrame::Receipts(receipts) => Some(receipts.id),
        ClientFrame::Read(read) => Some(read.id),
        ClientFrame::Refresh(refresh) => Some(refresh.id),
        ClientFrame::Presence(presence) => Some(presence.id),
        ClientFrame::Privacy(privacy) => Some(privacy.id),
        _ => None,
    }
}

impl Session {
    /// Whether the user has made as many requests as they may, so that this one is not taken.
    pub(super) fn asks_too_often(&mut self, id: RequestId, env: &mut Env<'_>) -> bool {
        let Some(device) = &self.device else { return false };
        let Err(wait) = env.rates.requests(&device.user, env.now.monotonic) else { return false };
        env.effects.push(Effect::RateLimited(RateLimited::Request));
        let text = "the user has asked for more than one may in this time; ask again later";
        self.refuse(Error { id: Some(id), ..limited(text, wait) }, env);
        true
    }
}

/// The user has to wait so long; told in whole milliseconds, after which it is over.
pub(super) fn limited(text: &str, wait: Duration) -> Error {
    let millis = wait.as_nanos().div_ceil(1_000_000);
    let retry_after = u64::try_from(millis).ok();
    Error { retry_after, ..Error::new(ErrorCode::RateLimited, text) }
}
