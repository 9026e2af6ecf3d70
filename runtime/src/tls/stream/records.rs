//! TLS without I/O: ciphertext in, plaintext out, and the other way round.
//!
//! rustls' unbuffered connection keeps the state of the protocol and no bytes. What has come of a record
//! that is not whole yet is kept here, in exactly as much memory as it needs.

use std::sync::Arc;

use rustls::{
    Error, ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
        UnbufferedStatus, WriteTraffic,
    },
};

use super::scratch;
use crate::Backlog;

/// Most plaintext of one record (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;

/// What a record adds to its plaintext at most, with all that rustls uses: a header of 5 bytes, an
/// explicit nonce of 8 or a content type of 1, a tag of 16.
const OVERHEAD: usize = 32;

/// Room for what may go before the first record: an answer to a key update, alerts.
const AHEAD: usize = 256;

/// Most bytes of unfinished records. A record is at most 18 KiB, but a handshake message may be spread
/// over several, which rustls reads where they lie; 64 KiB is where rustls' own buffer ends.
const PARTIAL: usize = 64 * 1024;

/// The protocol's state, and the record that is not whole yet.
pub(super) struct Records {
    connection: UnbufferedServerConnection,
    partial: Vec<u8>,
    peer_closed: bool,
}

impl Records {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self { connection, partial: Vec::new(), peer_closed: false })
    }

    /// The handshake is not done.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The client has said that nothing follows.
    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Bytes of the record that is not whole yet. They come first in the next [`Self::receive`].
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Takes in ciphertext, which begins with [`Self::partial`] and is overwritten. Hands plaintext to
    /// `plain`, and to `answers` what is to be sent: handshake messages, tickets, alerts.
    ///
    /// # Errors
    /// When the client breaks the protocol. The alert that says so is in `answers`; nothing more can be
    /// received.
    pub(super) fn receive(
        &mut self,
        wire: &mut [u8],
        mut plain: impl FnMut(&[u8]),
        answers: &mut Backlog,
    ) -> Result<(), Error> {
        let mut done = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut wire[done..]);
            let more = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plain(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, answers)?;
                    true
                }
                // As good as sent: it waits in `answers`, and everything else goes behind it.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    true
                }
                Ok(
                    ConnectionState::BlockedHandshake
                    | ConnectionState::WriteTraffic(_)
                    | ConnectionState::Closed,
                ) => false,
                Ok(_) => return Err(unexpected()),
                Err(error) => {
                    self.alert(answers)?;
                    return Err(error);
                }
            };
            done += discard;
            if !more {
                break;
            }
        }
        // What is behind the client's end means nothing.
        self.partial = if self.peer_closed { Vec::new() } else { wire[done..].to_vec() };
        if self.partial.len() > PARTIAL {
            return Err(Error::General("a handshake message is too long".into()));
        }
        Ok(())
    }

    /// Encrypts, and returns how many bytes of `wire` are to be sent.
    ///
    /// # Errors
    /// When the keys are used up and cannot be renewed, or after [`Self::close_notify`].
    pub(super) fn encrypt(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<usize, Error> {
        let room = plain.len() + (plain.len() / RECORD + 1) * OVERHEAD + AHEAD;
        self.write(wire, room, |traffic, wire| traffic.encrypt(plain, wire))
    }

    /// Says to the client that nothing follows; returns how many bytes of `wire` are to be sent.
    ///
    /// # Errors
    /// When the connection has failed, or the handshake is not done.
    pub(super) fn close_notify(&mut self, wire: &mut Vec<u8>) -> Result<usize, Error> {
        self.write(wire, AHEAD, |traffic, wire| traffic.queue_close_notify(wire))
    }

    fn write(
        &mut self,
        wire: &mut Vec<u8>,
        mut room: usize,
        write: impl Fn(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<usize, Error> {
        // It has seen these bytes before and changes nothing, but counts from their start.
        let state = self.connection.process_tls_records(&mut self.partial).state?;
        let ConnectionState::WriteTraffic(mut traffic) = state else { return Err(unexpected()) };
        loop {
            match write(&mut traffic, scratch::first(wire, room)) {
                Ok(length) => return Ok(length),
                Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                    room = required_size;
                }
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            }
        }
    }

    /// Collects the alert that rustls has ready after an error.
    fn alert(&mut self, answers: &mut Backlog) -> Result<(), Error> {
        // What is ready to be sent comes before anything else, so no bytes are needed for it.
        while self.connection.wants_write() {
            let state = self.connection.process_tls_records(&mut []).state?;
            let ConnectionState::EncodeTlsData(data) = state else { return Err(unexpected()) };
            encode(data, answers)?;
        }
        Ok(())
    }
}

fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    answers: &mut Backlog,
) -> Result<(), Error> {
    let mut room = AHEAD;
    loop {
        let mut wire = vec![0; room];
        match data.encode(&mut wire) {
            Ok(length) => {
                answers.push(&wire[..length]);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                room = required_size;
            }
            Err(EncodeError::AlreadyEncoded) => return Err(unexpected()),
        }
    }
}

/// A state that rustls does not have with this configuration, such as early data.
fn unexpected() -> Error {
    Error::General("a state of TLS that was not expected".into())
}
