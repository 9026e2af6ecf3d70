//! Reading terms. What comes is taken for hostile: no length is believed before its bytes are there, and
//! nothing nests deeper than [`DEPTH`].

use bytes::{Buf, Bytes};

use super::{Term, tag};

/// How deep terms may nest. Stack traces of a node are the deepest that come, at about 10.
const DEPTH: usize = 64;

/// Bytes that are no term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end too early, or a length is wrong.
    #[error("a term ends too early")]
    Short,
    /// A tag that is not known, or that we have not asked for.
    #[error("tag {0} is not known")]
    Tag(u8),
    /// It nests too deep.
    #[error("a term nests deeper than {DEPTH}")]
    Deep,
    /// An atom that is not UTF-8, or a float that is not finite.
    #[error("an atom or a float cannot be read")]
    Value,
    /// Something else than what was to come.
    #[error("{0} was to come")]
    Other(&'static str),
}

impl Term {
    /// Reads one term, as it stands within another one. Binaries share the memory of `from`.
    ///
    /// # Errors
    /// When it is none; nothing is taken from `from` then.
    pub fn decode(from: &mut Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader { whole: from, rest: from };
        let term = reader.term(DEPTH)?;
        let read = from.len() - reader.rest.len();
        from.advance(read);
        Ok(term)
    }
}

