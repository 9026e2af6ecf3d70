//! Whether what is live is what is wanted. Pure.
//!
//! Two questions: is it what we last applied (a fingerprint in an annotation: finds what is no longer
//! wanted), and has everything that we say still the value that we gave it (finds what others changed)?
//! What the server and other controllers add beside is theirs.

use kube::Resource;
use serde::Serialize;
use serde_json::Value;

use super::{desired::fingerprint, names::APPLIED};

/// Gives an object the annotation with its fingerprint.
pub(crate) fn mark<K: Resource + Serialize>(object: &mut K) {
    let applied = fingerprint(object);
    object.meta_mut().annotations.get_or_insert_default().insert(APPLIED.into(), applied);
}

/// Whether `live` has to be applied again to be `wanted`, which is marked.
pub(crate) fn differs(wanted: &Value, live: &Value) -> bool {
    !covers(wanted, live)
}

/// Whether `live` says all that `wanted` says.
fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), live) => wanted.iter().all(|(name, value)| {
            // What is empty is often left out by the server.
            live.get(name).map_or_else(|| is_empty(value), |live| covers(value, live))
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(w, l)| covers(w, l))
        }
        (Value::String(wanted), Value::String(live)) => wanted == live || same_amount(wanted, live),
        (wanted, live) => wanted == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Whether two texts are the same amount, written differently: the server makes `1` of `1000m`.
fn same_amount(one: &str, other: &str) -> bool {
    amount(one).is_some_and(|one| Some(one) == amount(other))
}

/// Whether one amount is larger than the other; not if one of them is none.
pub(crate) fn larger(one: &str, other: &str) -> bool {
    amount(one).zip(amount(other)).is_some_and(|(one, other)| one > other)
}

/// An amount in thousandths.
fn amount(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 14] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
        ("m", 0),
        ("", 1),
    ];
    let (number, factor) =
        UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 3 || !number.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        text => {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i128>().ok())?
        }
    };
    let thousandths = digits(whole)?.checked_mul(1000)? + digits(&format!("{part:0<3}"))?;
    match factor {
        0 => Some(thousandths / 1000),
        factor => thousandths.checked_mul(factor),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_add_is_theirs() {
        let wanted = json!({ "a": 1, "list": [{ "name": "x" }], "none": {} });
        let live = json!({ "a": 1, "b": 2, "list": [{ "name": "x", "protocol": "TCP" }] });
        assert!(!differs(&wanted, &live));
    }

    #[test]
    fn what_others_change_or_remove_differs() {
        let wanted = json!({ "a": { "b": "c" }, "list": [1, 2] });
        for live in [
            json!({ "a": { "b": "d" }, "list": [1, 2] }),
            json!({ "a": {}, "list": [1, 2] }),
            json!({ "a": { "b": "c" }, "list": [1] }),
            json!({ "a": { "b": "c" }, "list": [2, 1] }),
            json!({ "a": { "b": "c" }, "list": [1, 2, 3] }),
        ] {
            assert!(differs(&wanted, &live), "{live}");
        }
    }

    #[test]
    fn an_amount_is_what_it_amounts_to() {
        for (one, other) in [
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("0.5Gi", "512Mi"),
            ("1024Mi", "1Gi"),
            ("2000k", "2M"),
            (".5", "500m"),
        ] {
            assert!(same_amount(one, other), "{one} {other}");
            assert!(!differs(&json!({ "cpu": one }), &json!({ "cpu": other })), "{one} {other}");
        }
        for (one, other) in
            [("1", "2"), ("1Gi", "1G"), ("a", "b"), ("Mi", "m"), ("1", "1x"), ("-1", "-1.0")]
        {
            assert!(!same_amount(one, other), "{one} {other}");
        }
    }
}
