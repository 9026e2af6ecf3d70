//! What a gateway said where the document shows an example of it.
//!
//! An example is told from a constant by its form: ids of messages are UUIDs of version 7, and times are
//! milliseconds of this century. Where the document shows the same example again, it means the same value.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Whole numbers that are neither times nor the same each time, by frame and field.
const DRAWN: [(&str, &str); 1] = [("reconnect", "after")];

/// Examples, and what was said in their place.
#[derive(Debug, Default)]
pub(crate) struct Bindings(Vec<(Value, Value)>);

impl Bindings {
    /// From now on `example` means `real`.
    pub(crate) fn bind(&mut self, example: &Value, real: &Value) {
        self.0.push((example.clone(), real.clone()));
    }

    /// From now on `example` means something else.
    pub(crate) fn rebind(&mut self, example: &Value, real: &Value) {
        self.0.retain(|(known, _)| known != example);
        self.bind(example, real);
    }

    /// A documented frame with the values that are meant. An example of what nobody said stays.
    pub(crate) fn fill(&self, documented: &Value) -> Value {
        match documented {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect()
            }
            Value::Array(values) => values.iter().map(|value| self.fill(value)).collect(),
            example => self.meant(example).unwrap_or(example).clone(),
        }
    }

    fn meant(&self, example: &Value) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == example).map(|(_, real)| real)
    }

    /// Compares a value with what the document shows for it, and learns what an example means.
    pub(crate) fn compare(
        &mut self,
        frame: &str,
        field: &str,
        documented: &Value,
        came: &Value,
    ) -> Result<(), String> {
        let form = Form::of(frame, field, documented);
        match (form, self.meant(documented)) {
            (Form::Constant, _) if documented == came => Ok(()),
            (Form::Constant, _) => Err(format!("is documented as {documented}; {came} came")),
            (form, _) if !form.matches(came) => {
                Err(format!("is documented as {}, like {documented}; {came} came", form.name()))
            }
            (Form::Id | Form::Time, Some(meant)) if meant != came => {
                Err(format!("is {documented} again, which was {meant} before; {came} came"))
            }
            (Form::Id | Form::Time, None) => {
                self.bind(documented, came);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What an example is an example of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The same each time.
    Constant,
    /// A UUID of version 7.
    Id,
    /// Milliseconds since 1970.
    Time,
    /// A text of which only the beginning is shown.
    Text,
    /// A whole number.
    Number,
}

impl Form {
    fn of(frame: &str, field: &str, documented: &Value) -> Self {
        match documented {
            Value::String(text) if crate::elided::is_beginning(text) => Self::Text,
            Value::String(text) if is_id(text) => Self::Id,
            Value::Number(_) if DRAWN.contains(&(frame, field)) => Self::Number,
            Value::Number(number) if number.as_u64().is_some_and(is_time) => Self::Time,
            _ => Self::Constant,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Constant => "a constant",
            Self::Id => "an id",
            Self::Time => "a time of today in milliseconds",
            Self::Text => "a text",
            Self::Number => "a whole number",
        }
    }

    fn matches(self, came: &Value) -> bool {
        const MONTH: u64 = 30 * 24 * 3600 * 1000;
        match self {
            Self::Constant => true,
            Self::Id => came.as_str().is_some_and(is_id),
            Self::Time => came.as_u64().is_some_and(|time| time.abs_diff(now()) < MONTH),
            Self::Text => came.as_str().is_some_and(|text| !text.is_empty()),
            Self::Number => came.is_u64(),
        }
    }
}

fn is_id(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let digit = |(at, b): (usize, u8)| match hyphens.contains(&at) {
        true => b == b'-',
        false => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
    };
    text.len() == 36 && text.as_bytes()[14] == b'7' && text.bytes().enumerate().all(digit)
}

/// In 2001 or later; no limit and no duration of the protocol is as large.
fn is_time(number: u64) -> bool {
    number >= 1_000_000_000_000
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis() as u64
}