/// What is read, and what is left of it.
struct Reader<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn term(&mut self, depth: usize) -> Result<Term, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::Deep)?;
        let start = self.rest;
        Ok(match self.u8()? {
            tag::SMALL_ATOM_UTF8 => {
                let length = usize::from(self.u8()?);
                Term::Atom(utf8(self.take(length)?)?.into())
            }
            tag::ATOM_UTF8 => {
                let length = usize::from(self.u16()?);
                Term::Atom(utf8(self.take(length)?)?.into())
            }
            tag::ATOM => {
                let length = usize::from(self.u16()?);
                Term::Atom(latin1(self.take(length)?).into())
            }
            tag::SMALL_INTEGER => Term::Integer(self.u8()?.into()),
            tag::INTEGER => Term::Integer(self.rest.try_get_i32().map_err(short)?.into()),
            tag::SMALL_BIG => {
                let length = usize::from(self.u8()?);
                self.big(length)?.unwrap_or_else(|| self.since(start))
            }
            tag::LARGE_BIG => {
                let length = self.u32()?;
                self.big(length)?.unwrap_or_else(|| self.since(start))
            }
            tag::NEW_FLOAT => {
                let number = self.rest.try_get_f64().map_err(short)?;
                if !number.is_finite() {
                    return Err(Malformed::Value);
                }
                Term::Float(number)
            }
            tag::BINARY => {
                let length = self.u32()?;
                Term::Binary(self.whole.slice_ref(self.take(length)?))
            }
            tag::STRING => {
                let length = usize::from(self.u16()?);
                let bytes = self.take(length)?;
                Term::List(bytes.iter().map(|byte| Term::Integer((*byte).into())).collect())
            }
            tag::NIL => Term::List(Vec::new()),
            tag::LIST => {
                let length = self.u32()?;
                let elements = self.several(length, depth)?;
                match self.term(depth)? {
                    Term::List(end) if end.is_empty() => Term::List(elements),
                    _ => self.since(start),
                }
            }
            tag::SMALL_TUPLE => {
                let length = usize::from(self.u8()?);
                Term::Tuple(self.several(length, depth)?)
            }
            tag::LARGE_TUPLE => {
                let length = self.u32()?;
                Term::Tuple(self.several(length, depth)?)
            }
            tag::MAP => {
                let length = self.u32()?;
                let flat = self.several(length.checked_mul(2).ok_or(Malformed::Short)?, depth)?;
                let mut flat = flat.into_iter();
                let pair = || Some((flat.next()?, flat.next()?));
                Term::Map(std::iter::from_fn(pair).collect())
            }
            tag => {
                self.pass(tag, depth)?;
                self.since(start)
            }
        })
    }

    /// Passes over what we only hand back.
    fn pass(&mut self, tag: u8, depth: usize) -> Result<(), Malformed> {
        match tag {
            tag::NEW_PID | tag::V4_PORT => {
                self.term(depth)?;
                self.take(12)?;
            }
            tag::NEW_PORT => {
                self.term(depth)?;
                self.take(8)?;
            }
            tag::NEWER_REFERENCE => {
                let words = usize::from(self.u16()?);
                self.term(depth)?;
                self.take(4 + 4 * words)?;
            }
            tag::BIT_BINARY => {
                let length = self.u32()?;
                self.take(length.checked_add(1).ok_or(Malformed::Short)?)?;
            }
            // Its size counts itself.
            tag::NEW_FUN => {
                let length = self.u32()?;
                self.take(length.checked_sub(4).ok_or(Malformed::Short)?)?;
            }
            tag::EXPORT => {
                self.several(3, depth)?;
            }
            unknown => return Err(Malformed::Tag(unknown)),
        }
        Ok(())
    }

    /// What has been read since `start`, as it is.
    fn since(&self, start: &[u8]) -> Term {
        Term::Other(self.whole.slice_ref(&start[..start.len() - self.rest.len()]))
    }

    /// `count` terms. Each takes a byte at least.
    fn several(&mut self, count: usize, depth: usize) -> Result<Vec<Term>, Malformed> {
        if count > self.rest.len() {
            return Err(Malformed::Short);
        }
        (0..count).map(|_| self.term(depth)).collect()
    }

    /// An integer, if 64 bits hold it.
    fn big(&mut self, length: usize) -> Result<Option<Term>, Malformed> {
        let negative = self.u8()? != 0;
        let digits = self.take(length)?;
        if length > 8 {
            return Ok(None);
        }
        let size = digits.iter().rev().fold(0u64, |sum, digit| sum << 8 | u64::from(*digit));
        let number = i128::from(size) * if negative { -1 } else { 1 };
        Ok(i64::try_from(number).ok().map(Term::Integer))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(short)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.rest.try_get_u16().map_err(short)
    }

    fn u32(&mut self) -> Result<usize, Malformed> {
        Ok(self.rest.try_get_u32().map_err(short)? as usize)
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Malformed> {
    Ok(std::str::from_utf8(bytes).map_err(|_| Malformed::Value)?.to_owned())
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn short(_: bytes::TryGetError) -> Malformed {
    Malformed::Short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Term, Malformed> {
        Term::decode(&mut Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn lengths_are_not_believed() {
        for tag in [tag::LIST, tag::LARGE_TUPLE, tag::MAP, tag::BINARY, tag::BIT_BINARY] {
            assert_eq!(read(&[tag, 255, 255, 255, 255, 0]), Err(Malformed::Short), "tag {tag}");
        }
        assert_eq!(read(&[tag::NEW_FUN, 0, 0, 0, 3]), Err(Malformed::Short));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| {
            let mut bytes = [tag::SMALL_TUPLE, 1].repeat(depth);
            bytes.push(tag::NIL);
            read(&bytes)
        };
        assert!(nested(DEPTH - 1).is_ok());
        assert_eq!(nested(DEPTH), Err(Malformed::Deep));
        assert_eq!(nested(1_000_000), Err(Malformed::Deep));
    }

    #[test]
    fn numbers_beyond_64_bits_and_improper_lists_are_handed_back_as_they_came() {
        let big = [tag::SMALL_BIG, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(read(&big), Ok(Term::Other(Bytes::copy_from_slice(&big))));
        let least = [tag::SMALL_BIG, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128];
        assert_eq!(read(&least), Ok(Term::Integer(i64::MIN)));
        let beyond = [tag::SMALL_BIG, 8, 0, 0, 0, 0, 0, 0, 0, 0, 128];
        assert_eq!(read(&beyond), Ok(Term::Other(Bytes::copy_from_slice(&beyond))));
        let improper = [tag::LIST, 0, 0, 0, 1, tag::SMALL_INTEGER, 1, tag::SMALL_INTEGER, 2];
        assert_eq!(read(&improper), Ok(Term::Other(Bytes::copy_from_slice(&improper))));
    }
}
