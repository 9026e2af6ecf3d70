//! Errors of serde and of the YAML parser in the words of the file's author.

use serde::{Deserialize, de::IgnoredAny};

use crate::read::Mistake;

/// What serde expects, and what to call it.
const TYPES: [(&str, &str); 8] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, 0 or more"),
    ("usize", "a whole number, 0 or more"),
    ("a sequence", "a list"),
    ("path string", "a path"),
    ("a boolean", "true or false"),
];

/// A wrong value, without the names of Rust's types.
pub(crate) fn plain(reason: &str) -> String {
    if reason == INVALID_ADDRESS {
        let right = "not an IP address with a port: write such as 127.0.0.1:8443 or [::1]:8443";
        return right.into();
    }
    let Some((found, expected)) = reason.rsplit_once(", expected ") else {
        return reason.into();
    };
    let found = match found.strip_prefix("invalid type: ").map(|found| found.split(' ').next()) {
        Some(Some("map")) => "invalid type: a mapping of fields",
        Some(Some("sequence")) => "invalid type: a list",
        Some(Some("unit")) => "invalid type: nothing",
        _ => found,
    };
    let known = TYPES.iter().find(|(name, _)| *name == expected).map(|(_, words)| *words);
    let fields = ["struct ", "internally tagged enum "].iter().any(|of| expected.starts_with(of));
    let expected = known.unwrap_or(if fields { "a mapping of fields" } else { expected });
    format!("{found}, expected {expected}")
}

/// What the standard library says of a socket address.
const INVALID_ADDRESS: &str = "invalid socket address syntax";

/// What makes the text no YAML, or more than one document.
pub(crate) fn no_yaml(text: &str) -> Option<Mistake> {
    let error = IgnoredAny::deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let Some(place) = error.location() else {
        let line = second_document(text);
        let reason = match line {
            Some(_) => "a second document begins here, and the file may hold one only".into(),
            None => error.to_string(),
        };
        return Some(Mistake { line, reason });
    };
    // The parser names the place of the fault, then where that began which it was reading.
    let reason = error.to_string();
    let (fault, reading) = reason.split_once(", while ").unwrap_or((&reason, ""));
    let mut reason = format!("not YAML: {}", split_place(fault).0);
    if let (what, Some(began)) = split_place(reading)
        && began != place.line()
    {
        reason = format!("{reason}, while {what} that begins in line {began}");
    }
    Some(Mistake { line: Some(place.line()), reason })
}

/// `…` and 7 of `… at line 7 column 3`.
fn split_place(text: &str) -> (&str, Option<usize>) {
    let Some((text, place)) = text.split_once(" at line ") else { return (text, None) };
    (text, place.split(' ').next().and_then(|line| line.parse().ok()))
}

/// The line of the `---` that ends the first document.
fn second_document(text: &str) -> Option<usize> {
    let content = |line: &str| !line.is_empty() && !line.starts_with(['#', '%']);
    let first = text.lines().position(|line| content(line.trim()))?;
    let mut later = text.lines().enumerate().skip(first + 1);
    later.find(|(_, line)| line.split(' ').next() == Some("---")).map(|(index, _)| index + 1)
}
