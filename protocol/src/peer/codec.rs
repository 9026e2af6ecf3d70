//! Frames in a stream of bytes: a length of 4 bytes (big-endian), then the frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use super::{
    PeerFrame,
    deliver::{DELIVER, DeliverRef, Value, next_field},
};

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
    /// Not a delivery.
    #[error("a delivery of a peer does not decode")]
    Delivery,
}

/// The whole frames of what was received so far, with their lengths.
#[derive(Debug)]
pub struct Frames(Bytes);

/// A frame as it is worked on.
#[derive(Debug)]
pub enum FrameRef<'a> {
    /// What nearly all of them are, read in place.
    Deliver(DeliverRef<'a>),
    /// Any other.
    Other(PeerFrame),
}

/// Appends a frame to the buffer, so that many leave in one write.
pub fn encode(frame: &PeerFrame, buffer: &mut BytesMut) -> Result<(), CodecError> {
    let length = frame.encoded_len();
    if length > FRAME {
        return Err(CodecError::TooLarge(length));
    }
    put_length(length, buffer);
    frame.encode_raw(buffer);
    Ok(())
}

/// Begins a frame of this length.
pub(super) fn put_length(length: usize, buffer: &mut BytesMut) {
    buffer.reserve(LENGTH + length);
    buffer.put_u32(length as u32);
}

/// Takes the first whole frame from the buffer; `None` when more bytes are needed.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<PeerFrame>, CodecError> {
    let Some(length) = first_length(buffer)? else { return Ok(None) };
    buffer.advance(LENGTH);
    // Freezing shares the bytes: payloads are not copied out of the read buffer.
    Ok(Some(PeerFrame::decode(buffer.split_to(length).freeze())?))
}

/// The length of the first frame, if all of it is there.
fn first_length(buffer: &[u8]) -> Result<Option<usize>, CodecError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > FRAME {
        return Err(CodecError::TooLarge(length));
    }
    Ok((buffer.len() >= LENGTH + length).then_some(length))
}

impl Frames {
    /// Takes all whole frames from the buffer, at once and without copying them.
    ///
    /// # Errors
    /// When the first of them is too large. One that comes later is found at the next call.
    pub fn take(buffer: &mut BytesMut) -> Result<Self, CodecError> {
        let (mut end, mut next) = (0, first_length(buffer)?);
        while let Some(length) = next {
            end += LENGTH + length;
            next = first_length(&buffer[end..]).unwrap_or_default();
        }
        Ok(Self(buffer.split_to(end).freeze()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Result<FrameRef<'_>, CodecError>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let length = first_length(rest).ok().flatten()?;
            let (frame, after) = rest[LENGTH..].split_at(length);
            rest = after;
            Some(FrameRef::decode(frame))
        })
    }

    /// A part of one of them, sharing the memory.
    pub fn share(&self, part: &[u8]) -> Bytes {
        self.0.slice_ref(part)
    }
}

impl<'a> FrameRef<'a> {
    fn decode(frame: &'a [u8]) -> Result<Self, CodecError> {
        let (mut rest, mut deliver) = (frame, None);
        while let Some((tag, value)) = next_field(&mut rest) {
            match value {
                Value::Bytes(body) if tag == DELIVER => deliver = Some(body),
                _ if PeerFrame::KINDS.contains(&tag) => deliver = None,
                _ => {} // of a newer gateway
            }
        }
        match deliver {
            Some(body) if rest.is_empty() => {
                DeliverRef::decode(body).map(Self::Deliver).ok_or(CodecError::Delivery)
            }
            _ => Ok(Self::Other(PeerFrame::decode(frame)?)),
        }
    }
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
        fn deliveries_are_read_in_place_however_the_bytes_arrive(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            chunk in 1usize..600,
        ) {
            let mut wire = BytesMut::new();
            for (sequence, body) in (0..).zip(&bodies) {
                encode(&deliver(sequence, body.clone()), &mut wire).unwrap();
            }
            let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
            for bytes in wire.chunks(chunk) {
                buffer.extend_from_slice(bytes);
                let frames = Frames::take(&mut buffer).unwrap();
                for frame in frames.iter() {
                    let FrameRef::Deliver(deliver) = frame.unwrap() else { panic!("not one") };
                    prop_assert_eq!(deliver.sequence, received.len() as u64);
                    prop_assert_eq!(deliver.targets().count(), 1);
                    received.push(frames.share(deliver.frame).to_vec());
                }
            }
            prop_assert_eq!(bodies, received);
        }

        #[test]
        fn whatever_arrives_decoding_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut buffer) {}
            let mut buffer = BytesMut::from(&bytes[..]);
            if let Ok(frames) = Frames::take(&mut buffer) {
                prop_assert!(frames.iter().count() <= bytes.len() / LENGTH);
            }
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_before_it_is_held() {
        let mut buffer = BytesMut::from(&(FRAME as u32 + 1).to_be_bytes()[..]);
        assert_eq!(decode(&mut buffer), Err(CodecError::TooLarge(FRAME + 1)));
        assert!(encode(&deliver(0, vec![0; FRAME]), &mut BytesMut::new()).is_err());
    }

    #[test]
    fn frames_before_an_oversized_one_are_taken_and_then_it_is_refused() {
        let mut buffer = BytesMut::new();
        encode(&deliver(7, vec![0; 10]), &mut buffer).unwrap();
        buffer.put_u32(FRAME as u32 + 1);
        assert_eq!(Frames::take(&mut buffer).unwrap().iter().count(), 1);
        assert!(matches!(Frames::take(&mut buffer), Err(CodecError::TooLarge(_))));
    }

    #[test]
    fn a_frame_with_fields_of_a_newer_gateway_is_the_delivery_that_it_was() {
        for newer in [&[0x98, 0x06, 1][..], &[0x9a, 0x06, 2, 1, 1]] {
            for first in [true, false] {
                let mut buffer = BytesMut::new();
                let old = deliver(7, b"text".to_vec()).encode_to_vec();
                let parts = if first { [newer, &old] } else { [&old, newer] };
                let frame = parts.concat();
                put_length(frame.len(), &mut buffer);
                buffer.extend_from_slice(&frame);
                let frames = Frames::take(&mut buffer).unwrap();
                let frame = frames.iter().next().unwrap().unwrap();
                assert!(matches!(frame, FrameRef::Deliver(found) if found.frame == b"text"));
            }
        }
    }
}
