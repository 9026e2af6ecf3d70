//! Gives what one connection sends to all others: all that a wake has brought, in one write for each.

use std::io::{ErrorKind, Read, Write};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

/// A connection's token is its place.
const LISTENER: Token = Token(usize::MAX);

/// Ends when a connection does: the run is over then.
pub(super) fn run(listener: std::net::TcpListener) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut members: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut members)?;
                continue;
            }
            let Token(sender) = event.token();
            // There is one sender, so what a read brings is all that this wake has, and bytes need no
            // frames: they are as whole as the sender wrote them.
            let read = match members[sender].read(&mut buffer) {
                Ok(0) => return Ok(()),
                // An earlier read has taken what this event is about.
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read?,
            };
            for (place, member) in members.iter_mut().enumerate() {
                if place != sender {
                    // No more than a window is under way, which a socket's buffer takes at once.
                    member.write_all(&buffer[..read])?;
                }
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, members: &mut Vec<TcpStream>) -> anyhow::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let token = Token(members.len());
                poll.registry().register(&mut stream, token, Interest::READABLE)?;
                members.push(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
