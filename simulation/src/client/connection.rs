//! Connecting, staying connected, and coming back.

use chatcluster_protocol::{
    client::{ClientFrame, Hello, Ping, Resume},
    id::MessageId,
};

use super::token::Token;
use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

/// How long a client waits for its welcome.
const WELCOME_WITHIN: Time = 8 * S;

/// How long it says nothing before it asks, and how long it waits for the answer.
const HEARTBEAT: Time = 10 * S;
const PONG_WITHIN: Time = 10 * S;

/// The bound of the wait before a connection, which doubles with each failure.
const BACKOFF: (Time, Time) = (100 * MS, 5 * S);

/// The connection in use.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: StreamId,
    pub(crate) gateway: usize,
    pub(crate) welcomed_at: Option<Time>,
    /// When it said hello.
    pub(crate) since: Time,
    /// When the device last said and last heard something, and when it asked without an answer.
    said: Time,
    heard: Time,
    asked: Option<Time>,
    /// The highest id that the gateway knows the device has seen.
    pub(super) known: Option<MessageId>,
    pub(crate) token: Token,
    /// The one it came from, until this one is welcomed.
    before: Option<StreamId>,
}

impl Link {
    /// The gateway has taken it.
    pub(crate) fn is_welcomed(&self) -> bool {
        self.welcomed_at.is_some()
    }
}

impl World {
    /// A device is switched on. Some come for the first time long after the start.
    pub(crate) fn start_client(&mut self, device: usize) {
        let late = self.chance.one_in(6);
        let latest = if late { self.shape.trouble / 2 } else { 3 * S };
        let wait = self.chance.between(500 * MS, latest);
        self.later(Node::Device(device), wait, move |world| world.client_online(device));
        self.later(Node::Device(device), wait, move |world| world.client_runs(device));
    }

    /// What the app does as long as it runs.
    fn client_runs(&mut self, device: usize) {
        self.client_ticks(device);
        self.look_back(device);
        self.type_on(device);
        self.watch_on(device);
        self.count_on(device);
    }

    /// The device wants to be connected.
    pub(crate) fn client_online(&mut self, device: usize) {
        let client = &mut self.clients[device];
        if !client.online && !client.lost {
            client.online = true;
            self.dial(device, None);
        }
    }

    /// It does not any more, politely or without a word.
    pub(crate) fn client_offline(&mut self, device: usize, politely: bool) {
        let client = &mut self.clients[device];
        client.online = false;
        client.dials += 1;
        if let Some(link) = client.link.take() {
            if politely {
                self.hang_up(link.stream, 0);
            } else {
                self.silence(link.stream, 0);
            }
        }
    }

    /// Nobody has the device any more, nor what was written on it and not sent.
    pub(crate) fn lose_device(&mut self, device: usize) {
        hit("client: lost for good");
        let politely = self.chance.one_in(2);
        self.client_offline(device, politely);
        let client = &mut self.clients[device];
        client.lost = true;
        client.outbox.clear();
    }

    /// The app starts anew: what is not kept is gone.
    pub(crate) fn restart_client(&mut self, device: usize) {
        if self.clients[device].lost {
            return;
        }
        hit("client: restart");
        let node = Node::Device(device);
        for (stream, end) in self.streams_of(node) {
            self.silence(stream, end);
        }
        self.processes.stop(node);
        self.processes.start(node);
        let client = &mut self.clients[device];
        client.link = None;
        client.acks.clear();
        client.failures = 0;
        client.reads_from = client.reads_from.min(self.now);
        client.unread.clear();
        client.online = true;
        self.dial(device, None);
        self.client_runs(device);
    }

    /// What arrives is read only after a while.
    pub(crate) fn read_late(&mut self, device: usize, until: Time) {
        self.clients[device].reads_from = until;
    }

