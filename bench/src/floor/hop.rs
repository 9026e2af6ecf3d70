//! Answers each message of a gateway's link.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
};

/// Bytes of a message: about an encoded delivery of a short chat message.
pub(crate) const MESSAGE: usize = 256;
/// Bytes of an answer.
pub(crate) const ANSWER: usize = 16;

pub(super) fn run(listener: &TcpListener) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut held) = (vec![0; 256 * 1024], 0);
    let mut answers = Vec::new();
    loop {
        let read = stream.read(&mut buffer[held..])?;
        if read == 0 {
            return Ok(());
        }
        held += read;
        let whole = held / MESSAGE * MESSAGE;
        answers.clear();
        for message in buffer[..whole].chunks_exact(MESSAGE) {
            answers.extend_from_slice(&message[..ANSWER]);
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
        stream.write_all(&answers)?;
    }
}
