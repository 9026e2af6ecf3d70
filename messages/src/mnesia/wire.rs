//! Calls of the node's module and its answers, as Erlang's terms (`messages/node/erlang/src/chatcluster_node.erl`).

use bytes::Bytes;
use chatcluster_erlang::Term;
use chatcluster_protocol::Millis;
use messages_core::{
    digest::Digest,
    key::Key,
    replica::{self, ReplicaError},
    view::{Rows, Scan},
};

use super::decision::{Read, Writes};
use crate::queue::unavailable;

/// The schema of the node's tables that this module knows.
pub(super) const SCHEMA: i64 = 1;

/// The version of the layout that we go by. There is one island, so there is nothing to lay out.
const LAYOUT: i64 = 0;

/// Which node one is: a new one after its disk was emptied or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// As the node writes it, in hexadecimal digits.
    name: Bytes,
    pub(super) number: replica::Identity,
}

impl Identity {
    fn of(name: &Bytes) -> Result<Self, ReplicaError> {
        let digits = std::str::from_utf8(name).ok();
        let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| unavailable(format!("{name:?} is no identity")))?;
        Ok(Self { name: name.clone(), number: replica::Identity(number) })
    }
}

/// What a node says of itself.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) identity: Identity,
    pub(super) schema: i64,
    /// It has all that it ever acknowledged.
    pub(super) whole: bool,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is on disk.
    Done,
    /// Nothing was written: this is so, and was read otherwise.
    Changed(Vec<Correction>),
    /// Nothing was written: the node's clock says this.
    Clock(Millis),
}

/// What is so, and was read otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Correction {
    Value(Key, Option<Vec<u8>>),
    Range(Scan, Rows),
}

pub(super) fn described(said: &Term) -> Result<Described, ReplicaError> {
    match (said.get("identity"), said.get("schema"), said.get("whole")) {
        (Some(Term::Binary(identity)), Some(Term::Integer(schema)), Some(whole)) => Ok(Described {
            identity: Identity::of(identity)?,
            schema: *schema,
            whole: whole.is_atom("true"),
        }),
        _ => Err(refusal(said)),
    }
}

pub(super) fn read(identity: &Identity, scans: &[Scan]) -> [Term; 2] {
    [to(identity), Term::List(scans.iter().map(scan).collect())]
}

pub(super) fn digest(identity: &Identity, range: &Scan, forgotten_before: Millis) -> [Term; 3] {
    [to(identity), scan(range), millis(forgotten_before)]
}

/// `{ok, Hash, Forgotten, EndedAt | none}`.
pub(super) fn digested(said: Term) -> Result<Digest, ReplicaError> {
    match said.tuple() {
        Some([ok, Term::Binary(hash), Term::Integer(forgotten), ended_at]) if ok.is_atom("ok") => {
            let ended_at = match ended_at {
                Term::Binary(key) => Some(key.to_vec()),
                none if none.is_atom("none") => None,
                other => return Err(unexpected(other)),
            };
            let hash = hash[..].try_into().map_err(|_| unexpected(&said))?;
            let forgotten = u64::try_from(*forgotten).map_err(|_| unexpected(&said))?;
            Ok(Digest { hash, forgotten, ended_at })
        }
        _ => Err(refusal(&said)),
    }
}

pub(super) fn rows_of_all(said: Term, scans: &[Scan]) -> Result<Vec<Rows>, ReplicaError> {
    match said {
        Term::Tuple(mut parts) if parts.len() == 2 && parts[0].is_atom("ok") => {
            let Some(Term::List(pages)) = parts.pop() else { return Err(unexpected(&parts[0])) };
            if pages.len() != scans.len() {
                return Err(unavailable(format!(
                    "{} ranges came for {}",
                    pages.len(),
                    scans.len()
                )));
            }
            pages.into_iter().map(rows).collect()
        }
        other => Err(refusal(&other)),
    }
}

/// A write that was decided at `now`.
pub(super) fn write(identity: &Identity, now: Millis, read: &Read, writes: &Writes) -> [Term; 4] {
    let values = read.values.iter().map(|(key, value)| {
        let value = value.as_deref().map_or(Term::atom("absent"), binary);
        Term::Tuple(vec![binary(key), value])
    });
    let ranges = read.ranges.iter().map(|(range, rows)| {
        let row = |(key, value): &(Key, Vec<u8>)| Term::Tuple(vec![binary(key), binary(value)]);
        let all = Term::List(rows.rows.iter().map(row).collect());
        Term::Tuple(vec![scan(range), Term::Tuple(vec![all, boolean(rows.truncated)])])
    });
    let changes = writes.iter().map(|(key, value)| match value {
        Some(value) => Term::Tuple(vec![binary(key), binary(value)]),
        None => binary(key),
    });
    let now = millis(now);
    let checks = Term::List(values.chain(ranges).collect());
    [to(identity), now, checks, Term::List(changes.collect())]
}

/// What the node said to a write of what was decided by `read`.
pub(super) fn written(said: Term, read: &Read) -> Result<Written, ReplicaError> {
    if said.is_atom("ok") {
        return Ok(Written::Done);
    }
    match said.tuple() {
        Some([what, Term::Integer(now)]) if what.is_atom("clock") => {
            Ok(Written::Clock(Millis::try_from(*now).unwrap_or(0)))
        }
        Some([what, Term::List(_)]) if what.is_atom("changed") => {
            let Term::Tuple(mut parts) = said else { return Err(unexpected(&said)) };
            let Some(Term::List(changed)) = parts.pop() else { return Err(unexpected(&parts[0])) };
            let changed = changed.into_iter().map(|one| correction(one, read));
            Ok(Written::Changed(changed.collect::<Result<_, _>>()?))
        }
        _ => Err(refusal(&said)),
    }
}

