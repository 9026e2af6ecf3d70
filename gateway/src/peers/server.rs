//! The links that other gateways have opened to this one.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use chatcluster_protocol::peer::{
    Evicted, FrameRef, Frames, Outcome, Outcomes, PeerFrame, PeerKind, PeerWelcome, TargetOutcome,
    TargetRef, Typing, VERSION,
};
use chatcluster_runtime::tls::TlsListener;
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    PeerEvents,
    link::{put, read_frame},
    push_of,
};

/// How long a peer has for its hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// A peer ends its link after a minute without traffic; one that did not has vanished.
const IDLE: Duration = Duration::from_secs(300);

/// How long a peer may refuse to read its outcomes.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// What is worked on, at most about this much of it, before its outcomes leave in one write.
const AT_ONCE: usize = 64 * 1024;

/// Room for what is read next: as much as a TLS record has.
const READ: usize = 16 * 1024;

/// Most links. A fleet is smaller, and each gateway opens one.
const LINKS: usize = 4096;

/// Accepts links until `stop`. The listener has checked CA and role.
pub async fn serve(
    mut listener: TlsListener,
    events: Arc<impl PeerEvents>,
    stop: CancellationToken,
) {
    let links = Arc::new(Semaphore::new(LINKS));
    while let Some((stream, from)) = stop.run_until_cancelled(listener.accept()).await {
        let Ok(permit) = links.clone().try_acquire_owned() else {
            tracing::warn!(%from, "too many links of peers: one was dropped");
            continue;
        };
        let (events, stop) = (events.clone(), stop.clone());
        tokio::spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(link(stream, &*events)).await {
                tracing::debug!(%from, %error, "a link of a peer ended");
            }
            drop(permit);
        });
    }
}

/// Serves one link.
async fn link<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    events: &impl PeerEvents,
) -> io::Result<()> {
    let (mut input, mut output) = (BytesMut::with_capacity(READ), BytesMut::new());
    let hello = timeout(HELLO_WITHIN, read_frame(&mut stream, &mut input)).await??;
    let Some(PeerKind::Hello(hello)) = hello.kind else {
        return Err(io::Error::other("the peer did not say hello"));
    };
    let incarnation = events.incarnation().to_string();
    let meant = hello.wanted == incarnation;
    let welcome = PeerWelcome { version: VERSION, incarnation };
    put(PeerFrame { kind: Some(PeerKind::Welcome(welcome)) }, &mut output)?;
    flush(&mut stream, &mut output).await?;
    if !meant {
        return stream.shutdown().await;
    }
    let mut worked = 0;
    loop {
        // All frames that have arrived are worked on before their outcomes leave in one write.
        answer(events, &mut input, &mut output)?;
        input.reserve(READ);
        let more = if worked < AT_ONCE { stream.read_buf(&mut input).now_or_never() } else { None };
        let read = match more {
            Some(read) => read?,
            None => {
                flush(&mut stream, &mut output).await?;
                worked = 0;
                timeout(IDLE, stream.read_buf(&mut input)).await??
            }
        };
        if read == 0 {
            return flush(&mut stream, &mut output).await;
        }
        worked += read;
    }
}

/// Works on all whole frames of `input`, and appends the answers to `output`.
fn answer(events: &impl PeerEvents, input: &mut BytesMut, output: &mut BytesMut) -> io::Result<()> {
    let mut outcomes = Vec::new();
    let frames = Frames::take(input).map_err(io::Error::other)?;
    for frame in frames.iter() {
        let frame = match frame.map_err(io::Error::other)? {
            FrameRef::Deliver(deliver) => {
                let push =
                    push_of(&deliver, &frames).ok_or_else(|| io::Error::other("not a push"))?;
                for (target, position) in deliver.targets().zip(0..) {
                    let outcome = events.deliver(target.map_err(io::Error::other)?, &push);
                    outcomes.push(of(deliver.sequence, position, outcome));
                }
                continue;
            }
            FrameRef::Other(frame) => frame,
        };
        match frame.kind {
            Some(PeerKind::Typing(Typing { at, frame, targets })) => {
                std::str::from_utf8(&frame).map_err(io::Error::other)?;
                events.typing(at, &frame, &targets);
            }
            Some(PeerKind::Evict(evict)) => {
                if let Some(target) = &evict.target {
                    events.evict(TargetRef::from(target));
                }
                let evicted = Evicted { sequence: evict.sequence };
                put(PeerFrame { kind: Some(PeerKind::Evicted(evicted)) }, output)?;
            }
            Some(PeerKind::Disconnect(disconnect)) => {
                if let Some(target) = &disconnect.target {
                    events.disconnect(TargetRef::from(target));
                }
            }
            Some(PeerKind::Probe(probe)) => {
                events.probe_all();
                outcomes.push(of(probe.sequence, 0, Outcome::Queued));
            }
            Some(PeerKind::Hello(_) | PeerKind::Welcome(_)) => {
                return Err(io::Error::other("hello is said once"));
            }
            // Of a newer gateway, or an answer to what was never asked over this link.
            Some(PeerKind::Deliver(_) | PeerKind::Outcomes(_) | PeerKind::Evicted(_)) | None => {}
        }
    }
    if outcomes.is_empty() {
        return Ok(());
    }
    put(PeerFrame { kind: Some(PeerKind::Outcomes(Outcomes { outcomes })) }, output)
}

fn of(sequence: u64, target: u32, outcome: Outcome) -> TargetOutcome {
    TargetOutcome { sequence, target, outcome: outcome.into() }
}

async fn flush<S: AsyncWrite + Unpin>(stream: &mut S, output: &mut BytesMut) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    timeout(WRITE_WITHIN, async {
        stream.write_all(output).await?;
        stream.flush().await
    })
    .await??;
    output.clear();
    Ok(())
}
