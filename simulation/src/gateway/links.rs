//! The links that a gateway has opened to its peers, as `gateway/src/peers` keeps them.

use gateway_core::{Gateway as Peer, Incarnation};

use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

/// How long opening may take, and the first and longest wait after a link was lost.
const OPEN_WITHIN: Time = 3 * S;
const BACKOFF: (Time, Time) = (100 * MS, 5 * S);

/// The peer's queue takes nothing more.
pub(super) struct Full;

/// A link to one incarnation of a peer.
pub(super) struct Link {
    number: u64,
    to: Peer,
    queue: Vec<Wire>,
    state: State,
    backoff: Time,
}

enum State {
    Closed,
    Opening(StreamId),
    Open(StreamId),
    Waiting,
}

impl World {
    /// Queues an item for a peer, and opens a link where there is none.
    pub(super) fn send_to_peer(&mut self, at: usize, to: &Peer, item: Wire) -> Result<(), Full> {
        let gateway = &mut self.gateways[at];
        if gateway.full && gateway.chance.one_in(2) {
            hit("link: queue full");
            return Err(Full);
        }
        let known = gateway.links.iter().position(|link| link.to.incarnation == to.incarnation);
        let place = known.unwrap_or_else(|| {
            gateway.next_link += 1;
            gateway.links.push(Link {
                number: gateway.next_link,
                to: to.clone(),
                queue: Vec::new(),
                state: State::Closed,
                backoff: BACKOFF.0,
            });
            gateway.links.len() - 1
        });
        let link = &mut gateway.links[place];
        match link.state {
            State::Open(stream) => self.send(stream, 0, item),
            State::Closed => {
                link.queue.push(item);
                self.open_link(at, place);
            }
            State::Opening(_) | State::Waiting => link.queue.push(item),
        }
        Ok(())
    }

    /// Gives up a link, with all that waits for it.
    pub(super) fn drop_link(&mut self, at: usize, to: Incarnation) {
        let links = &mut self.gateways[at].links;
        let Some(place) = links.iter().position(|link| link.to.incarnation == to) else { return };
        if let State::Opening(stream) | State::Open(stream) = links.remove(place).state {
            self.hang_up(stream, 0);
        }
    }

    fn open_link(&mut self, at: usize, place: usize) {
        let (from, link) = (Node::Gateway(at), &self.gateways[at].links[place]);
        let (number, wanted) = (link.number, link.to.incarnation);
        let to = Node::Gateway(link.to.host.parse().unwrap_or_default());
        let stream = self.network.stream(from, to);
        self.gateways[at].links[place].state = State::Opening(stream);
        if self.processes.is_up(to) {
            self.send(stream, 0, Wire::Hello(wanted));
        } else {
            let delay = 2 * self.network.delay(from, to);
            self.later(from, delay, move |world| world.link_lost(at, number));
        }
        self.later(from, OPEN_WITHIN, move |world| {
            let links = &world.gateways[at].links;
            let opening = |link: &&Link| matches!(link.state, State::Opening(s) if s == stream);
            if links.iter().find(opening).is_some() {
                world.link_lost(at, number);
            }
        });
    }

    pub(crate) fn link_reads(&mut self, at: usize, stream: StreamId, wire: Wire) {
        let mut links = self.gateways[at].links.iter_mut();
        let of = |link: &&mut Link| match link.state {
            State::Opening(s) | State::Open(s) => s == stream,
            State::Closed | State::Waiting => false,
        };
        let Some(link) = links.find(of) else { return };
        let (number, wanted) = (link.number, link.to.incarnation);
        match wire {
            Wire::Welcome(present) if present == wanted => {
                link.state = State::Open(stream);
                link.backoff = BACKOFF.0;
                for item in std::mem::take(&mut link.queue) {
                    self.send(stream, 0, item);
                }
            }
            Wire::Welcome(_) => {
                hit("link: gone");
                self.drop_link(at, wanted);
                self.tell(at, |machines, now, out| machines.gateway_gone(now, wanted, out));
            }
            Wire::Outcomes(outcomes) => {
                for (sequence, target, outcome) in outcomes {
                    self.outcome(at, sequence, target, outcome);
                }
            }
            Wire::Evicted(eviction) => {
                self.tell(at, |machines, _, out| {
                    machines.evictions.evicted(eviction, &mut out.evictions);
                });
            }
            Wire::End => self.link_lost(at, number),
            _ => {}
        }
    }

    fn link_lost(&mut self, at: usize, number: u64) {
        let links = &mut self.gateways[at].links;
        let Some(link) = links.iter_mut().find(|link| link.number == number) else { return };
        hit("link: lost");
        let (to, wait) = (link.to.incarnation, link.backoff);
        link.queue.clear();
        link.backoff = (2 * wait).min(BACKOFF.1);
        let state = std::mem::replace(&mut link.state, State::Waiting);
        if let State::Opening(stream) | State::Open(stream) = state {
            self.hang_up(stream, 0);
        }
        trace!(self, Node::Gateway(at), "loses its link to {to}");
        self.tell(at, |machines, now, _| machines.link_lost(now, to));
        let wait = self.chance.between(wait / 2, wait);
        self.later(Node::Gateway(at), wait, move |world| {
            let links = &mut world.gateways[at].links;
            let Some(place) = links.iter().position(|link| link.number == number) else { return };
            if links[place].queue.is_empty() {
                links[place].state = State::Closed;
            } else {
                world.open_link(at, place);
            }
        });
    }
}
