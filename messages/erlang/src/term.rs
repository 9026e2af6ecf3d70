//! Erlang terms and their external format
//! (<https://www.erlang.org/doc/apps/erts/erl_ext_dist.html>), as far as calls need them.

mod decode;

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes, BytesMut};
pub use decode::Malformed;

/// The format's version, which stands before each term.
pub(crate) const VERSION: u8 = 131;

pub(crate) mod tag {
    pub(crate) const NEW_FLOAT: u8 = 70;
    pub(crate) const BIT_BINARY: u8 = 77;
    pub(crate) const NEW_PID: u8 = 88;
    pub(crate) const NEW_PORT: u8 = 89;
    pub(crate) const NEWER_REFERENCE: u8 = 90;
    pub(crate) const SMALL_INTEGER: u8 = 97;
    pub(crate) const INTEGER: u8 = 98;
    pub(crate) const ATOM: u8 = 100;
    pub(crate) const SMALL_TUPLE: u8 = 104;
    pub(crate) const LARGE_TUPLE: u8 = 105;
    pub(crate) const NIL: u8 = 106;
    pub(crate) const STRING: u8 = 107;
    pub(crate) const LIST: u8 = 108;
    pub(crate) const BINARY: u8 = 109;
    pub(crate) const SMALL_BIG: u8 = 110;
    pub(crate) const LARGE_BIG: u8 = 111;
    pub(crate) const NEW_FUN: u8 = 112;
    pub(crate) const EXPORT: u8 = 113;
    pub(crate) const MAP: u8 = 116;
    pub(crate) const ATOM_UTF8: u8 = 118;
    pub(crate) const SMALL_ATOM_UTF8: u8 = 119;
    pub(crate) const V4_PORT: u8 = 120;
}

