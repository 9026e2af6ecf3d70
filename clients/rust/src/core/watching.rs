//! Whom the application watches, told over each connection anew, and who may see the user. Of each, one request
//! is under way at a time: a newer wish waits for the answer to the one before.

use std::{collections::BTreeSet, time::Duration};

use chatcluster_protocol::{
    client::{ClientFrame, Error, Presence, PresenceTo, Presences, Privacy, PrivacyIs, RequestId},
    id::UserId,
};

use super::{Core, Effect, Event, Link};
use crate::{core::queries::Ticket, error::PrivacyError};

/// Most who wait for an answer about the setting: room for a program, people change it by hand.
const SETTINGS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Watching {
    users: BTreeSet<UserId>,
    watch: Asking,
    setting: Setting,
}

/// Who may see the user.
#[derive(Debug, Default)]
struct Setting {
    /// What it is to be; `None` to ask only.
    wish: Option<PresenceTo>,
    /// What the request under way asks for.
    asked: Option<PresenceTo>,
    /// Who wait for the answer, and the wish when they began to.
    tickets: Vec<(Ticket, Option<PresenceTo>)>,
    asking: Asking,
}

/// Something to ask the gateway, one request at a time.
#[derive(Debug, Default)]
struct Asking {
    /// When it is to be written; `None` when there is nothing to say.
    due: Option<Duration>,
    /// Written over the connection that is open now, and when.
    flight: Option<(RequestId, Duration)>,
    /// Temporary errors since the last answer.
    failures: u32,
}

impl Asking {
    /// There is something to say. Where an error asked to wait, it is said then.
    fn want(&mut self) {
        self.due.get_or_insert_default();
    }

    fn connected(&mut self, wanted: bool) {
        *self = Self { due: wanted.then_some(Duration::ZERO), ..Self::default() };
    }

    /// Whether it is to be written now, under this request id.
    fn begins(&mut self, now: Duration, id: RequestId) -> bool {
        let due = self.flight.is_none() && self.due.is_some_and(|at| at <= now);
        if due {
            self.due = None;
            self.flight = Some((id, now));
        }
        due
    }

    fn is_asked(&self, id: RequestId) -> bool {
        self.flight.is_some_and(|(asked, _)| asked == id)
    }

    /// Whether this is the request that had no answer. It has one now.
    fn answered(&mut self, id: RequestId) -> bool {
        let answered = self.is_asked(id);
        if answered {
            self.flight = None;
            self.failures = 0;
        }
        answered
    }

    fn again(&mut self, at: Duration) {
        self.flight = None;
        self.due = Some(at);
        self.failures = self.failures.saturating_add(1);
    }

    fn since(&self) -> Option<Duration> {
        self.flight.map(|(_, since)| since)
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        self.due.filter(|at| self.flight.is_none() && *at > now)
    }
}

impl Setting {
    /// Who wait for this answer: all, or where the wish has changed meanwhile, those before the change.
    fn answered(&mut self, id: RequestId) -> Vec<Ticket> {
        if !self.asking.answered(id) {
            return Vec::new();
        }
        let (wish, asked) = (self.wish, self.asked);
        let is_done = |(_, wished): &mut (_, _)| [*wished, wish].contains(&asked);
        let done = self.tickets.extract_if(.., is_done).map(|(ticket, _)| ticket).collect();
        if self.tickets.is_empty() {
            self.wish = None;
        } else {
            self.asking.want();
        }
        done
    }
}

impl Watching {
    /// A session is open. Without anybody to watch there is nothing to say.
    pub(super) fn connected(&mut self) {
        self.watch.connected(!self.users.is_empty());
        self.setting.asking.connected(!self.setting.tickets.is_empty());
    }

    /// The next frame to write, under this request id.
    pub(super) fn next(&mut self, now: Duration, id: RequestId) -> Option<ClientFrame> {
        if self.watch.begins(now, id) {
            let users = self.users.iter().cloned().collect();
            return Some(ClientFrame::Presence(Presence { id, users }));
        }
        if !self.setting.asking.begins(now, id) {
            return None;
        }
        self.setting.asked = self.setting.wish;
        Some(ClientFrame::Privacy(Privacy { id, presence_to: self.setting.wish }))
    }

