//! Frames in a stream of bytes: a length of 4 bytes (big-endian), then the frame.

use bytes::{Buf, BufMut, BytesMut};
use prost::Message;

use super::PeerFrame;

/// Largest frame, in bytes. It bounds what a broken peer can make us hold.
pub const FRAME: usize = 1024 * 1024;

const LENGTH: usize = 4;

/// The stream is not one of peer frames. The link ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A length over [`FRAME`].
    #[error("a peer frame of {0} bytes is over the limit of {FRAME}")]
    TooLarge(usize),
    /// Not protobuf.
    #[error("a peer frame does not decode: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// Appends a frame to the buffer, so that many leave in one write.
pub fn encode(frame: &PeerFrame, buffer: &mut BytesMut) -> Result<(), CodecError> {
    let length = frame.encoded_len();
    if length > FRAME {
        return Err(CodecError::TooLarge(length));
    }
    buffer.reserve(LENGTH + length);
    buffer.put_u32(length as u32);
    frame.encode_raw(buffer);
    Ok(())
}

/// Takes the first whole frame from the buffer; `None` when more bytes are needed.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<PeerFrame>, CodecError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > FRAME {
        return Err(CodecError::TooLarge(length));
    }
    if buffer.len() < LENGTH + length {
        return Ok(None);
    }
    buffer.advance(LENGTH);
    // Freezing shares the bytes: payloads are not copied out of the read buffer.
    Ok(Some(PeerFrame::decode(buffer.split_to(length).freeze())?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::peer::{Deliver, PeerKind, Target};

    fn deliver(sequence: u64, frame: Vec<u8>) -> PeerFrame {
        let target = Target { user: "bob".into(), device: "phone".into(), connection: 7, epoch: 9 };
        let deliver = Deliver {
            sequence,
            id: Bytes::from_static(&[1; 16]),
            frame: frame.into(),
            targets: vec![target],
            receipt: false,
        };
        PeerFrame { kind: Some(PeerKind::Deliver(deliver)) }
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_bytes_arrive(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            chunk in 1usize..64,
        ) {
            let sent: Vec<_> = (0..).zip(bodies).map(|(n, body)| deliver(n, body)).collect();
            let mut wire = BytesMut::new();
            for frame in &sent {
                encode(frame, &mut wire).unwrap();
            }
            let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
            for bytes in wire.chunks(chunk) {
                buffer.extend_from_slice(bytes);
                while let Some(frame) = decode(&mut buffer).unwrap() {
                    received.push(frame);
                }
            }
            prop_assert_eq!(sent, received);
        }

        #[test]
        fn whatever_arrives_decoding_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut buffer) {}
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_before_it_is_held() {
        let mut buffer = BytesMut::from(&(FRAME as u32 + 1).to_be_bytes()[..]);
        assert_eq!(decode(&mut buffer), Err(CodecError::TooLarge(FRAME + 1)));
        assert!(encode(&deliver(0, vec![0; FRAME]), &mut BytesMut::new()).is_err());
    }
}
