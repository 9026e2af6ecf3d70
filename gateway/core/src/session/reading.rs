//! How far the user has read.

use chatcluster_protocol::{
    client::{Error, ErrorCode, Marked, Read, ServerFrame},
    id::{Identity, MessageId},
    limits::READS_IN_FLIGHT,
    planted::{Bug, planted},
};

use super::{Effect, Env, MarkFailure, Session, State};

impl Session {
    pub(super) fn read(&mut self, request: Read, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        if usize::from(self.reads) >= READS_IN_FLIGHT {
            let text = format!("at most {READS_IN_FLIGHT} marks may be without an answer");
            return self.too_many(request.id, text, env);
        }
        self.reads += 1;
        let stamp = MessageId::new(env.clock.next(env.now.wall), Identity::default());
        env.effects.push(Effect::MarkRead { device, request, stamp });
    }

    pub(super) fn marked(
        &mut self,
        request: Read,
        result: Result<MessageId, MarkFailure>,
        env: &mut Env<'_>,
    ) {
        self.reads = self.reads.saturating_sub(1);
        if matches!(self.state, State::Closing) {
            return;
        }
        let Read { id, conversation, .. } = request;
        let (code, field, text) = match result {
            Err(MarkFailure::Unavailable) if planted(Bug::FailureIsMarked) => {
                let up_to = request.up_to;
                return self.write(&ServerFrame::Marked(Marked { id, conversation, up_to }), env);
            }
            Ok(up_to) => {
                return self.write(&ServerFrame::Marked(Marked { id, conversation, up_to }), env);
            }
            Err(MarkFailure::Forbidden) => {
                (ErrorCode::Forbidden, None, "the user takes no part in this conversation")
            }
            Err(MarkFailure::NoMessage) => {
                let text = "nothing in the conversation is as old as this id";
                (ErrorCode::BadField, Some("up_to".into()), text)
            }
            Err(MarkFailure::Unavailable) => {
                let text = "the message service did not answer; send the mark again";
                (ErrorCode::Unavailable, None, text)
            }
        };
        self.refuse(Error { id: Some(id), field, ..Error::new(code, text) }, env);
    }
}
