//! The life of connections: dialled, opened by `hello`, live, lost, and dialled again.

use std::time::Duration;

use chatcluster_protocol::{
    client::{ClientFrame, Hello, Ping, ReconnectReason, RequestId, Welcome},
    limits::Limits,
};

use super::{
    Cause, Core, Effect, Event, Fatal,
    closing::{Verdict, verdict},
    heartbeat::{Beat, Heartbeat},
    renewal::Renewal,
    typing::Typing,
};
use crate::{error::SendError, event::Session};

/// TCP, TLS and the upgrade together: several round trips over a poor mobile link.
const DIAL_WITHIN: Duration = Duration::from_secs(15);

/// How long a gateway may take to answer `hello`.
const WELCOME_WITHIN: Duration = Duration::from_secs(15);

/// How long a request may stay without an answer. A gateway answers within a few seconds, if only by
/// `unavailable`; one that does not has lost the request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A session that lasted this long was a good one: the next failure is the first again.
const STEADY: Duration = Duration::from_secs(10);

/// Longest wait that a gateway may ask for; a mistake there must not silence a client for days.
pub(super) const ASKED_AT_MOST: Duration = Duration::from_secs(300);

/// Where the client is with its connection.
#[derive(Debug)]
pub(super) enum Link {
    /// There is none; the next one is dialled at `until`.
    Waiting { until: Duration },
    /// The shell opens one.
    Dialing { until: Duration },
    /// `hello` is out, `welcome` is not in.
    Opening(Opening),
    /// The session is open.
    Live(Box<Live>),
    /// The client has ended: closed by the application, or for the reason given.
    Stopped(Option<Fatal>),
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) hello: RequestId,
    until: Duration,
    last_words: LastWords,
}

/// An open session.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) heartbeat: Heartbeat,
    pub(super) limits: Limits,
    pub(super) renewal: Renewal,
    since: Duration,
    /// The gateway asked this client to leave at this time.
    leave: Option<(Duration, ReconnectReason)>,
    last_words: LastWords,
}

/// What the gateway said before it closed the connection: an error that answers no request.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    text: Option<String>,
    retry_after: Option<Duration>,
}

impl Core {
    /// The connection that was dialled is open; `token` opens the session.
    pub(crate) fn opened(&mut self, now: Duration, token: String) {
        let Link::Dialing { .. } = self.link else { return };
        let hello = self.request_id();
        let frame = ClientFrame::Hello(Hello {
            id: hello,
            token,
            device: self.options.device.clone(),
            resume: self.resume().for_hello(),
        });
        self.effects.push_back(Effect::Write(frame.encode()));
        let until = now + WELCOME_WITHIN;
        self.link = Link::Opening(Opening { hello, until, last_words: LastWords::default() });
    }

    pub(super) fn welcomed(&mut self, now: Duration, welcome: &Welcome) {
        let Link::Opening(opening) = &self.link else { return };
        if opening.hello != welcome.id {
            return;
        }
        self.token_worked = true;
        self.typing = Typing::default();
        self.watching.connected();
        self.epoch = Some(welcome.epoch);
        self.resume_changed = true;
        self.tell(Event::Connected(Session::new(welcome, self.gateway())));
        self.link = Link::Live(Box::new(Live {
            heartbeat: Heartbeat::new(welcome.heartbeat, now),
            limits: welcome.limits.clone(),
            renewal: Renewal::new(welcome.expires),
            since: now,
            leave: None,
            last_words: LastWords::default(),
        }));
    }

    /// The gateway asks this client to open another connection in a while.
    pub(super) fn asked_to_leave(&mut self, now: Duration, after: u64, reason: ReconnectReason) {
        if let Link::Live(live) = &mut self.link {
            let at = now + Duration::from_millis(after).min(ASKED_AT_MOST);
            live.leave.get_or_insert((at, reason));
        }
    }

    /// An error that answers no request tells why the connection will end.
    pub(super) fn last_words(&mut self, text: String, retry_after: Option<Duration>) {
        let words = LastWords { text: Some(text), retry_after };
        match &mut self.link {
            Link::Opening(opening) => opening.last_words = words,
            Link::Live(live) => live.last_words = words,
            _ => {}
        }
    }

    /// Anything came over the connection.
    pub(crate) fn heard(&mut self, now: Duration) {
        if let Link::Live(live) = &mut self.link {
            live.heartbeat.heard(now);
        }
    }

    /// The connection ended, or could not be opened. The shell has dropped it.
    pub(crate) fn ended(&mut self, now: Duration, cause: Cause) {
        let (since, leave, words) = match &mut self.link {
            Link::Waiting { .. } | Link::Stopped(_) => return,
            Link::Dialing { .. } => (None, None, LastWords::default()),
            Link::Opening(opening) => (None, None, std::mem::take(&mut opening.last_words)),
            Link::Live(live) => {
                (Some(live.since), live.leave, std::mem::take(&mut live.last_words))
            }
        };
        self.outbox.disconnected();
        self.marks.disconnected();
        self.queries.disconnected();
        if let Cause::Closed { code, reason } = &cause
            && let Some(change) = self.must_change(verdict(*code))
        {
            let reason = words.text.unwrap_or_else(|| reason.clone());
            return self.stop(Some(Fatal { code: *code, reason, change }));
        }
        let steady = since.is_some_and(|since| now.saturating_sub(since) >= STEADY);
        let asked = match &cause {
            Cause::Refused { retry_after, .. } => *retry_after,
            _ => leave.map(|(at, _)| at.saturating_sub(now)).or(words.retry_after),
        };
        self.wait(now, cause, steady, asked);
    }

