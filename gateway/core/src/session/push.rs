//! What reaches the client: inbox pages, live deliveries, and the acks that make room for more.

use chatcluster_protocol::{
    client::{Ack, ServerFrame},
    id::MessageId,
    peer::Outcome,
    planted::{Bug, planted},
};

use super::{
    Effect, Env, InboxPage, Opening, Session, State,
    acks::Acks,
    catchup::{CatchUp, PAGE, Step},
    route::Holding,
};
use crate::{Away, Push, push::Key};

impl Session {
    pub(super) fn delivered(&mut self, epoch: u64, push: Push, env: &mut Env<'_>) -> Outcome {
        // An inbox read follows every claim, and it sees what was stored before somebody found the
        // claim's route. So nothing is missed while the answer to a claim is awaited.
        match &self.state {
            State::AwaitHello(Opening::Claiming(_)) => return Outcome::Overloaded,
            State::AwaitHello(_) | State::Closing => return Outcome::NotHere,
            State::CatchingUp(_) | State::Live if epoch == self.epoch => {}
            _ if matches!(self.holding, Holding::Claiming(_)) => return Outcome::Overloaded,
            // The route names this connection: a claim of it whose answer had been given up came late.
            State::CatchingUp(_) | State::Live if epoch > self.epoch => {}
            _ => return Outcome::NotHere,
        }
        if push.is_look() {
            self.read_again(env);
            return Outcome::Queued;
        }
        if self.is_known(&push, env) {
            return Outcome::Queued;
        }
        match &mut self.state {
            State::CatchingUp(catch_up) => {
                if catch_up.keep(push) {
                    return Outcome::Queued;
                }
            }
            _ if self.window.room() > 0 => {
                self.push(push, env);
                return Outcome::Queued;
            }
            _ if planted(Bug::OverloadIgnored) => {}
            _ => self.state = State::CatchingUp(Box::new(CatchUp::new())),
        }
        Outcome::Overloaded
    }

    pub(super) fn page(&mut self, page: Result<InboxPage, Away>, env: &mut Env<'_>) {
        let State::CatchingUp(catch_up) = &mut self.state else { return };
        let page = page.ok().map(|page| (page.entries, page.next));
        catch_up.read(page, env.now.monotonic);
        self.advance(env);
    }

    /// Something may wait in the inbox that no pass under way will see.
    pub(super) fn read_again(&mut self, env: &mut Env<'_>) {
        match &mut self.state {
            State::CatchingUp(catch_up) => catch_up.again = true,
            State::Live => {
                self.state = State::CatchingUp(Box::new(CatchUp::new()));
                self.advance(env);
            }
            // The first pass has not begun.
            State::AwaitHello(_) | State::Closing => {}
        }
    }

    pub(super) fn acknowledge(&mut self, ack: &Ack, env: &mut Env<'_>) {
        let messages = ack.messages.iter().map(|id| (Key::Message(id.identity()), *id));
        let receipts = ack.receipts.iter().map(|id| (Key::Receipt(*id), *id));
        for (key, id) in messages.chain(receipts) {
            // Ids that this session did not push are ignored: they are pushed, and acknowledged again.
            if let Some(ids) = self.window.acknowledge(key, id) {
                self.keep_ack(key, &ids, env);
            }
        }
        self.call_acks(env);
        self.advance(env);
    }

    pub(super) fn acknowledged(&mut self, result: Result<(), Away>, env: &mut Env<'_>) {
        let Some(acks) = &mut self.acks else { return };
        let mut turned_away = false;
        match result {
            Ok(()) => turned_away = acks.confirmed(),
            // They stay in the inbox; a later session pushes them again.
            Err(Away) if matches!(self.state, State::Closing) => self.acks = None,
            Err(Away) if planted(Bug::FailedAckForgotten) => turned_away = acks.confirmed(),
            Err(Away) => acks.failed(env.now.monotonic),
        }
        self.call_acks(env);
        if turned_away {
            self.read_again(env);
        }
    }

    /// Sends what waits to the message service, if no call is under way.
    pub(super) fn call_acks(&mut self, env: &mut Env<'_>) {
        let (Some(acks), Some(device)) = (&mut self.acks, &self.device) else { return };
        let Some(call) = acks.call(env.now.monotonic) else { return };
        let Some(any) = call.messages.first().or(call.receipts.first()) else { return };
        let stamp = MessageId::new(env.clock.next(env.now.wall), any.identity());
        let (device, messages, receipts) = (device.clone(), call.messages, call.receipts);
        env.effects.push(Effect::Acknowledge { device, messages, receipts, stamp });
    }

    /// Goes on with the pass as far as the window allows; ends it when all is pushed.
    pub(super) fn advance(&mut self, env: &mut Env<'_>) {
        loop {
            let State::CatchingUp(catch_up) = &mut self.state else { return };
            let room = self.window.room() > 0;
            if let Some(push) = room.then(|| catch_up.page.pop_front()).flatten() {
                self.push_once(push, env);
                continue;
            }
            let blocked = !room && catch_up.owes();
            match &mut catch_up.step {
                Step::Retry(cursor, at) if *at <= env.now.monotonic => {
                    catch_up.step = Step::Next(cursor.take());
                }
                Step::Reading(_) | Step::Retry(..) => return,
                _ if blocked => return,
                Step::Next(cursor) => {
                    let cursor = cursor.take();
                    catch_up.step = Step::Reading(cursor.clone());
                    let Some(device) = self.device.clone() else { return };
                    env.effects.push(Effect::ReadInbox { device, cursor, limit: PAGE });
                    return;
                }
                Step::Done => {
                    if let Some(push) = catch_up.take_live() {
                        self.push_once(push, env);
                    } else if catch_up.again {
                        catch_up.again = false;
                        catch_up.step = Step::Next(None);
                    } else {
                        return self.caught_up(env);
                    }
                }
            }
        }
    }

    fn caught_up(&mut self, env: &mut Env<'_>) {
        self.state = State::Live;
        if !self.told_caught_up {
            self.told_caught_up = true;
            self.write(&ServerFrame::CaughtUp, env);
        }
    }

    fn push_once(&mut self, push: Push, env: &mut Env<'_>) {
        if !self.is_known(&push, env) {
            self.push(push, env);
        }
    }

    /// Whether the client has it already: then a copy is acknowledged with its twin, and not pushed.
    fn is_known(&mut self, push: &Push, env: &mut Env<'_>) -> bool {
        let key = push.key();
        if self.window.covers(push) {
            return true;
        }
        let known = self.acks.as_ref().is_some_and(|acks| acks.remembers(key));
        if known {
            self.keep_ack(key, &[push.id], env);
            self.call_acks(env);
        }
        known
    }

    fn push(&mut self, push: Push, env: &mut Env<'_>) {
        self.window.insert(&push);
        if !push.receipt {
            self.floor.see(push.id, env.now.wall);
        }
        let ack = planted(Bug::PushIsAck).then(|| (push.key(), push.id));
        env.effects.push(Effect::Write(push.frame));
        if let Some((key, id)) = ack {
            self.keep_ack(key, &[id], env);
            self.call_acks(env);
        }
    }

    fn keep_ack(&mut self, key: Key, ids: &[MessageId], env: &mut Env<'_>) {
        let now = env.now.monotonic;
        self.acks.get_or_insert_with(|| Box::new(Acks::new(now))).add(key, ids);
    }
}
