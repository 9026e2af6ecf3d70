//! The decoders of what comes over sockets.

use bytes::BytesMut;
use chatcluster_protocol::{
    client::{self, ServerFrame},
    peer::{FRAME, FrameRef, Frames, PeerKind, decode, encode},
};

/// A client's frame: what is taken means the same when it is written again, and a refusal can be written.
///
/// # Panics
/// When that does not hold.
pub fn client_frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match client::decode(text) {
        Ok(frame) => {
            let again = client::decode(&frame.encode());
            assert_eq!(again, Ok(frame), "a frame is another one when it is written again");
        }
        Err(refusal) => {
            let written = ServerFrame::Error(*refusal).encode();
            let read = serde_json::from_str::<ServerFrame>(&written);
            assert!(matches!(read, Ok(ServerFrame::Error(_))), "not an error: {written}");
        }
    }
}

/// A gateway's frame, as clients read it: what is written means the same when it is read again.
///
/// # Panics
/// When that does not hold.
pub fn server_frame(data: &[u8]) {
    let Ok(frame) = serde_json::from_slice::<ServerFrame>(data) else { return };
    if frame == ServerFrame::Unknown {
        return;
    }
    let again = serde_json::from_str::<ServerFrame>(&frame.encode());
    assert_eq!(again.ok(), Some(frame), "a frame is another one when it is written again");
}

/// What comes over a link between gateways: reading in place says the same as decoding, frame by frame, and
/// what is decoded is the same when it is written again.
///
/// # Panics
/// When that does not hold.
pub fn peer_frames(data: &[u8]) {
    let (mut one, mut whole) = (BytesMut::from(data), BytesMut::from(data));
    let Ok(frames) = Frames::take(&mut whole) else {
        assert!(decode(&mut one).is_err(), "the first frame is too large for one reader only");
        return;
    };
    for in_place in frames.iter() {
        let decoded = decode(&mut one);
        let Ok(Some(frame)) = decoded else {
            assert!(in_place.is_err() || is_lenient(&in_place), "{in_place:?}, and {decoded:?}");
            return;
        };
        match in_place {
            Ok(FrameRef::Other(other)) => assert_eq!(other, frame),
            Ok(FrameRef::Deliver(in_place)) => {
                let Some(PeerKind::Deliver(deliver)) = &frame.kind else {
                    panic!("read in place as a delivery, and it is {frame:?}");
                };
                assert_eq!(in_place.sequence, deliver.sequence);
                assert_eq!((in_place.id, in_place.frame), (&deliver.id[..], &deliver.frame[..]));
                let targets = in_place.targets().collect::<Result<Vec<_>, _>>();
                let wanted: Vec<_> = deliver.targets.iter().map(Into::into).collect();
                assert_eq!(targets.ok(), Some(wanted), "of {deliver:?}");
            }
            Err(error) => panic!("not read in place ({error}), and it is {frame:?}"),
        }
        let mut written = BytesMut::new();
        if encode(&frame, &mut written).is_ok() {
            assert!(written.len() <= FRAME + 4);
            assert_eq!(decode(&mut written).ok().flatten(), Some(frame));
        }
    }
}

/// A delivery is read in place without a look at whether its names are UTF-8: they are only compared.
fn is_lenient(frame: &Result<FrameRef<'_>, chatcluster_protocol::peer::CodecError>) -> bool {
    matches!(frame, Ok(FrameRef::Deliver(_)))
}
