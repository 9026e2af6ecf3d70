//! What passes on a connection after the handshake: our requests to spawn, and what the node says of them.
//!
//! A call is a `SPAWN_REQUEST` of `erpc:execute_call/4` with a monitor, as OTP's own `erpc` sends it: the spawned
//! process ends with the function's value as its reason, and the monitor's message brings it here.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    error::Raised,
    handshake::Names,
    term::{self, Malformed, Term, VERSION, tag},
};

/// Stands before each message that is not fragmented and caches no atoms.
const PASS_THROUGH: u8 = 112;

const MONITOR_P_EXIT: i64 = 21;
const SPAWN_REQUEST: i64 = 29;
const SPAWN_REPLY: i64 = 31;

/// A call's number on its connection.
pub type Number = u64;

/// What a call came to.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Which call.
    pub call: Number,
    /// Its value, or what it raised.
    pub outcome: Result<Term, Raised>,
}

/// What each request of a connection begins with.
#[derive(Debug)]
pub(crate) struct Requests {
    /// `{SPAWN_REQUEST, Reference, From, Leader, {erpc, execute_call, 4}, [monitor]}`, in three pieces around the
    /// number that is in the reference.
    before: Bytes,
    behind: Bytes,
    reference: Bytes,
}

impl Requests {
    pub(crate) fn new(names: &Names) -> Self {
        let mut reference = BytesMut::new();
        reference.put_u8(tag::NEWER_REFERENCE);
        reference.put_u16(3);
        term::atom(&names.ours, &mut reference);
        reference.put_u32(names.creation);

        let mut pid = BytesMut::new();
        pid.put_u8(tag::NEW_PID);
        term::atom(&names.ours, &mut pid);
        pid.put_u32(1);
        pid.put_u32(0);
        pid.put_u32(names.creation);

        let mut before = BytesMut::new();
        before.put_u8(PASS_THROUGH);
        before.put_u8(VERSION);
        term::tuple(6, &mut before);
        term::integer(SPAWN_REQUEST, &mut before);

        let mut behind = BytesMut::new();
        behind.put_slice(&pid);
        behind.put_slice(&pid);
        let function =
            Term::Tuple(vec![Term::atom("erpc"), Term::atom("execute_call"), Term::from(4)]);
        function.encode(&mut behind);
        Term::List(vec![Term::atom("monitor")]).encode(&mut behind);
        behind.put_u8(VERSION);
        behind.put_u8(tag::LIST);
        behind.put_u32(4);
        Self { before: before.freeze(), behind: behind.freeze(), reference: reference.freeze() }
    }

    /// A call, framed.
    pub(crate) fn call(
        &self,
        call: Number,
        module: &str,
        function: &str,
        arguments: &[Term],
    ) -> BytesMut {
        let size: usize = arguments.iter().map(Term::size).sum();
        let mut frame = BytesMut::with_capacity(256 + self.behind.len() + size);
        frame.put_u32(0);
        frame.put_slice(&self.before);
        self.put_reference(call, &mut frame);
        frame.put_slice(&self.behind);
        self.put_reference(call, &mut frame);
        term::atom(module, &mut frame);
        term::atom(function, &mut frame);
        term::list(arguments, &mut frame);
        frame.put_u8(tag::NIL);
        let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame
    }

    /// The first word of a reference has 18 bits.
    fn put_reference(&self, call: Number, to: &mut BytesMut) {
        to.put_slice(&self.reference);
        to.put_u32((call & 0x3_ffff) as u32);
        to.put_u32((call >> 18) as u32);
        to.put_u32(0);
    }
}

/// What a message of the node says, if it is about a call. Nodes also send what concerns only their own kind,
/// and answers to calls that have been given up.
///
/// # Errors
/// When it is no message that a node sends to us; the connection can then not go on.
pub fn read(mut message: Bytes) -> Result<Option<Answer>, Malformed> {
    if message.try_get_u8().ok() != Some(PASS_THROUGH) {
        return Err(Malformed::Other("a message that is not fragmented"));
    }
    if message.try_get_u8().ok() != Some(VERSION) {
        return Err(Malformed::Other("a term"));
    }
    let Term::Tuple(control) = Term::decode(&mut message)? else {
        return Err(Malformed::Other("a control message"));
    };
    Ok(match &control[..] {
        [Term::Integer(MONITOR_P_EXIT), _, _, reference, reason] => {
            number(reference).map(|call| Answer { call, outcome: outcome(reason) })
        }
        // A process that was spawned has a pid here; an atom says why there is none.
        [Term::Integer(SPAWN_REPLY), reference, _, _, reason @ Term::Atom(_)] => {
            let raised = Raised { class: "spawn".into(), reason: reason.clone() };
            number(reference).map(|call| Answer { call, outcome: Err(raised) })
        }
        _ => None,
    })
}

