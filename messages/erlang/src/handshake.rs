//! The handshake, version 6 (<https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html>): both sides say who
//! they are and what they can, and prove that they have the same cookie without sending it.
//!
//! The node gives us our name, as nobody has to find us by it; two of us are then never taken for one.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::ConnectError;

/// What a peer can do.
mod flag {
    pub(super) const EXTENDED_REFERENCES: u64 = 1 << 2;
    pub(super) const DIST_MONITOR: u64 = 1 << 3;
    pub(super) const FUN_TAGS: u64 = 1 << 4;
    pub(super) const DIST_MONITOR_NAME: u64 = 1 << 5;
    pub(super) const NEW_FUN_TAGS: u64 = 1 << 7;
    pub(super) const EXTENDED_PIDS_PORTS: u64 = 1 << 8;
    pub(super) const EXPORT_PTR_TAG: u64 = 1 << 9;
    pub(super) const BIT_BINARIES: u64 = 1 << 10;
    pub(super) const NEW_FLOATS: u64 = 1 << 11;
    pub(super) const UTF8_ATOMS: u64 = 1 << 16;
    pub(super) const MAP_TAG: u64 = 1 << 17;
    pub(super) const BIG_CREATION: u64 = 1 << 18;
    pub(super) const HANDSHAKE_23: u64 = 1 << 24;
    pub(super) const UNLINK_ID: u64 = 1 << 25;
    pub(super) const SPAWN: u64 = 1 << 32;
    pub(super) const NAME_ME: u64 = 1 << 33;
    pub(super) const V4_NC: u64 = 1 << 34;
    pub(super) const MANDATORY_25_DIGEST: u64 = 1 << 36;
}

/// Without `DIST_MONITOR_NAME` a node says nothing of the end of what it has spawned for us. No atom cache and
/// no fragments, so that each message stands by itself; not published, so that the node tells nobody of us.
const OURS: u64 = flag::EXTENDED_REFERENCES
    | flag::DIST_MONITOR
    | flag::FUN_TAGS
    | flag::DIST_MONITOR_NAME
    | flag::NEW_FUN_TAGS
    | flag::EXTENDED_PIDS_PORTS
    | flag::EXPORT_PTR_TAG
    | flag::BIT_BINARIES
    | flag::NEW_FLOATS
    | flag::UTF8_ATOMS
    | flag::MAP_TAG
    | flag::BIG_CREATION
    | flag::HANDSHAKE_23
    | flag::UNLINK_ID
    | flag::SPAWN
    | flag::NAME_ME
    | flag::V4_NC
    | flag::MANDATORY_25_DIGEST;

/// What the calls need of the node.
const NEEDED: u64 = flag::HANDSHAKE_23 | flag::SPAWN | flag::BIG_CREATION | flag::UTF8_ATOMS;

/// Longest message of a handshake: two names and a few numbers.
const LONGEST: usize = 2048;

/// How the messages of the handshake are framed: a length of 2 bytes on a plain connection, of 4 within TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Framing {
    Plain,
    Tls,
}

/// Who is who after a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// What the node calls us.
    pub(crate) ours: String,
    /// Which of all that had this name we are.
    pub(crate) creation: u32,
    /// What the node is called.
    pub(crate) peer: String,
}

/// Shakes hands.
pub(crate) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    framing: Framing,
    host: &str,
    cookie: &str,
) -> Result<Names, ConnectError> {
    write(stream, framing, &send_name(host)).await?;
    let (ours, creation) = named(read(stream, framing).await?)?;
    let Challenge { challenge, peer } = challenged(read(stream, framing).await?)?;
    let mine: u32 = rand::random();
    write(stream, framing, &reply(cookie, challenge, mine)).await?;
    // A node that finds another cookie hangs up.
    let ack = match read(stream, framing).await {
        Err(ConnectError::Io(error)) if ended(&error) => return Err(ConnectError::Cookie),
        ack => ack?,
    };
    acknowledged(&ack, cookie, mine)?;
    Ok(Names { ours, creation, peer })
}

