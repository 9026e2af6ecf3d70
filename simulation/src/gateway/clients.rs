//! What clients say.

use gateway_core::{ConnectionId, Session, session::Input};
use rand::RngExt;

use super::{Cell, Gateway};
use crate::{
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

impl Gateway {
    fn connection(&self, stream: StreamId) -> Option<ConnectionId> {
        let mut cells = self.cells.iter().filter(|(_, cell)| cell.listed);
        cells.find(|(_, cell)| cell.stream == stream).map(|(connection, _)| *connection)
    }
}

impl World {
    pub(crate) fn client_says(&mut self, at: usize, stream: StreamId, wire: Wire) {
        if let Wire::Open = wire {
            return self.client_connects(at, stream);
        }
        let Some(connection) = self.gateways[at].connection(stream) else { return };
        match wire {
            Wire::Frame(frame) => self.feed(at, connection, Input::Frame(Ok(frame))),
            Wire::Pong => self.feed(at, connection, Input::Pong),
            Wire::Close(_) | Wire::End => self.socket_gone(at, connection),
            _ => {}
        }
    }

    fn client_connects(&mut self, at: usize, stream: StreamId) {
        if self.gateways[at].refusing {
            hit("drain: refused at the door");
            self.send(stream, 1, Wire::Refused);
            return self.hang_up(stream, 1);
        }
        let gateway = &mut self.gateways[at];
        let connection = ConnectionId(gateway.next);
        gateway.next += 1;
        let name = uuid::Uuid::from_u128(gateway.chance.0.random());
        let session = Session::new(connection, name, gateway.clock.now(self.now));
        let cell = Cell {
            session,
            stream,
            listed: true,
            calls: 0,
            ending: false,
            issued: None,
            offered: 0,
            registered: 0,
        };
        gateway.cells.insert(connection, cell);
        trace!(self, Node::Gateway(at), "takes stream {stream} as {connection:?}");
    }
}
