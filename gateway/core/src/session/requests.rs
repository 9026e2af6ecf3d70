//! What a welcomed client asks for.

use chatcluster_protocol::{
    client::{
        ClientFrame, Error, ErrorCode, GroupRequest, GroupState, History, HistoryPage, Pong,
        Receipts, ReceiptsRequest, Recipient, Refusal, RequestId, Send, ServerFrame,
    },
    id::{ConversationId, MessageId},
    limits::{HISTORIES_IN_FLIGHT, SERVER_FRAME},
};

use super::{
    AppendResult, Effect, Env, HistoryFailure, Opening, RateLimited, Session, State, floor::Floor,
    outbox::Stamper, rated::rated,
};
use crate::{Away, Device};

impl Session {
    pub(super) fn frame(&mut self, frame: Result<ClientFrame, Refusal>, env: &mut Env<'_>) {
        let frame = match (&self.state, frame) {
            (State::Closing, _) => return,
            (_, Err(refusal)) => return self.refuse(*refusal, env),
            (State::AwaitHello(Opening::Hello(_)), Ok(ClientFrame::Hello(hello))) => {
                return self.hello(hello, env);
            }
            (_, Ok(frame @ ClientFrame::Hello(_))) => {
                let text = "hello is the first frame of a connection and comes once";
                return self.refuse(frame.refused(ErrorCode::HelloRepeated, text), env);
            }
            (State::AwaitHello(_), Ok(frame)) => {
                let text = "the first frame must be hello; the next one follows its welcome";
                return self.refuse(frame.refused(ErrorCode::HelloExpected, text), env);
            }
            (_, Ok(frame)) => frame,
        };
        if let Some(id) = rated(&frame)
            && self.asks_too_often(id, env)
        {
            return;
        }
        match frame {
            ClientFrame::Hello(_) => {}
            ClientFrame::Send(send) => self.send(send, env),
            ClientFrame::Ack(ack) => self.acknowledge(&ack, env),
            ClientFrame::Read(read) => self.read(read, env),
            ClientFrame::History(history) => self.history(history, env),
            ClientFrame::Group(request) => self.group(request, env),
            ClientFrame::Receipts(request) => self.receipts(request, env),
            ClientFrame::Refresh(refresh) => self.refresh(refresh, env),
            ClientFrame::Typing(typing) => self.types(&typing, env),
            ClientFrame::Presence(presence) => self.watches(presence, env),
            ClientFrame::Privacy(privacy) => self.privacy(privacy, env),
            ClientFrame::Ping(ping) => {
                self.write(&ServerFrame::Pong(Pong { id: ping.id, time: env.now.wall }), env);
            }
        }
    }

    fn send(&mut self, send: Send, env: &mut Env<'_>) {
        let Some(device) = &self.device else { return };
        if let Some(seen) = send.seen {
            if !Floor::is_credible(seen, env.now.wall) {
                let text =
                    "is more than a day in the future; send the highest id that you have seen";
                let field = Some("seen".into());
                let (id, reference) = (Some(send.id), Some(send.reference));
                let error = Error::new(ErrorCode::BadField, text);
                return self.refuse(Error { id, reference, field, ..error }, env);
            }
            self.floor.see(seen, env.now.wall);
        }
        let mut stamper = Stamper {
            floor: &mut self.floor,
            clock: env.clock,
            wall: env.now.wall,
            monotonic: env.now.monotonic,
        };
        if let Recipient::User(to) = &send.to {
            self.typing.sent(to);
        }
        let sent = self.outbox.send(device, send, &mut stamper, env.rates, env.effects);
        if let Err(error) = sent {
            if error.code == ErrorCode::RateLimited {
                env.effects.push(Effect::RateLimited(RateLimited::Send));
            }
            self.refuse(error, env);
        }
    }

    pub(super) fn appended(
        &mut self,
        conversation: ConversationId,
        results: Result<Vec<AppendResult>, Away>,
        env: &mut Env<'_>,
    ) {
        let mut stamper = Stamper {
            floor: &mut self.floor,
            clock: env.clock,
            wall: env.now.wall,
            monotonic: env.now.monotonic,
        };
        self.outbox.settle(conversation, results, &mut stamper, env.effects);
    }