fn ended(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

fn send_name(host: &str) -> BytesMut {
    let mut message = BytesMut::new();
    message.put_u8(b'N');
    message.put_u64(OURS);
    // The node chooses this one, too.
    message.put_u32(0);
    message.put_u16(u16::try_from(host.len()).unwrap_or(u16::MAX));
    message.put_slice(host.as_bytes());
    message
}

fn named(mut status: Bytes) -> Result<(String, u32), ConnectError> {
    let Some(b's') = status.try_get_u8().ok() else { return Err(odd("its status")) };
    if let Some(mut named) = status.strip_prefix(b"named:") {
        let name = name(&mut named)?;
        let creation = named.try_get_u32().map_err(|_| odd("its status"))?;
        return Ok((name, creation));
    }
    let status = String::from_utf8_lossy(&status).into_owned();
    match &status[..] {
        "ok" | "ok_simultaneous" => Err(odd("it gives no names, OTP 23 and newer do")),
        _ => Err(ConnectError::Refused(status)),
    }
}

struct Challenge {
    challenge: u32,
    peer: String,
}

fn challenged(message: Bytes) -> Result<Challenge, ConnectError> {
    let mut rest = &message[..];
    let short = |_| odd("its challenge is too short");
    if rest.try_get_u8().map_err(short)? != b'N' {
        return Err(odd("its challenge is of another version"));
    }
    let flags = rest.try_get_u64().map_err(short)?;
    let challenge = rest.try_get_u32().map_err(short)?;
    let _creation = rest.try_get_u32().map_err(short)?;
    let peer = name(&mut rest)?;
    if flags & NEEDED != NEEDED {
        return Err(odd("it is older than OTP 23"));
    }
    Ok(Challenge { challenge, peer })
}

fn name(from: &mut &[u8]) -> Result<String, ConnectError> {
    let length = usize::from(from.try_get_u16().map_err(|_| odd("a name is too short"))?);
    let Some((name, rest)) = from.split_at_checked(length) else {
        return Err(odd("a name is too short"));
    };
    *from = rest;
    String::from_utf8(name.to_vec()).map_err(|_| odd("a name is not UTF-8"))
}

fn reply(cookie: &str, challenge: u32, mine: u32) -> BytesMut {
    let mut message = BytesMut::new();
    message.put_u8(b'r');
    message.put_u32(mine);
    message.put_slice(&digest(cookie, challenge));
    message
}

fn acknowledged(ack: &[u8], cookie: &str, mine: u32) -> Result<(), ConnectError> {
    match ack.split_first() {
        Some((b'a', proof)) if proof == digest(cookie, mine) => Ok(()),
        Some((b'a', _)) => Err(ConnectError::Cookie),
        _ => Err(odd("its proof is none")),
    }
}

/// MD5 is what the protocol says. It keeps strangers out, not those who can listen: that is what TLS is for.
fn digest(cookie: &str, challenge: u32) -> [u8; 16] {
    Md5::new().chain_update(cookie).chain_update(challenge.to_string()).finalize().into()
}

fn odd(what: &str) -> ConnectError {
    ConnectError::Protocol(what.to_owned())
}

async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    framing: Framing,
) -> Result<Bytes, ConnectError> {
    let length = match framing {
        Framing::Plain => usize::from(stream.read_u16().await?),
        Framing::Tls => stream.read_u32().await? as usize,
    };
    if length > LONGEST {
        return Err(odd("a message of the handshake is too long"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message.into())
}

async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    framing: Framing,
    message: &[u8],
) -> Result<(), ConnectError> {
    let mut framed = BytesMut::new();
    match framing {
        Framing::Plain => framed.put_u16(u16::try_from(message.len()).unwrap_or(u16::MAX)),
        Framing::Tls => framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX)),
    }
    framed.put_slice(message);
    stream.write_all(&framed).await?;
    Ok(stream.flush().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_us_is_told() {
        let refused = |status: &'static [u8]| named(Bytes::from_static(status)).unwrap_err();
        assert_eq!(refused(b"snot_allowed").to_string(), "the node refused: not_allowed");
        assert!(matches!(refused(b"sok"), ConnectError::Protocol(_)));
        assert!(matches!(refused(b"HTTP/1.1 400"), ConnectError::Protocol(_)));
        assert!(matches!(refused(b""), ConnectError::Protocol(_)));
        let given = named(Bytes::from_static(b"snamed:\0\x05ab@cd\0\0\0\x07")).unwrap();
        assert_eq!(given, ("ab@cd".to_owned(), 7));
        assert!(named(Bytes::from_static(b"snamed:\0\x50ab@cd\0\0\0\x07")).is_err());
    }

    #[test]
    fn nodes_that_cannot_spawn_for_us_are_refused() {
        let challenge = |flags: u64| {
            let mut message = BytesMut::new();
            message.put_u8(b'N');
            message.put_u64(flags);
            message.put_u32(9);
            message.put_u32(1);
            message.put_u16(3);
            message.put_slice(b"a@b");
            challenged(message.freeze())
        };
        assert_eq!(challenge(NEEDED).unwrap().peer, "a@b");
        assert!(matches!(challenge(NEEDED & !flag::SPAWN), Err(ConnectError::Protocol(_))));
    }
}
