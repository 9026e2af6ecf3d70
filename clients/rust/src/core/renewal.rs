//! A fresh token for an open session, once the gateway says that the one it has expires soon.
//!
//! One attempt at a time: a token is had from the application's source, then the gateway is asked to go on
//! with it. What fails is tried again with back-off, until it works or the session ends.

use std::time::Duration;

use chatcluster_protocol::{
    Millis,
    client::{ClientFrame, Error, Expiring, Refresh, Refreshed, RequestId},
};

use super::{Core, Effect, Event, link::Link};

/// How long the source of tokens may take; as long as it may for a connection.
const TOKEN_WITHIN: Duration = Duration::from_secs(15);

/// What is known of a session's token, and how far the next one is.
#[derive(Debug)]
pub(super) struct Renewal {
    expires: Option<Millis>,
    step: Step,
    failures: u32,
}

#[derive(Debug)]
enum Step {
    /// The token lasts.
    Rest,
    /// The source is asked for another one.
    Fetching { until: Duration },
    /// The gateway is asked to go on with it.
    Asking { id: RequestId, since: Duration },
    /// That failed; it begins again at `until`.
    Waiting { until: Duration },
}

impl Renewal {
    pub(super) fn new(expires: Option<Millis>) -> Self {
        Self { expires, step: Step::Rest, failures: 0 }
    }

    /// When [`Core::tick_renewal`] has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.step {
            Step::Fetching { until } | Step::Waiting { until } => Some(until),
            Step::Rest | Step::Asking { .. } => None,
        }
    }

    /// When the request was written that has no answer yet.
    pub(super) fn asked(&self) -> Option<Duration> {
        match self.step {
            Step::Asking { since, .. } => Some(since),
            _ => None,
        }
    }

    fn answers(&self, request: Option<RequestId>) -> bool {
        matches!(self.step, Step::Asking { id, .. } if request == Some(id))
    }
}

impl Core {
    /// The gateway says that the session's token expires soon.
    pub(super) fn expiring(&mut self, now: Duration, Expiring { expires }: Expiring) {
        if !self.options.token_renews {
            return self.tell(Event::Expiring { expires });
        }
        if matches!(self.renewal().map(|renewal| &renewal.step), Some(Step::Rest)) {
            self.fetch(now);
        }
    }

    fn fetch(&mut self, now: Duration) {
        let Some(renewal) = self.renewal() else { return };
        renewal.step = Step::Fetching { until: now + TOKEN_WITHIN };
        self.effects.push_back(Effect::Renew);
    }

    /// The source has a token, or has none.
    pub(crate) fn renewed(&mut self, now: Duration, token: Option<String>) {
        let id = self.request_id();
        let Some(renewal) = self.renewal() else { return };
        if !matches!(renewal.step, Step::Fetching { .. }) {
            return;
        }
        let Some(token) = token else { return self.try_later(now, None) };
        renewal.step = Step::Asking { id, since: now };
        let frame = ClientFrame::Refresh(Refresh { id, token });
        self.effects.push_back(Effect::Write(frame.encode()));
    }

    /// The gateway goes on with a token. A source that gave the same one again has to be asked again.
    pub(super) fn refreshed(&mut self, now: Duration, answer: &Refreshed) {
        let Some(renewal) = self.renewal() else { return };
        if !renewal.answers(Some(answer.id)) {
            return;
        }
        let before = std::mem::replace(&mut renewal.expires, answer.expires);
        if answer.expires.is_some_and(|expires| before.is_some_and(|before| expires <= before)) {
            return self.try_later(now, None);
        }
        (renewal.step, renewal.failures) = (Step::Rest, 0);
    }

    /// Whether an error answers the request for a refresh, which is then tried again.
    pub(super) fn refused_refresh(
        &mut self,
        now: Duration,
        error: &Error,
        retry_after: Option<Duration>,
    ) -> bool {
        let refused = self.renewal().is_some_and(|renewal| renewal.answers(error.id));
        if refused {
            self.try_later(now, retry_after);
        }
        refused
    }

    fn try_later(&mut self, now: Duration, asked: Option<Duration>) {
        let Link::Live(live) = &mut self.link else { return };
        let ceiling = self.options.backoff.ceiling(live.renewal.failures);
        live.renewal.failures += 1;
        live.renewal.step = Step::Waiting { until: now + self.jitter.after(asked, ceiling) };
    }

    pub(super) fn tick_renewal(&mut self, now: Duration) {
        match self.renewal().map(|renewal| &renewal.step) {
            Some(Step::Fetching { until }) if now >= *until => self.try_later(now, None),
            Some(Step::Waiting { until }) if now >= *until => self.fetch(now),
            _ => {}
        }
    }

    fn renewal(&mut self) -> Option<&mut Renewal> {
        match &mut self.link {
            Link::Live(live) => Some(&mut live.renewal),
            _ => None,
        }
    }
}