    fn history(&mut self, request: History, env: &mut Env<'_>) {
        self.ask(request.id, env, |device| Effect::History { device, request });
    }

    fn group(&mut self, request: GroupRequest, env: &mut Env<'_>) {
        self.ask(request.id, env, |device| Effect::ReadGroup { device, request });
    }

    fn receipts(&mut self, request: ReceiptsRequest, env: &mut Env<'_>) {
        self.ask(request.id, env, |device| Effect::ReadReceipts { device, request });
    }

    /// Asks the message service something whose answer may be large.
    fn ask(&mut self, id: RequestId, env: &mut Env<'_>, what: impl FnOnce(Device) -> Effect) {
        let Some(device) = self.device.clone() else { return };
        if usize::from(self.histories) >= HISTORIES_IN_FLIGHT {
            let text = format!(
                "at most {HISTORIES_IN_FLIGHT} requests for history, groups or receipts may be without \
                an answer"
            );
            return self.too_many(id, text, env);
        }
        self.histories += 1;
        env.effects.push(what(device));
    }

    /// What became of that, for the client; `forbidden` says what it may not see. `None` where there is none to
    /// be told.
    fn told<T>(
        &mut self,
        id: RequestId,
        result: Result<T, HistoryFailure>,
        forbidden: &str,
        env: &mut Env<'_>,
    ) -> Option<T> {
        self.histories = self.histories.saturating_sub(1);
        if matches!(self.state, State::Closing) {
            return None;
        }
        let (code, text) = match result {
            Ok(answer) => return Some(answer),
            Err(HistoryFailure::Forbidden) => (ErrorCode::Forbidden, forbidden),
            Err(HistoryFailure::Unavailable) => {
                (ErrorCode::Unavailable, "the message service did not answer; ask again later")
            }
        };
        self.refuse(Error { id: Some(id), ..Error::new(code, text) }, env);
        None
    }

    pub(super) fn group_read(
        &mut self,
        id: RequestId,
        result: Result<GroupState, HistoryFailure>,
        env: &mut Env<'_>,
    ) {
        let forbidden = "there is no such group, or the user takes no part in it";
        if let Some(group) = self.told(id, result, forbidden, env) {
            self.write(&ServerFrame::Group(group), env);
        }
    }

    pub(super) fn receipts_read(
        &mut self,
        id: RequestId,
        result: Result<Receipts, HistoryFailure>,
        env: &mut Env<'_>,
    ) {
        let forbidden = "there is no such message of the user's own";
        if let Some(receipts) = self.told(id, result, forbidden, env) {
            self.write(&ServerFrame::Receipts(receipts), env);
        }
    }

    pub(super) fn history_read(
        &mut self,
        id: RequestId,
        result: Result<HistoryPage, HistoryFailure>,
        env: &mut Env<'_>,
    ) {
        let forbidden = "the user takes no part in this conversation";
        let Some(page) = self.told(id, result, forbidden, env) else { return };
        if let Some(highest) = page.messages.iter().map(|message| message.message).max() {
            self.floor.see(highest, env.now.wall);
        }
        env.effects.push(Effect::Write(fitting(page).into()));
    }
}

/// The page as text, cut where it would be larger than a frame may be.
fn fitting(mut page: HistoryPage) -> String {
    loop {
        let text = ServerFrame::History(page.clone()).encode();
        if text.len() <= SERVER_FRAME || page.messages.len() <= 1 {
            return text;
        }
        let forward = page.messages[0].message < page.messages[1].message;
        page.messages.truncate(page.messages.len() / 2);
        let last = page.messages.last().map(|message| message.message);
        // A forward page never points beyond what is stable, so that it skips nothing.
        let bound = page.next.unwrap_or(MessageId::floor(page.stable_up_to));
        page.next = if forward { last.map(|last| last.min(bound)) } else { last };
    }
}
