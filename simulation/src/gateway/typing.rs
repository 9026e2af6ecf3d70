//! That somebody is typing, on its way through gateways.

use bytes::Bytes;
use chatcluster_protocol::{client::ServerFrame, id::UserId};
use gateway_core::{ConnectionId, Target, session::Shown};

use super::links::Full;
use crate::{
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

impl World {
    /// The user of a session is typing to somebody.
    pub(super) fn typing(&mut self, at: usize, to: &UserId, frame: Bytes) {
        if let Ok(ServerFrame::Typing(typing)) = serde_json::from_slice(&frame) {
            trace!(self, Node::Gateway(at), "{} types to {to}", typing.from);
            self.oracle.typed(self.now, typing.from, to.clone());
            if typing.expires_in == 0 {
                hit("typing: stopped");
            }
        }
        self.tell(at, |machines, now, out| {
            machines.router.typing(now, to, frame, &machines.locals, &mut out.router);
        });
    }

    /// Shows a session of this gateway that somebody is typing, which changes nothing else of it.
    pub(super) fn show_typing(
        &mut self,
        at: usize,
        connection: ConnectionId,
        epoch: u64,
        frame: Bytes,
    ) {
        let shown = if self.is_listed(at, connection) {
            self.work_on(at, connection, |session, env| {
                let before = session.phase();
                let shown = session.show_typing(epoch, frame, env);
                (shown, before == session.phase())
            })
        } else {
            None
        };
        let (shown, unchanged) = shown.unwrap_or((Shown::NotHere, true));
        match shown {
            Shown::Handed => {}
            Shown::Busy => hit("typing: busy"),
            Shown::NotHere => hit("typing: not here"),
        }
        if !unchanged {
            self.violated("typing", format!("{connection:?} is in another phase after it"));
        }
    }

    /// Writes it to a client, unless that one is behind.
    pub(super) fn write_typing(
        &mut self,
        at: usize,
        connection: ConnectionId,
        stream: StreamId,
        frame: Bytes,
    ) {
        let gateway = &mut self.gateways[at];
        if gateway.full && gateway.chance.one_in(2) {
            return hit("typing: client behind");
        }
        hit("typing: shown");
        let device = gateway.cells.get(&connection).and_then(|cell| cell.session.device().cloned());
        if let (Some(device), Ok(ServerFrame::Typing(typing))) =
            (device, serde_json::from_slice(&frame))
        {
            self.check_typing(&typing, &device);
        }
        self.send(stream, 1, Wire::Text(frame));
    }

    pub(super) fn tell_peer_typing(
        &mut self,
        at: usize,
        to: &gateway_core::Gateway,
        since: u64,
        frame: Bytes,
        targets: Vec<Target>,
    ) {
        hit("typing: remote");
        if let Err(Full) = self.send_to_peer(at, to, Wire::Typing(since, frame, targets)) {
            hit("typing: queue full");
        }
    }

    /// A peer says that somebody is typing.
    pub(super) fn peer_types(
        &mut self,
        at: usize,
        since: u64,
        frame: &Bytes,
        targets: Vec<Target>,
    ) {
        let mut timely = false;
        self.tell(at, |machines, now, _| timely = machines.router.is_timely(now, since));
        if !timely {
            return hit("typing: late");
        }
        for Target { connection, epoch, device } in targets {
            let target = Target { device, connection, epoch };
            if self.is_meant(at, &target) {
                self.show_typing(at, connection, epoch, frame.clone());
            } else {
                hit("typing: not here");
            }
        }
    }
}