/// `{Index, Is}`, where the index counts from one, values first.
fn correction(said: Term, read: &Read) -> Result<Correction, ReplicaError> {
    let Term::Tuple(parts) = said else { return Err(unexpected(&said)) };
    let [Term::Integer(index), is]: [Term; 2] =
        parts.try_into().map_err(|parts| unexpected(&Term::Tuple(parts)))?
    else {
        return Err(unavailable("it names no check"));
    };
    let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
    let at = at.ok_or_else(|| unavailable(format!("there is no check {index}")))?;
    if let Some((key, _)) = read.values.iter().nth(at) {
        return match is {
            Term::Binary(value) => Ok(Correction::Value(key.clone(), Some(value.to_vec()))),
            is if is.is_atom("absent") => Ok(Correction::Value(key.clone(), None)),
            is => Err(unexpected(&is)),
        };
    }
    match read.ranges.get(at - read.values.len()) {
        Some((range, _)) => Ok(Correction::Range(range.clone(), rows(is)?)),
        None => Err(unavailable(format!("there is no check {index}"))),
    }
}

/// `{[{Key, Value}], Truncated}`.
fn rows(said: Term) -> Result<Rows, ReplicaError> {
    let Term::Tuple(parts) = said else { return Err(unexpected(&said)) };
    let [Term::List(all), truncated]: [Term; 2] =
        parts.try_into().map_err(|parts| unexpected(&Term::Tuple(parts)))?
    else {
        return Err(unavailable("a range has no rows"));
    };
    let row = |row: Term| match row.tuple() {
        Some([Term::Binary(key), Term::Binary(value)]) => Ok((key.to_vec(), value.to_vec())),
        _ => Err(unexpected(&row)),
    };
    let rows = all.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok(Rows { rows, truncated: truncated.is_atom("true") })
}

fn to(identity: &Identity) -> Term {
    Term::Tuple(vec![Term::Binary(identity.name.clone()), Term::Integer(LAYOUT)])
}

fn scan(scan: &Scan) -> Term {
    let number = |n: usize| Term::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let Scan { from, to, reverse, rows, bytes } = scan;
    Term::Tuple(vec![binary(from), binary(to), boolean(*reverse), number(*rows), number(*bytes)])
}

fn binary(bytes: &[u8]) -> Term {
    Term::Binary(Bytes::copy_from_slice(bytes))
}

fn millis(millis: Millis) -> Term {
    Term::Integer(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn boolean(is: bool) -> Term {
    Term::atom(if is { "true" } else { "false" })
}

/// The node refuses what was meant for the one that it was.
pub(super) fn is_another(said: &Term) -> bool {
    matches!(said.tuple(), Some([why, _]) if why.is_atom("other"))
}

/// Why the node did nothing of what was asked.
fn refusal(said: &Term) -> ReplicaError {
    if said.is_atom("starting") {
        return unavailable("it is starting");
    }
    match said.tuple() {
        _ if is_another(said) => {
            unavailable("it is another node than before: its disk was emptied or damaged")
        }
        Some([why, Term::Integer(highest)]) if why.is_atom("stale") => {
            unavailable(format!("it goes by layout {highest}, and this service by {LAYOUT}"))
        }
        _ => unexpected(said),
    }
}

fn unexpected(said: &Term) -> ReplicaError {
    unavailable(format!("it said what was not expected: {said:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(parts: impl Into<Vec<Term>>) -> Term {
        Term::Tuple(parts.into())
    }

    fn read_of_both() -> Read {
        let scan = Scan::prefix(vec![2], 5);
        Read {
            values: [(vec![1], None), (vec![3], Some(vec![9]))].into(),
            ranges: vec![(scan, Rows::default())],
        }
    }

    #[test]
    fn what_has_changed_is_found_by_its_number() {
        let read = read_of_both();
        let row = tuple([binary(&[2, 2]), binary(&[7])]);
        let page = tuple([Term::List(vec![row]), boolean(true)]);
        let changed =
            [tuple([Term::Integer(2), Term::atom("absent")]), tuple([Term::Integer(3), page])];
        let said = tuple([Term::atom("changed"), Term::List(changed.into())]);
        let rows = Rows { rows: vec![(vec![2, 2], vec![7])], truncated: true };
        let is =
            [Correction::Value(vec![3], None), Correction::Range(Scan::prefix(vec![2], 5), rows)];
        assert_eq!(written(said, &read), Ok(Written::Changed(is.into())));
    }

    #[test]
    fn whatever_else_is_said_is_an_error_that_tells_it() {
        let read = read_of_both();
        let number = |n| tuple([Term::Integer(n), Term::atom("absent")]);
        let changed = |n| tuple([Term::atom("changed"), Term::List(vec![number(n)])]);
        let other = tuple([Term::atom("other"), binary(b"x")]);
        let stale = tuple([Term::atom("stale"), Term::Integer(4)]);
        for (said, text) in [
            (changed(0), "no check 0"),
            (changed(4), "no check 4"),
            (changed(3), "absent"),
            (other, "emptied"),
            (stale, "layout 4"),
            (Term::atom("what"), "what"),
        ] {
            let error = written(said, &read).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