/// An Erlang term.
#[derive(Clone, PartialEq)]
pub enum Term {
    /// An atom.
    Atom(Cow<'static, str>),
    /// An integer of 64 bits; larger ones are [`Term::Other`].
    Integer(i64),
    /// A float, which is always finite.
    Float(f64),
    /// Bytes.
    Binary(Bytes),
    /// A proper list. A string is a list of integers.
    List(Vec<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A map, in the order in which it came.
    Map(Vec<(Term, Term)>),
    /// Something that is only handed back: a pid, port, reference or function, an integer of more than 64 bits,
    /// a bit string or an improper list. As it is encoded.
    Other(Bytes),
}

impl Term {
    /// An atom.
    pub fn atom(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Atom(name.into())
    }

    /// Whether it is this atom.
    pub fn is_atom(&self, name: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom == name)
    }

    /// The elements of a tuple.
    pub fn tuple(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// What a map has under an atom.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => {
                pairs.iter().find(|(key, _)| key.is_atom(name)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Writes it as it stands within another term: without the version in front.
    pub fn encode(&self, to: &mut BytesMut) {
        match self {
            Self::Atom(name) => atom(name, to),
            Self::Integer(number) => integer(*number, to),
            Self::Float(number) => {
                to.put_u8(tag::NEW_FLOAT);
                to.put_f64(*number);
            }
            Self::Binary(bytes) => {
                to.put_u8(tag::BINARY);
                to.put_u32(length(bytes.len()));
                to.put_slice(bytes);
            }
            Self::List(elements) => list(elements, to),
            Self::Tuple(elements) => {
                tuple(elements.len(), to);
                elements.iter().for_each(|element| element.encode(to));
            }
            Self::Map(pairs) => {
                to.put_u8(tag::MAP);
                to.put_u32(length(pairs.len()));
                for (key, value) in pairs {
                    key.encode(to);
                    value.encode(to);
                }
            }
            Self::Other(encoded) => to.put_slice(encoded),
        }
    }

    /// About how many bytes it takes when it is encoded.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Atom(name) => 3 + name.len(),
            Self::Integer(_) | Self::Float(_) => 11,
            Self::Binary(bytes) | Self::Other(bytes) => 5 + bytes.len(),
            Self::List(elements) | Self::Tuple(elements) => {
                6 + elements.iter().map(Self::size).sum::<usize>()
            }
            Self::Map(pairs) => 5 + pairs.iter().map(|(k, v)| k.size() + v.size()).sum::<usize>(),
        }
    }
}

/// Longer ones are refused before they are encoded ([`crate::CallError::TooLarge`]).
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(crate) fn atom(name: &str, to: &mut BytesMut) {
    match (u8::try_from(name.len()), u16::try_from(name.len())) {
        (Ok(length), _) => {
            to.put_u8(tag::SMALL_ATOM_UTF8);
            to.put_u8(length);
        }
        // Erlang takes 255 characters, which are 1,020 bytes at most, and says so itself.
        (_, length) => {
            to.put_u8(tag::ATOM_UTF8);
            to.put_u16(length.unwrap_or(u16::MAX));
        }
    }
    to.put_slice(name.as_bytes());
}

pub(crate) fn integer(number: i64, to: &mut BytesMut) {
    match (u8::try_from(number), i32::try_from(number)) {
        (Ok(small), _) => {
            to.put_u8(tag::SMALL_INTEGER);
            to.put_u8(small);
        }
        (_, Ok(middling)) => {
            to.put_u8(tag::INTEGER);
            to.put_i32(middling);
        }
        _ => {
            to.put_u8(tag::SMALL_BIG);
            to.put_u8(8);
            to.put_u8(u8::from(number < 0));
            to.put_u64_le(number.unsigned_abs());
        }
    }
}

pub(crate) fn tuple(elements: usize, to: &mut BytesMut) {
    if let Ok(few) = u8::try_from(elements) {
        to.put_u8(tag::SMALL_TUPLE);
        to.put_u8(few);
    } else {
        to.put_u8(tag::LARGE_TUPLE);
        to.put_u32(length(elements));
    }
}

pub(crate) fn list(elements: &[Term], to: &mut BytesMut) {
    if !elements.is_empty() {
        to.put_u8(tag::LIST);
        to.put_u32(length(elements.len()));
        elements.iter().for_each(|element| element.encode(to));
    }
    to.put_u8(tag::NIL);
}

impl From<i64> for Term {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Vec<u8>> for Term {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

/// As Erlang's shell shows it, long binaries cut.
impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self {
            Self::Atom(name) => f.write_str(name),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Binary(bytes) if bytes.len() <= SHOWN => {
                write!(f, "<<\"{}\">>", bytes.escape_ascii())
            }
            Self::Binary(bytes) => {
                write!(f, "<<\"{}\"… {} bytes>>", bytes[..SHOWN].escape_ascii(), bytes.len())
            }
            Self::List(elements) => sequence(f, "[", elements, "]"),
            Self::Tuple(elements) => sequence(f, "{", elements, "}"),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Self::Other(encoded) => {
                write!(f, "#<tag {}, {} bytes>", encoded.first().unwrap_or(&0), encoded.len())
            }
        }
    }
}

fn sequence(f: &mut fmt::Formatter<'_>, open: &str, all: &[Term], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (n, element) in all.iter().enumerate() {
        write!(f, "{}{element:?}", if n > 0 { "," } else { "" })?;
    }
    f.write_str(close)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Terms as Erlang may send them: a list of small numbers only comes as a string, which is the same list.
    fn terms() -> impl Strategy<Value = Term> {
        let leaf = prop_oneof![
            "[a-zé_@.]{0,300}".prop_map(Term::atom),
            any::<i64>().prop_map(Term::from),
            (-300i64..300).prop_map(Term::from),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Term::Float),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Term::from),
        ];
        leaf.prop_recursive(5, 100, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Term::List),
                prop::collection::vec(inner.clone(), 0..300).prop_map(Term::Tuple),
                prop::collection::vec((inner.clone(), inner), 0..5).prop_map(Term::Map),
            ]
        })
    }

    fn encoded(term: &Term) -> Bytes {
        let mut encoded = BytesMut::new();
        term.encode(&mut encoded);
        encoded.freeze()
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_as_it_was(term in terms()) {
            let mut rest = encoded(&term);
            prop_assert!(rest.len() <= term.size());
            prop_assert_eq!(Term::decode(&mut rest).unwrap(), term);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn whatever_is_cut_off_is_malformed(term in terms(), cut in any::<prop::sample::Index>()) {
            let whole = encoded(&term);
            let mut part = whole.slice(..cut.index(whole.len()));
            prop_assert!(Term::decode(&mut part).is_err());
        }
    }
}