    fn asked(&mut self, id: RequestId) -> Option<&mut Asking> {
        [&mut self.watch, &mut self.setting.asking].into_iter().find(|asking| asking.is_asked(id))
    }

    pub(super) fn oldest_asked(&self) -> Option<Duration> {
        self.watch.since().into_iter().chain(self.setting.asking.since()).min()
    }

    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        self.watch.deadline(now).into_iter().chain(self.setting.asking.deadline(now)).min()
    }

    /// Those who wait for an answer that will not come.
    pub(super) fn drain(&mut self) -> Vec<Ticket> {
        self.setting.tickets.drain(..).map(|(ticket, _)| ticket).collect()
    }
}

impl Core {
    /// The application watches these users, and nobody else.
    pub(crate) fn watch(&mut self, users: BTreeSet<UserId>) {
        self.forget_presence(|user| !users.contains(user));
        self.watching.users = users;
        self.watching.watch.want();
    }

    /// The user sets who may see them, or asks who may. Once taken in, the answer comes as [`Effect::Privacy`].
    pub(crate) fn privacy(
        &mut self,
        ticket: Ticket,
        to: Option<PresenceTo>,
    ) -> Result<(), PrivacyError> {
        if let Link::Stopped(fatal) = &self.link {
            return Err(PrivacyError::stopped(fatal.as_ref()));
        }
        let setting = &mut self.watching.setting;
        if setting.tickets.len() >= SETTINGS {
            return Err(PrivacyError::Full(SETTINGS));
        }
        if setting.tickets.is_empty() {
            setting.asking.want();
        }
        setting.wish = to.or(setting.wish);
        setting.tickets.push((ticket, setting.wish));
        Ok(())
    }

    /// Of each user only the last that is known waits for the application.
    pub(super) fn presences(&mut self, presences: Presences) {
        if let Some(id) = presences.id {
            self.watching.watch.answered(id);
        }
        for presence in presences.users {
            // One that came before the application has changed its mind.
            if self.watching.users.contains(&presence.user) {
                self.forget_presence(|user| *user == presence.user);
                self.tell(Event::Presence(presence));
            }
        }
    }

    /// What waits of these users is not told.
    fn forget_presence(&mut self, of: impl Fn(&UserId) -> bool) {
        let is_of =
            |event: &Event| matches!(event, Event::Presence(presence) if of(&presence.user));
        self.events.retain(|event| !is_of(event));
    }

    pub(super) fn privacy_is(&mut self, answer: &PrivacyIs) {
        self.settle_privacy(answer.id, &Ok(answer.presence_to));
    }

    fn settle_privacy(&mut self, id: RequestId, answer: &Result<PresenceTo, PrivacyError>) {
        for ticket in self.watching.setting.answered(id) {
            self.effects.push_back(Effect::Privacy(ticket, answer.clone()));
        }
    }

    /// The answer to this request says what this client does not know.
    pub(super) fn odd_watch(&mut self, id: RequestId) {
        self.watching.watch.answered(id);
        self.settle_privacy(id, &Err(PrivacyError::Odd));
    }

    /// Whether the error answers one of these. What may succeed later is asked again; a list that is refused for
    /// good is not, before the next connection.
    pub(super) fn failed_watch(
        &mut self,
        now: Duration,
        error: &Error,
        retry_after: Option<Duration>,
    ) -> bool {
        let Some(id) = error.id else { return false };
        let Some(failures) = self.watching.asked(id).map(|asking| asking.failures) else {
            return false;
        };
        if error.temporary {
            let wait = self.wait_after(error, failures, retry_after);
            if let Some(asking) = self.watching.asked(id) {
                asking.again(now + wait);
            }
        } else {
            self.watching.watch.answered(id);
            self.settle_privacy(id, &Err(PrivacyError::Refused(Box::new(error.clone()))));
        }
        true
    }
}
