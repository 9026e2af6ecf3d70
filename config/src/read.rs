//! Reading YAML so that a mistake is found where it was made: a wrong value or an unknown field is an
//! error with its path and its line.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};

use crate::{known::fields_beside, words};

/// A mistake in a YAML text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1, where known.
    pub line: Option<usize>,
    /// What is wrong, starting with the path of the field where there is one.
    pub reason: String,
}

/// The text is not what it should be: all unknown fields, or the first other mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidYaml(pub Vec<Mistake>);

impl fmt::Display for InvalidYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { line, reason }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match line {
                Some(line) => write!(f, "line {line}: {reason}")?,
                None => f.write_str(reason)?,
            }
        }
        Ok(())
    }
}

/// Reads one YAML document. Unknown fields are mistakes.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, InvalidYaml> {
    let (mut unknown, mut track) = (Vec::new(), serde_path_to_error::Track::new());
    let yaml = serde_yaml::Deserializer::from_str(text);
    let tracked = serde_path_to_error::Deserializer::new(yaml, &mut track);
    let read = serde_ignored::deserialize(tracked, |path| unknown.push(field(&path)));
    let value = read.map_err(|error| {
        let wrong = || mistake(text, &error, &track.path());
        InvalidYaml(vec![words::no_yaml(text).unwrap_or_else(wrong)])
    })?;
    if unknown.is_empty() {
        return Ok(value);
    }
    let mistakes = unknown.into_iter().map(|path| {
        let known = fields_beside::<T>(&steps(&path)).join(", ");
        let known = if known.is_empty() { known } else { format!("; there are {known}") };
        Mistake { line: line_of(text, &path), reason: format!("{path}: unknown field{known}") }
    });
    Err(InvalidYaml(mistakes.collect()))
}

/// The line of a field, from 1; `path` is as in [`Mistake::reason`]: `rooms[1].size`.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let found = Find(&steps(path)).deserialize(serde_yaml::Deserializer::from_str(text));
    found.err()?.location().map(|location| location.line())
}

fn steps(path: &str) -> Vec<&str> {
    path.split(['.', '[']).map(|step| step.trim_end_matches(']')).collect()
}

/// serde_yaml puts path and place into its text, but not for everything; here they come from one side.
fn mistake(text: &str, error: &serde_yaml::Error, path: &serde_path_to_error::Path) -> Mistake {
    let (mut reason, path) = (error.to_string(), path.to_string());
    let mut line = None;
    if let Some(place) = error.location() {
        line = Some(place.line());
        let suffix = format!(" at line {} column {}", place.line(), place.column());
        reason.truncate(reason.strip_suffix(&suffix).unwrap_or(&reason).len());
    }
    if path == "." {
        return Mistake { line, reason: words::plain(&reason) };
    }
    let ends = path.match_indices(['.', '[']).map(|(end, _)| end).chain([path.len()]);
    let own = ends.rev().find_map(|end| reason.strip_prefix(&path[..end])?.strip_prefix(": "));
    let reason = format!("{path}: {}", words::plain(own.unwrap_or(&reason)));
    Mistake { line: line_of(text, &path).or(line), reason }
}

fn field(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", field(parent)),
        Path::Map { parent, key } => match field(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => field(parent),
    }
}

/// Walks to a field and fails on its key: the error then carries the key's place.
struct Find<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(found()) };
        while let Some(is_it) = map.next_key_seed(Key { wanted: first, last: rest.is_empty() })? {
            if is_it {
                map.next_value_seed(Find(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(found()) };
        for index in 0.. {
            let more = match *first == index.to_string() {
                true => list.next_element_seed(Find(rest))?.is_some(),
                false => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

struct Key<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.last) {
            (true, true) => Err(found()),
            (is_it, _) => Ok(is_it),
        }
    }
}

fn found<E: de::Error>() -> E {
    E::custom("found")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::GoDuration;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct House {
        name: String,
        #[serde(default)]
        rooms: Vec<Room>,
        roof: Option<Room>,
        door: Option<std::net::SocketAddr>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Room {
        size: u32,
        warm: Option<GoDuration>,
    }

    fn read(text: &str) -> String {
        from_yaml::<House>(text).map_or_else(|error| error.to_string(), |_| "good".into())
    }

    #[test]
    fn unknown_fields_are_all_named_with_path_and_line() {
        let text = "# a house\nname: a\nrooms:\n- size: 1\n- size: 2\n  colour: red\nroof: {size: 3, hight: 4}\n";
        assert_eq!(
            read(text),
            "line 6: rooms[1].colour: unknown field; there are size, warm; \
             line 7: roof.hight: unknown field; there are size, warm"
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_path_and_line() {
        assert_eq!(
            read("name: a\nrooms:\n- size: 1\n- size: big\n"),
            "line 4: rooms[1].size: invalid type: string \"big\", expected a whole number from 0 to 4294967295"
        );
        assert_eq!(read("rooms: []\n"), "line 1: missing field `name`");
    }

    #[test]
    fn the_path_is_told_once() {
        let error = read("name: a\nrooms:\n- size: 1\n  warm: 10\n");
        assert!(error.starts_with("line 4: rooms[0].warm: \"10\" is not a duration"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_told_in_plain_words() {
        for (text, expected) in [
            (
                "name: a\nroof: 3\n",
                "line 2: roof: invalid type: integer `3`, expected a mapping of fields",
            ),
            ("name: {}\n", "line 1: name: invalid type: a mapping of fields, expected a string"),
            ("name: a\nrooms: b\n", "line 2: rooms: invalid type: string \"b\", expected a list"),
            (
                "name: a\ndoor: here\n",
                "line 2: door: not an IP address with a port: write such as 127.0.0.1:8443 or [::1]:8443",
            ),
        ] {
            assert_eq!(read(text), expected);
        }
    }

    #[test]
    fn what_is_no_yaml_is_named_with_the_line_of_the_fault() {
        for (text, expected) in [
            (
                "name: a\n  b: c\n",
                "line 2: not YAML: mapping values are not allowed in this context",
            ),
            (
                "name: a\nroof:\n  size: 1\n rooms: []\n",
                "line 4: not YAML: did not find expected key",
            ),
            (
                "name: 'a\n",
                "line 2: not YAML: found unexpected end of stream, while scanning a quoted scalar that \
                 begins in line 1",
            ),
            (
                "# one\n---\nname: a\n---\nname: b\n",
                "line 4: a second document begins here, and the file may hold one only",
            ),
        ] {
            assert_eq!(read(text), expected);
        }
    }

    #[test]
    fn a_good_text_is_read() {
        assert_eq!(read("---\nname: a\nrooms: [{size: 1}]\n"), "good");
    }
}
