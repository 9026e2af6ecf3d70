use chatcluster_protocol::{
    client::{Marked, Read, RequestId},
    id::ConversationId,
    limits::READS_IN_FLIGHT,
};

use super::*;
use crate::testing::id;

fn conversation() -> ConversationId {
    ConversationId::between(&user("alice"), &user("bob"))
}

fn request(n: u64) -> Read {
    Read { id: RequestId::try_from(n).unwrap(), conversation: conversation(), up_to: id("m", 5) }
}

impl Bob {
    /// The client has read so far; what goes to the message service.
    fn reads(&mut self, n: u64) -> Vec<Effect> {
        self.sends(&chatcluster_protocol::client::ClientFrame::Read(request(n)).encode());
        self.effects()
    }
}

#[test]
fn a_mark_is_answered_once_it_is_stored_with_where_it_is() {
    let mut bob = Bob::live();
    let effects = bob.reads(3);
    let [Effect::MarkRead { device, request: asked, stamp }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((device, asked), (&crate::testing::device("bob", "phone"), &request(3)));
    let first = *stamp;
    let effects = bob.reads(4);
    assert!(matches!(&effects[..], [Effect::MarkRead { stamp, .. }] if *stamp > first));
    bob.handle(Input::Marked(request(3), Ok(id("m", 7))));
    let marked = Marked { id: request(3).id, conversation: conversation(), up_to: id("m", 7) };
    assert_eq!(bob.frames(), [ServerFrame::Marked(marked)]);
}

#[test]
fn a_mark_that_is_not_set_says_why() {
    for (failure, code, field) in [
        (MarkFailure::Forbidden, ErrorCode::Forbidden, None),
        (MarkFailure::NoMessage, ErrorCode::BadField, Some("up_to")),
        (MarkFailure::Unavailable, ErrorCode::Unavailable, None),
    ] {
        let mut bob = Bob::live();
        bob.reads(3);
        bob.handle(Input::Marked(request(3), Err(failure)));
        let (error, close) = bob.error();
        assert_eq!((error.id, error.code, close), (Some(request(3).id), code, None));
        assert_eq!(error.field.as_deref(), field);
        assert_eq!(error.temporary, code == ErrorCode::Unavailable);
    }
}

#[test]
fn only_so_many_marks_may_be_without_an_answer() {
    let mut bob = Bob::live();
    for n in 0..READS_IN_FLIGHT as u64 {
        assert_eq!(bob.reads(n).len(), 1);
    }
    bob.sends(&chatcluster_protocol::client::ClientFrame::Read(request(99)).encode());
    let (error, close) = bob.error();
    assert_eq!((error.code, close), (ErrorCode::TooManyInFlight, None));
    assert_eq!(error.id, Some(request(99).id));
    bob.handle(Input::Marked(request(0), Ok(id("m", 5))));
    bob.frames();
    assert_eq!(bob.reads(100).len(), 1);
}

#[test]
fn a_mark_is_taken_while_the_inbox_is_read() {
    let mut bob = Bob::welcomed();
    bob.effects();
    assert!(matches!(&bob.reads(3)[..], [Effect::MarkRead { .. }]));
}

#[test]
fn nothing_is_said_to_a_client_that_has_gone() {
    let mut bob = Bob::live();
    bob.reads(3);
    bob.handle(Input::Closed);
    bob.effects();
    bob.handle(Input::Marked(request(3), Ok(id("m", 5))));
    assert_eq!(bob.effects(), []);
}
