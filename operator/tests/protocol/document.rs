//! docs/protocol.md as data: the frames of its conversation, the rows of its tables. Does no I/O but reading
//! the file.

use std::{fs, path::Path};

use serde_json::Value;

use crate::elided::{self, REST};

/// As messages name it.
pub(crate) const FILE: &str = "docs/protocol.md";

/// The document.
pub(crate) struct Document {
    lines: Vec<String>,
    /// The frames of the conversation, in their order.
    pub(crate) conversation: Vec<Frame>,
}

/// Who sends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Gateway,
}

/// A frame of the conversation.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) by: By,
    /// As it is written, with what `…` leaves out left out.
    pub(crate) said: Value,
    /// With what `…` leaves out put in from where the document says it.
    pub(crate) whole: Value,
}

impl Frame {
    pub(crate) fn kind(&self) -> &str {
        self.said["type"].as_str().unwrap_or_default()
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

/// A message about a line of the document.
pub(crate) fn at(line: usize, text: impl std::fmt::Display) -> String {
    format!("{FILE}:{line}: {text}")
}

impl Document {
    /// Reads it from the repository.
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let lines: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
        let mut conversation = frames(&lines);
        assert!(!conversation.is_empty(), "{FILE} has no frame that begins with → or ←");
        let wholes: Vec<_> = conversation.iter().map(|frame| whole(frame, &conversation)).collect();
        for (frame, whole) in conversation.iter_mut().zip(wholes) {
            frame.whole = whole;
        }
        Self { lines, conversation }
    }

    /// The client's frame of this type that the document shows first, whole.
    pub(crate) fn request(&self, kind: &str) -> Value {
        let frame = first(&self.conversation, By::Client, kind);
        frame
            .unwrap_or_else(|| panic!("{FILE} shows no `→ {{\"type\":\"{kind}\"…}}`"))
            .whole
            .clone()
    }

    /// Whether it tells of a field, in a frame or in backticks.
    pub(crate) fn tells_of(&self, field: &str) -> bool {
        let ways = [format!("\"{field}\":"), format!("`{field}`"), format!(".{field}`")];
        self.lines.iter().any(|line| ways.iter().any(|way| line.contains(way)))
    }

    /// The lines below the heading `## name`, with their numbers.
    pub(crate) fn section(&self, name: &str) -> Vec<(usize, &str)> {
        let heading = format!("## {name}");
        let lines = self.lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()));
        let below = lines.skip_while(|(_, line)| *line != heading).skip(1);
        let section: Vec<_> = below.take_while(|(_, line)| !line.starts_with("## ")).collect();
        assert!(!section.is_empty(), "{FILE} has no section `{heading}`");
        section
    }

    /// The rows of the section's table, without its head.
    pub(crate) fn table(&self, section: &str) -> Vec<Row> {
        let rows = self.section(section).into_iter().filter(|(_, text)| text.starts_with('|'));
        let rows: Vec<_> =
            rows.skip(2).map(|(line, text)| Row { line, cells: cells(text) }).collect();
        assert!(!rows.is_empty(), "{FILE} has no table in `## {section}`");
        rows
    }

    /// What stands in backticks right after these words, wherever they stand first.
    pub(crate) fn quoted_after(&self, words: &str) -> String {
        let start = format!("{words}`");
        let after = self.lines.iter().find_map(|line| line.split_once(&start));
        let (_, after) = after.unwrap_or_else(|| panic!("{FILE} does not say {words:?}"));
        after.split('`').next().unwrap_or_default().to_owned()
    }

    /// The frame that stands in a section's text as `{"type":…}`, and its line.
    pub(crate) fn inline_frame(&self, section: &str) -> (usize, Value) {
        let found = self.section(section).into_iter().find_map(|(line, text)| {
            let json = text.split('`').find(|code| code.starts_with("{\"type\""))?;
            Some((line, elided::parse(json).unwrap_or_else(|e| panic!("{}", at(line, e)))))
        });
        found.unwrap_or_else(|| panic!("{FILE}, `## {section}` shows no frame"))
    }
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// A frame begins with an arrow in a block of code, and goes on with indented lines.
fn frames(lines: &[String]) -> Vec<Frame> {
    let (mut texts, mut code) = (Vec::<(usize, By, String)>::new(), false);
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with("```") {
            code = !code;
        } else if let Some(text) = line.strip_prefix("→ ") {
            texts.push((index + 1, By::Client, text.to_owned()));
        } else if let Some(text) = line.strip_prefix("← ") {
            texts.push((index + 1, By::Gateway, text.to_owned()));
        } else if code && line.starts_with(' ') {
            let (_, _, text) = texts.last_mut().expect("a block of code begins with a frame");
            text.push_str(line.trim_start());
        }
    }
    let read = |(line, by, text): (usize, By, String)| {
        let said = elided::parse(&text)
            .unwrap_or_else(|error| panic!("{}", at(line, format!("{error} in {text}"))));
        Frame { line, by, said, whole: Value::Null }
    };
    texts.into_iter().map(read).collect()
}

fn first<'a>(frames: &'a [Frame], by: By, kind: &str) -> Option<&'a Frame> {
    let mut of_kind = frames.iter().filter(|frame| frame.by == by && frame.kind() == kind);
    of_kind.find(|frame| !elided::leaves_out(&frame.said))
}

/// What a frame leaves out is as in the first of its type; a message in `history` is as the push.
fn whole(frame: &Frame, frames: &[Frame]) -> Value {
    let mut whole = frame.said.clone();
    if elided::leaves_out(&whole) {
        let full = first(frames, frame.by, frame.kind()).map(|full| full.said.clone());
        let full = full.unwrap_or_else(|| {
            panic!("{}", at(frame.line, "`…` leaves out what no frame of this type shows"))
        });
        fill(&mut whole, &full);
    }
    if let Some(Value::Array(messages)) = whole.get_mut("messages") {
        for message in messages.iter_mut().filter(|message| elided::leaves_out(message)) {
            let push = first(frames, By::Gateway, "message");
            let mut push = push.expect("the document shows a message").said.clone();
            push.as_object_mut().expect("a frame is an object").shift_remove("type");
            fill(message, &push);
        }
    }
    whole
}

fn fill(some: &mut Value, full: &Value) {
    let (Value::Object(some), Value::Object(full)) = (some, full) else { return };
    some.shift_remove(REST);
    for (name, value) in full {
        some.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