    /// What has to change before another attempt makes sense, if anything.
    fn must_change(&mut self, verdict: Verdict) -> Option<&'static str> {
        match verdict {
            Verdict::AtOnce | Verdict::BackOff => None,
            // A token that worked has expired since; where tokens renew, the next one may be good.
            Verdict::NeedsToken if self.options.token_renews && self.token_worked => {
                self.token_worked = false;
                None
            }
            Verdict::NeedsToken => Some("a new token is needed"),
            Verdict::Stop(change) => Some(change),
        }
    }

    /// Plans the next attempt, at the next endpoint. Every endpoint is tried once under the same
    /// ceiling before it doubles. A first loss waits for at most the base, whatever the close code;
    /// a gateway that takes sessions only to end them does not make the client spin.
    fn wait(&mut self, now: Duration, cause: Cause, steady: bool, asked: Option<Duration>) {
        let endpoints = u32::try_from(self.options.endpoints.len()).unwrap_or(u32::MAX);
        self.failures = if steady { 0 } else { self.failures.saturating_add(1) };
        let at_once = matches!(&cause, Cause::Closed { code, .. } if verdict(*code) == Verdict::AtOnce)
            || matches!(cause, Cause::Asked(_));
        let ceiling = match (self.failures, at_once) {
            (0 | 1, true) => Duration::ZERO,
            (failures, _) => {
                self.options.backoff.ceiling(failures.saturating_sub(1) / endpoints.max(1))
            }
        };
        let asked = asked.map(|asked| asked.min(ASKED_AT_MOST));
        let retry_in = self.jitter.after(asked, ceiling);
        self.endpoint = (self.endpoint + 1) % self.options.endpoints.len();
        self.link = Link::Waiting { until: now + retry_in };
        self.tell(Event::Disconnected { cause, retry_in });
    }

    /// When [`Core::tick`] has something to do; `None` when only events can change anything.
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        match &self.link {
            // With a full queue of events a new session could say nothing: it waits for the application.
            Link::Waiting { .. } if !self.wants_frames() => None,
            Link::Waiting { until } | Link::Dialing { until } => Some(*until),
            Link::Opening(opening) => Some(opening.until),
            Link::Live(live) => {
                let deadlines = [
                    Some(live.heartbeat.deadline()),
                    live.leave.map(|(at, _)| at),
                    self.outbox.deadline(now),
                    self.marks.deadline(now),
                    self.watching.deadline(now),
                    self.queries.deadline(now),
                    live.renewal.deadline(),
                    self.oldest_request().map(|since| since + ANSWER_WITHIN),
                ];
                deadlines.into_iter().flatten().min()
            }
            Link::Stopped(_) => None,
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.expire(now);
        // While the application takes nothing, nothing is read, so silence says nothing.
        if !self.wants_frames() {
            self.heard(now);
        }
        match &self.link {
            Link::Waiting { until } if now >= *until && self.wants_frames() => {
                self.link = Link::Dialing { until: now + DIAL_WITHIN };
                self.effects.push_back(Effect::Dial(self.gateway().to_owned()));
            }
            Link::Dialing { until } if now >= *until => {
                self.drop_connection(now, Cause::Silent("the gateway did not answer in time"));
            }
            Link::Opening(opening) if now >= opening.until => {
                self.drop_connection(
                    now,
                    Cause::Silent("the gateway did not open the session in time"),
                );
            }
            Link::Live(_) => {
                self.tick_renewal(now);
                self.tick_live(now);
            }
            _ => {}
        }
    }

    fn tick_live(&mut self, now: Duration) {
        let overdue = self.oldest_request().is_some_and(|since| now >= since + ANSWER_WITHIN);
        let overdue = overdue && self.wants_frames();
        let id = self.request_id();
        let Link::Live(live) = &mut self.link else { return };
        if let Some((at, reason)) = live.leave
            && now >= at
        {
            live.leave = None;
            return self.drop_connection(now, Cause::Asked(reason));
        }
        if overdue {
            let what = "the gateway is silent: a request had no answer in time";
            return self.drop_connection(now, Cause::Silent(what));
        }
        match live.heartbeat.beat(now) {
            Beat::Wait => {}
            Beat::Ask => {
                live.heartbeat.asked(now);
                self.effects.push_back(Effect::Write(ClientFrame::Ping(Ping { id }).encode()));
            }
            Beat::Dead => {
                self.drop_connection(
                    now,
                    Cause::Silent("the gateway is silent: no answer to a ping"),
                );
            }
        }
    }

    /// Gives the connection up from this side.
    fn drop_connection(&mut self, now: Duration, cause: Cause) {
        self.effects.push_back(Effect::Drop);
        self.ended(now, cause);
    }

    fn oldest_request(&self) -> Option<Duration> {
        let refresh = match &self.link {
            Link::Live(live) => live.renewal.asked(),
            _ => None,
        };
        let queries =
            [self.marks.oldest_asked(), self.watching.oldest_asked(), self.queries.oldest_asked()];
        [self.outbox.oldest_in_flight(), refresh].into_iter().chain(queries).flatten().min()
    }

    /// Gives up sends whose references the servers may have forgotten.
    fn expire(&mut self, now: Duration) {
        let lifetime = match &self.link {
            Link::Live(live) => live.limits.reference_lifetime,
            _ => chatcluster_protocol::limits::REFERENCE_LIFETIME,
        };
        while let Some(reference) = self.outbox.expired(now, Duration::from_millis(lifetime)) {
            self.outbox.remove(&reference);
            self.effects.push_back(Effect::Answered(reference, Err(SendError::Expired)));
        }
    }

    fn gateway(&self) -> &str {
        &self.options.endpoints[self.endpoint]
    }
}
