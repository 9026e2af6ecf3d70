//! A core at work between an application and a gateway that the test plays.

use chatcluster_protocol::client::CloseCode;

use super::*;

/// A core, the time, and what it wrote on the connection that is open now.
pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) written: Vec<ClientFrame>,
    pub(super) other: Vec<Effect>,
}

impl Bench {
    pub(super) fn new(options: Options) -> Self {
        let mut bench = Self {
            core: Core::new(options, 7),
            now: Duration::ZERO,
            written: vec![],
            other: vec![],
        };
        bench.core.tick(bench.now);
        bench.settle();
        bench
    }

    /// Past `welcome`, at its first endpoint.
    pub(super) fn live() -> Self {
        Self::live_with(options(), Limits::default())
    }

    pub(super) fn live_with(options: Options, limits: Limits) -> Self {
        let mut bench = Self::new(options);
        bench.open(limits);
        bench
    }

    pub(super) fn open(&mut self, limits: Limits) {
        self.core.opened(self.now, "secret".into());
        self.settle();
        let Some(ClientFrame::Hello(hello)) = self.written.pop() else { panic!("no hello") };
        self.core.frame(self.now, welcome(&hello, limits));
        self.settle();
    }

    /// Time passes in steps that the core asks for.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.core.deadline(self.now).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.tick(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Time passes while the gateway gives signs of life.
    pub(super) fn pass_alive(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(s(1));
            self.core.heard(self.now);
        }
    }

    /// Time passes until the core dials.
    pub(super) fn redial(&mut self) {
        let dials = self.dialled().len();
        while self.dialled().len() == dials {
            self.now = self.core.deadline(self.now).expect("the core dials again");
            self.core.tick(self.now);
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        while let Some(effect) = self.core.poll_effect(self.now, true) {
            match effect {
                Effect::Write(text) => self.written.push(read(&text)),
                other => self.other.push(other),
            }
        }
    }

    pub(super) fn close(&mut self, code: CloseCode) {
        let cause = Cause::Closed { code: code.code(), reason: code.reason().into() };
        self.core.ended(self.now, cause);
        self.settle();
    }

    pub(super) fn frame(&mut self, frame: ServerFrame) {
        self.core.frame(self.now, frame);
        self.settle();
    }

    pub(super) fn send(&mut self, reference: &str, to: &str) {
        self.core.send(outgoing(reference, to)).unwrap();
        self.settle();
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.core.poll_event()).collect()
    }

    /// How long the core waits until it dials again.
    pub(super) fn retry_in(&mut self) -> Duration {
        let waits = self.events().into_iter().filter_map(|event| match event {
            Event::Disconnected { retry_in, .. } => Some(retry_in),
            _ => None,
        });
        waits.last().expect("the core is disconnected")
    }

    pub(super) fn dialled(&self) -> Vec<&str> {
        let url = |effect: &Effect| match effect {
            Effect::Dial(url) => URLS.iter().find(|known| *known == url).copied(),
            _ => None,
        };
        self.other.iter().filter_map(url).collect()
    }

    pub(super) fn sends(&mut self) -> Vec<(String, RequestId)> {
        let sends = self.written.drain(..).filter_map(|frame| match frame {
            ClientFrame::Send(send) => Some((send.reference.to_string(), send.id)),
            _ => None,
        });
        sends.collect()
    }
}

pub(super) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
