//! Where a page goes on: opaque to backends, bound to the question that it belongs to.

use chatcluster_protocol::id::MessageId;
use messages_core::repository::Query;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const CHECK: usize = 4;

/// Writes a cursor: version, id and a check over the question, in hex.
pub(super) fn write(id: MessageId, query: &Query) -> String {
    let bytes = [&[VERSION][..], &id.to_bytes(), &check(query)].concat();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a cursor was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidCursor {
    /// Not one of ours.
    #[error("must be the `next` of a page")]
    Unreadable,
    /// Of other filters: it would skip messages.
    #[error("belongs to a page with other filters; only `limit` may change between pages")]
    OtherQuestion,
}

/// Reads a cursor of the same question.
pub(super) fn read(text: &str, query: &Query) -> Result<MessageId, InvalidCursor> {
    let bytes = unhex(text).ok_or(InvalidCursor::Unreadable)?;
    let Some((&[VERSION], rest)) = bytes.split_first_chunk() else {
        return Err(InvalidCursor::Unreadable);
    };
    let Some((id, given)) = rest.split_first_chunk::<16>() else {
        return Err(InvalidCursor::Unreadable);
    };
    let id = MessageId::from_bytes(*id).map_err(|_| InvalidCursor::Unreadable)?;
    if given == check(query) { Ok(id) } else { Err(InvalidCursor::OtherQuestion) }
}

fn check(query: &Query) -> [u8; CHECK] {
    // The limit may change from page to page; the rest makes the question.
    let Query { user, conversation, sender, content_type, ids, direction, limit: _, bytes: _ } =
        query;
    let text =
        format!("{user:?} {conversation:?} {sender:?} {content_type:?} {ids:?} {direction:?}");
    let mut check = [0; CHECK];
    check.copy_from_slice(&Sha256::digest(text)[..CHECK]);
    check
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::{client::MediaRange, id::UserId};
    use messages_core::{key::Ids, repository::Direction};

    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_question_alone() {
        let query = Query {
            user: Some(UserId::new("alice").unwrap()),
            conversation: None,
            sender: None,
            content_type: None,
            ids: Ids::ALL,
            direction: Direction::Backward,
            limit: 10,
            bytes: 10,
        };
        let id = MessageId::floor(7);
        let cursor = write(id, &query);
        assert_eq!(read(&cursor, &query), Ok(id));
        assert_eq!(read(&cursor, &Query { limit: 20, ..query.clone() }), Ok(id));
        let turned = Query { direction: Direction::Forward, ..query.clone() };
        assert_eq!(read(&cursor, &turned), Err(InvalidCursor::OtherQuestion));
        let images = Some(MediaRange::new("image/*").unwrap());
        let images = Query { content_type: images, ..query.clone() };
        assert_eq!(read(&cursor, &images), Err(InvalidCursor::OtherQuestion));
        for wrong in ["", "0", "zz", "é", &cursor[2..], &cursor.replacen("01", "02", 1)] {
            assert_eq!(read(wrong, &query), Err(InvalidCursor::Unreadable), "{wrong}");
        }
        assert_eq!(read(&cursor[..40], &query), Err(InvalidCursor::OtherQuestion));
    }
}