    /// Opens a connection to some gateway, in place of the one there is.
    fn dial(&mut self, device: usize, before: Option<StreamId>) {
        let gateway = self.chance.index(self.shape.gateways);
        let (from, to) = (Node::Device(device), Node::Gateway(gateway));
        let stream = self.network.stream(from, to);
        let token = self.token_for(device);
        let client = &mut self.clients[device];
        client.dials += 1;
        let now = self.now;
        client.dialed_before = std::mem::replace(&mut client.dialed, now);
        client.link = Some(Link {
            stream,
            gateway,
            welcomed_at: None,
            since: now,
            said: now,
            heard: now,
            asked: None,
            known: client.highest,
            token: Token::new(&token),
            before,
        });
        let id = client.request();
        let resume = Resume { highest: client.highest, epoch: client.epoch };
        let hello = Hello {
            id,
            token: token.text,
            device: client.home.device.clone(),
            resume: Some(resume),
        };
        trace!(self, from, "dials {to} over stream {stream}");
        if self.processes.is_up(to) {
            self.send(stream, 0, Wire::Open);
            self.send(stream, 0, Wire::Frame(ClientFrame::Hello(hello)));
        } else {
            let delay = 2 * self.network.delay(from, to);
            self.later(from, delay, move |world| world.lose(device, stream, true));
        }
        self.later(from, WELCOME_WITHIN, move |world| {
            let link = world.clients[device].link.as_ref();
            if link.is_some_and(|link| link.stream == stream && !link.is_welcomed()) {
                world.hang_up(stream, 0);
                world.lose(device, stream, true);
            }
        });
    }

    /// The connection is over. A client comes back at once, or after a while.
    pub(super) fn lose(&mut self, device: usize, stream: StreamId, back_off: bool) {
        self.hang_up(stream, 0);
        let client = &mut self.clients[device];
        if client.link.as_ref().is_none_or(|link| link.stream != stream) {
            return;
        }
        if let Some(before) = client.link.take().and_then(|link| link.before) {
            self.hang_up(before, 0);
        }
        let client = &mut self.clients[device];
        client.failures = if back_off { client.failures + 1 } else { 0 };
        if client.online {
            let bound = (BACKOFF.0 << client.failures.min(8)).min(BACKOFF.1);
            let wait = self.chance.between(0, bound);
            self.dial_later(device, wait, None);
        }
    }

    /// Opens another connection after a while, unless something else has opened one by then.
    fn dial_later(&mut self, device: usize, wait: Time, before: Option<StreamId>) {
        let dials = self.clients[device].dials;
        self.later(Node::Device(device), wait, move |world| {
            let client = &world.clients[device];
            if client.online && client.dials == dials {
                world.dial(device, before);
            }
        });
    }

    /// The gateway asks the device to move: it opens another connection, then closes this one.
    pub(super) fn move_away(&mut self, device: usize, stream: StreamId, after: u64) {
        self.dial_later(device, after * MS, Some(stream));
    }

    pub(super) fn welcomed(&mut self, device: usize, epoch: u64) {
        let client = &mut self.clients[device];
        client.epoch = Some(epoch);
        client.failures = 0;
        client.acks.clear();
        let Some(link) = &mut client.link else { return };
        link.welcomed_at = Some(self.now);
        if let Some(before) = link.before.take() {
            self.hang_up(before, 0);
        }
        self.send_again(device);
        self.send_marks(device);
        self.watch_again(device);
    }

    /// Says something over the connection in use.
    pub(super) fn say(&mut self, device: usize, frame: ClientFrame) {
        if let Some(link) = &mut self.clients[device].link {
            link.said = self.now;
            let stream = link.stream;
            self.send(stream, 0, Wire::Frame(frame));
        }
    }

    /// Something was heard over the connection in use.
    pub(super) fn heard(&mut self, device: usize) {
        if let Some(link) = &mut self.clients[device].link {
            link.asked = None;
            link.heard = self.now;
        }
    }

    fn client_ticks(&mut self, device: usize) {
        let now = self.now;
        let id = self.clients[device].request();
        if let Some(link) = &mut self.clients[device].link
            && link.is_welcomed()
        {
            let stream = link.stream;
            if link.asked.is_some_and(|asked| asked + PONG_WITHIN <= now) {
                hit("client: pong missed");
                trace!(self, Node::Device(device), "hears nothing and gives stream {stream} up");
                self.hang_up(stream, 0);
                self.lose(device, stream, false);
            } else if link.asked.is_none() && link.said.min(link.heard) + HEARTBEAT <= now {
                link.asked = Some(now);
                self.say(device, ClientFrame::Ping(Ping { id }));
            }
        }
        self.later(Node::Device(device), 2 * S, move |world| world.client_ticks(device));
    }
}