/// How the process of a call ended.
fn outcome(reason: &Term) -> Result<Term, Raised> {
    match reason.tuple() {
        Some([_, how, value]) if how.is_atom("return") => Ok(value.clone()),
        Some([_, Term::Atom(class), reason, ..]) => {
            Err(Raised { class: class.clone().into_owned(), reason: reason.clone() })
        }
        // It was killed, or the node gave up on us.
        _ => Err(Raised { class: "exit".into(), reason: reason.clone() }),
    }
}

/// The number in a reference of ours: of the three words behind everything else, the two lower ones.
fn number(reference: &Term) -> Option<Number> {
    let Term::Other(encoded) = reference else { return None };
    let (tag::NEWER_REFERENCE, words) = (*encoded.first()?, encoded.last_chunk::<12>()?) else {
        return None;
    };
    let mut words = &words[..];
    let (low, high) = (words.get_u32(), words.get_u32());
    Some(Number::from(high) << 18 | Number::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { ours: "x@y".into(), creation: 7, peer: "n@h".into() }
    }

    fn reference(call: Number) -> Term {
        let mut encoded = BytesMut::new();
        Requests::new(&names()).put_reference(call, &mut encoded);
        Term::Other(encoded.freeze())
    }

    fn message(control: Vec<Term>) -> Bytes {
        let mut message = BytesMut::from(&[PASS_THROUGH, VERSION][..]);
        Term::Tuple(control).encode(&mut message);
        message.freeze()
    }

    #[test]
    fn a_request_is_what_erpc_sends() {
        let mut frame = Requests::new(&names())
            .call(3, "erlang", "+", &[Term::from(1), Term::from(2)])
            .freeze();
        assert_eq!(frame.get_u32() as usize, frame.len());
        frame.advance(2);
        let control = Term::decode(&mut frame).unwrap();
        let text = format!("{control:?}");
        assert!(text.starts_with("{29,#<tag 90"), "{text}");
        assert!(text.ends_with(",{erpc,execute_call,4},[monitor]}"), "{text}");
        frame.advance(1);
        let Term::List(arguments) = Term::decode(&mut frame).unwrap() else { panic!("a list") };
        assert!(frame.is_empty());
        assert_eq!(arguments[0], reference(3));
        assert_eq!(format!("{:?}", &arguments[1..]), "[erlang, +, [1,2]]");
    }

    #[test]
    fn answers_find_their_calls() {
        for call in [0, 1, 0x3_ffff, 0x4_0000, 0x3_ffff_ffff_ffff] {
            let value = vec![reference(call), Term::atom("return"), Term::from(5)];
            let pid = Term::atom("pid");
            let exit = vec![
                Term::from(MONITOR_P_EXIT),
                pid.clone(),
                pid,
                reference(call),
                Term::Tuple(value),
            ];
            let answer = read(message(exit)).unwrap();
            assert_eq!(answer, Some(Answer { call, outcome: Ok(Term::from(5)) }));
        }
    }

    #[test]
    fn what_is_not_about_a_call_is_passed_over() {
        let to_global =
            vec![Term::from(6), Term::atom("pid"), Term::atom(""), Term::atom("global")];
        assert_eq!(read(message(to_global)), Ok(None));
        let spawned = vec![
            Term::from(SPAWN_REPLY),
            reference(1),
            Term::atom("pid"),
            Term::from(0),
            reference(9),
        ];
        assert_eq!(read(message(spawned)), Ok(None));
        assert!(read(Bytes::from_static(b"HTTP/1.1")).is_err());
        assert!(read(Bytes::new()).is_err());
    }
}
