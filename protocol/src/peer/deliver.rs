//! Deliveries as gateways handle them: encoded out of what the sender has, and read in place. Making a
//! [`super::Deliver`] with its strings at either end takes longer than all the rest of the hop's work on
//! it; on the wire it is the same.

use bytes::{BufMut, BytesMut};
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint,
    encoded_len_varint, key_len, skip_field,
};

use super::{
    Target,
    codec::{CodecError, FRAME, put_length},
};
use crate::id::MessageId;

/// The tag of a delivery in a [`super::PeerFrame`].
pub(super) const DELIVER: u32 = 3;

/// A [`super::Deliver`], borrowed from what was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliverRef<'a> {
    /// Counts up on a link; the outcomes name it.
    pub sequence: u64,
    /// Id of the message or receipt, 16 bytes unless the peer sent nonsense.
    pub id: &'a [u8],
    /// The push as JSON text.
    pub frame: &'a [u8],
    /// The frame is a receipt and not a message.
    pub receipt: bool,
    /// The fields from the first target on.
    targets: &'a [u8],
}

/// A [`Target`], borrowed. Its names are compared and not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TargetRef<'a> {
    /// The user.
    pub user: &'a [u8],
    /// The device.
    pub device: &'a [u8],
    /// The connection on the receiving gateway.
    pub connection: u64,
    /// The epoch of the route.
    pub epoch: u64,
}

impl<'a> From<&'a Target> for TargetRef<'a> {
    fn from(target: &'a Target) -> Self {
        let Target { user, device, connection, epoch } = target;
        let (connection, epoch) = (*connection, *epoch);
        Self { user: user.as_bytes(), device: device.as_bytes(), connection, epoch }
    }
}

impl<'a> DeliverRef<'a> {
    /// Reads one; `None` if it is malformed. What its targets are is seen by [`Self::targets`].
    pub(super) fn decode(mut rest: &'a [u8]) -> Option<Self> {
        let mut deliver = Self::default();
        while !rest.is_empty() {
            let here = rest;
            match next_field(&mut rest)? {
                (1, Value::Number(sequence)) => deliver.sequence = sequence,
                (2, Value::Bytes(id)) => deliver.id = id,
                (3, Value::Bytes(frame)) => deliver.frame = frame,
                (4, Value::Bytes(_)) if deliver.targets.is_empty() => deliver.targets = here,
                (4, Value::Bytes(_)) => {}
                (5, Value::Number(receipt)) => deliver.receipt = receipt != 0,
                (1..=5, _) => return None,
                _ => {} // of a newer gateway
            }
        }
        Some(deliver)
    }

    /// Which devices get it, in order.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn targets(&self) -> impl Iterator<Item = Result<TargetRef<'a>, CodecError>> + use<'a> {
        let mut rest = self.targets;
        // `decode` has seen that all fields are whole.
        let fields = std::iter::from_fn(move || next_field(&mut rest));
        fields.filter_map(|field| match field {
            (4, Value::Bytes(target)) => {
                Some(TargetRef::decode(target).ok_or(CodecError::Delivery))
            }
            _ => None,
        })
    }
}

impl<'a> TargetRef<'a> {
    fn decode(mut rest: &'a [u8]) -> Option<Self> {
        let mut target = Self::default();
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (1, Value::Bytes(user)) => target.user = user,
                (2, Value::Bytes(device)) => target.device = device,
                (3, Value::Number(connection)) => target.connection = connection,
                (4, Value::Number(epoch)) => target.epoch = epoch,
                (1..=4, _) => return None,
                _ => {}
            }
        }
        Some(target)
    }

    fn length(&self) -> usize {
        length_of_bytes(1, self.user)
            + length_of_bytes(2, self.device)
            + length_of_number(3, self.connection)
            + length_of_number(4, self.epoch)
    }
}

/// Appends a [`super::Deliver`] for these targets, as a frame.
///
/// # Errors
/// When it is over [`FRAME`]. One with 256 targets and the largest push is not.
pub fn encode_deliver<'a>(
    sequence: u64,
    id: MessageId,
    frame: &[u8],
    receipt: bool,
    targets: impl Iterator<Item = TargetRef<'a>> + Clone,
    buffer: &mut BytesMut,
) -> Result<(), CodecError> {
    let id = id.to_bytes();
    let of_targets: usize =
        targets.clone().map(|target| length_of_message(4, target.length())).sum();
    let length = length_of_number(1, sequence)
        + length_of_bytes(2, &id)
        + length_of_bytes(3, frame)
        + of_targets
        + length_of_number(5, receipt.into());
    let whole = length_of_message(DELIVER, length);
    if whole > FRAME {
        return Err(CodecError::TooLarge(whole));
    }
    put_length(whole, buffer);
    put_head(DELIVER, length, buffer);
    put_number(1, sequence, buffer);
    put_bytes(2, &id, buffer);
    put_bytes(3, frame, buffer);
    for target in targets {
        put_head(4, target.length(), buffer);
        put_bytes(1, target.user, buffer);
        put_bytes(2, target.device, buffer);
        put_number(3, target.connection, buffer);
        put_number(4, target.epoch, buffer);
    }
    put_number(5, receipt.into(), buffer);
    Ok(())
}

/// The value of a field.
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a kind that no field here has.
    Other,
}

