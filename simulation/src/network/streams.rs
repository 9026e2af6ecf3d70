//! Streams: in order, or not at all. What a partition holds back arrives after it; what goes into a
//! half-open stream is gone, and nobody is told.

use super::{Network, Node, Wire};
use crate::{clock::Time, coverage::hit, trace::trace, world::World};

/// Names a stream.
pub(crate) type StreamId = u64;

/// An end of a stream: 0 has opened it.
pub(crate) type End = usize;

/// A stream between two nodes.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ends: [Node; 2],
    /// An end that is closed takes nothing and says nothing.
    open: [bool; 2],
    /// When the last unit arrives at each end.
    last: [Time; 2],
    /// What is sent to this end is lost, and nobody is told.
    pub(crate) deaf: [bool; 2],
    /// What waits for the end of a partition, for each end.
    held: [Vec<Wire>; 2],
}

impl Network {
    /// A new stream, of which nobody but its opener knows yet.
    pub(crate) fn stream(&mut self, from: Node, to: Node) -> StreamId {
        self.next += 1;
        let stream = Stream {
            ends: [from, to],
            open: [true; 2],
            last: [0; 2],
            deaf: [false; 2],
            held: [Vec::new(), Vec::new()],
        };
        self.streams.insert(self.next, stream);
        self.next
    }
}

impl World {
    /// Sends from one end of a stream to the other.
    pub(crate) fn send(&mut self, stream: StreamId, from: End, wire: Wire) {
        if self.network.streams.get(&stream).is_some_and(|stream| stream.open[from]) {
            self.transmit(stream, 1 - from, wire);
        }
    }

    fn transmit(&mut self, stream: StreamId, to: End, wire: Wire) {
        let Some(Stream { ends, deaf, .. }) = self.network.streams.get(&stream) else { return };
        let (sender, receiver) = (ends[1 - to], ends[to]);
        if deaf[to] {
            hit("network: half-open");
            return;
        }
        if !self.network.reaches(sender, receiver) {
            hit("network: held back");
            if let Some(stream) = self.network.streams.get_mut(&stream) {
                stream.held[to].push(wire);
            }
            return;
        }
        let delay = self.network.delay(sender, receiver);
        let Some(state) = self.network.streams.get_mut(&stream) else { return };
        let at = (self.now + delay).max(state.last[to] + 1);
        state.last[to] = at;
        self.later(receiver, at - self.now, move |world| world.arrives(stream, to, wire));
    }

    fn arrives(&mut self, stream: StreamId, at: End, wire: Wire) {
        let Some(state) = self.network.streams.get(&stream) else { return };
        if !state.open[at] || state.deaf[at] {
            return;
        }
        match (state.ends[at], state.ends[1 - at], at) {
            (Node::Device(device), ..) => self.device_hears(device, stream, wire),
            (Node::Gateway(gateway), Node::Device(_), _) => self.client_says(gateway, stream, wire),
            (Node::Gateway(gateway), _, 0) => self.link_reads(gateway, stream, wire),
            (Node::Gateway(gateway), _, _) => self.peer_says(gateway, stream, wire),
            _ => {}
        }
    }

    /// Closes an end of a stream; the other end is told, if it can be.
    pub(crate) fn hang_up(&mut self, stream: StreamId, end: End) {
        self.send(stream, end, Wire::End);
        self.silence(stream, end);
    }

    /// An end is no more. The other end finds out by itself.
    pub(crate) fn silence(&mut self, stream: StreamId, end: End) {
        if let Some(state) = self.network.streams.get_mut(&stream) {
            state.open[end] = false;
            if state.open == [false; 2] {
                self.network.streams.remove(&stream);
            }
        }
    }

    /// Both ends of a stream find it broken.
    pub(crate) fn break_stream(&mut self, stream: StreamId) {
        for end in [0, 1] {
            let Some(state) = self.network.streams.get(&stream) else { return };
            let node = state.ends[end];
            trace!(self, node, "its connection {stream} breaks");
            let delay = self.network.delay(node, node);
            self.later(node, delay, move |world| world.arrives(stream, end, Wire::End));
        }
    }

    /// The open streams of a node, and its end of each.
    pub(crate) fn streams_of(&self, node: Node) -> Vec<(StreamId, End)> {
        let ends = |(id, stream): (&StreamId, &Stream)| {
            let end = stream.ends.iter().position(|at| *at == node)?;
            stream.open[end].then_some((*id, end))
        };
        self.network.streams.iter().filter_map(ends).collect()
    }

    /// What a partition has held back goes on.
    pub(crate) fn release_held(&mut self) {
        let streams: Vec<StreamId> = self.network.streams.keys().copied().collect();
        for id in streams {
            for to in [0, 1] {
                let Some(stream) = self.network.streams.get_mut(&id) else { continue };
                for wire in std::mem::take(&mut stream.held[to]) {
                    self.transmit(id, to, wire);
                }
            }
        }
    }
}