/// Takes the first field with its tag; `None` at the end and if there is none.
#[inline]
pub(super) fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    if rest.is_empty() {
        return None; // making an error of prost costs more than a field
    }
    let (tag, kind) = decode_key(rest).ok()?;
    let value = match kind {
        WireType::Varint => Value::Number(decode_varint(rest).ok()?),
        WireType::LengthDelimited => {
            let length = decode_varint(rest).ok()?;
            let (bytes, after) = rest.split_at_checked(length.try_into().ok()?)?;
            *rest = after;
            Value::Bytes(bytes)
        }
        other => {
            skip_field(other, tag, rest, DecodeContext::default()).ok()?;
            Value::Other
        }
    };
    Some((tag, value))
}

// As in proto3, a field with its default value is not written.

fn length_of_number(tag: u32, number: u64) -> usize {
    if number == 0 { 0 } else { key_len(tag) + encoded_len_varint(number) }
}

fn length_of_bytes(tag: u32, bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { length_of_message(tag, bytes.len()) }
}

fn length_of_message(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

fn put_number(tag: u32, number: u64, buffer: &mut BytesMut) {
    if number != 0 {
        encode_key(tag, WireType::Varint, buffer);
        encode_varint(number, buffer);
    }
}

fn put_bytes(tag: u32, bytes: &[u8], buffer: &mut BytesMut) {
    if !bytes.is_empty() {
        put_head(tag, bytes.len(), buffer);
        buffer.put_slice(bytes);
    }
}

fn put_head(tag: u32, length: usize, buffer: &mut BytesMut) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::peer::{Deliver, PeerFrame, PeerKind};

    const ID: &str = "0193a2c4-7b10-7abc-8def-0123456789ab";

    fn target() -> impl Strategy<Value = Target> {
        ("[a-z]{0,200}", "[a-z]{0,20}", any::<u64>(), 0..3u64).prop_map(
            |(user, device, connection, epoch)| Target { user, device, connection, epoch },
        )
    }

    fn deliver() -> impl Strategy<Value = Deliver> {
        let id: MessageId = ID.parse().unwrap();
        let targets = prop::collection::vec(target(), 0..5);
        let frame = prop::collection::vec(any::<u8>(), 0..300);
        (any::<u64>(), frame, targets, any::<bool>()).prop_map(
            move |(sequence, frame, targets, receipt)| Deliver {
                sequence,
                id: id.to_bytes().to_vec().into(),
                frame: frame.into(),
                targets,
                receipt,
            },
        )
    }

    fn seen(deliver: &DeliverRef<'_>) -> Option<Deliver> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = |target: TargetRef<'_>| Target {
            user: text(target.user),
            device: text(target.device),
            connection: target.connection,
            epoch: target.epoch,
        };
        Some(Deliver {
            sequence: deliver.sequence,
            id: deliver.id.to_vec().into(),
            frame: deliver.frame.to_vec().into(),
            targets: deliver
                .targets()
                .map(|found| found.ok().map(target))
                .collect::<Option<_>>()?,
            receipt: deliver.receipt,
        })
    }

    proptest! {
        #[test]
        fn both_ways_of_encoding_write_the_same_and_both_ways_of_reading_see_it(
            deliver in deliver(),
        ) {
            let Deliver { sequence, frame, targets, receipt, .. } = &deliver;
            let targets = targets.iter().map(TargetRef::from);
            let mut wire = BytesMut::new();
            let id = ID.parse().unwrap();
            encode_deliver(*sequence, id, frame, *receipt, targets, &mut wire).unwrap();
            let whole = PeerFrame { kind: Some(PeerKind::Deliver(deliver.clone())) };
            prop_assert_eq!(wire.get_u32() as usize, wire.len());
            prop_assert_eq!(&wire[..], &whole.encode_to_vec()[..]);
            let body = deliver.encode_to_vec();
            prop_assert_eq!(DeliverRef::decode(&body).as_ref().and_then(seen), Some(deliver));
        }

        /// Bytes of a delivery with some of them changed: mostly nonsense of the right form.
        #[test]
        fn what_is_read_in_place_is_what_prost_reads(
            deliver in deliver(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut body = deliver.encode_to_vec();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let borrowed = DeliverRef::decode(&body).as_ref().and_then(seen);
            match Deliver::decode(&body[..]) {
                Ok(whole) => prop_assert_eq!(borrowed, Some(whole)),
                // Names that are not UTF-8 are nobody's; only prost looks.
                Err(_) => {
                    let targets = borrowed.into_iter().flat_map(|seen| seen.targets);
                    let names: String = targets.map(|target| target.user + &target.device).collect();
                    prop_assert!(names.is_empty() || names.contains('\u{fffd}'), "{}", names);
                }
            }
        }
    }

    #[test]
    fn fields_of_a_newer_gateway_are_passed_over() {
        let mut body = Deliver { sequence: 7, ..Deliver::default() }.encode_to_vec();
        put_newer(&mut body);
        let mut target = Target { connection: 9, ..Target::default() }.encode_to_vec();
        put_newer(&mut target);
        body.extend([0x22, target.len() as u8]);
        body.extend(target);
        let deliver = DeliverRef::decode(&body).unwrap();
        assert_eq!(deliver.sequence, 7);
        assert_eq!(
            deliver.targets().map(|target| target.unwrap().connection).collect::<Vec<_>>(),
            [9]
        );
    }

    /// One field of each kind under a tag that nobody has yet.
    fn put_newer(body: &mut Vec<u8>) {
        encode_key(99, WireType::Varint, body);
        encode_varint(300, body);
        encode_key(99, WireType::LengthDelimited, body);
        body.extend([2, 1, 1]);
        encode_key(99, WireType::ThirtyTwoBit, body);
        body.extend([0; 4]);
        encode_key(99, WireType::SixtyFourBit, body);
        body.extend([0; 8]);
    }
}
