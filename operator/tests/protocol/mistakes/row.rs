//! The rows of the document's tables, read.

use crate::document::{Document, Row, at};

/// A row of `Errors`.
pub(crate) struct ErrorRow {
    pub(crate) line: usize,
    pub(crate) code: String,
    pub(crate) temporary: bool,
    close: Option<u16>,
    /// The request whose answer alone ends the connection, if the row names one.
    only: Option<String>,
    /// The request whose answer does not.
    never: Option<String>,
}

impl ErrorRow {
    /// The close code that follows where it answers a request of this type.
    pub(crate) fn close(&self, request: &str) -> Option<u16> {
        let only = self.only.as_deref().is_none_or(|only| only == request);
        self.close.filter(|_| only && self.never.as_deref() != Some(request))
    }
}

/// A row of `Close codes`.
pub(crate) struct CloseRow {
    pub(crate) line: usize,
    pub(crate) code: u16,
    /// What the client does next.
    pub(crate) next: String,
}

/// A row of `Limits`.
#[derive(Debug)]
pub(crate) struct Limit {
    /// What it is a limit of, without backticks.
    pub(crate) what: Vec<String>,
    /// The numbers in its text.
    pub(crate) numbers: Vec<u64>,
    /// What stands in backticks in its text.
    pub(crate) quoted: Vec<String>,
    /// The error that breaking it leads to.
    pub(crate) code: Option<String>,
    /// The close code that it leads to.
    pub(crate) close: Option<u16>,
}

pub(crate) fn errors(document: &Document) -> Vec<ErrorRow> {
    let row = |Row { line, cells }: Row| {
        let then = &cells[2];
        ErrorRow {
            line,
            code: unquoted(&cells[0]),
            temporary: then.contains("temporary"),
            close: close_in(then),
            never: quoted_after(then, "nothing after "),
            only: quoted_after(then, "; after "),
        }
    };
    document.table("Errors").into_iter().map(row).collect()
}

pub(crate) fn closes(document: &Document) -> Vec<CloseRow> {
    let row = |Row { line, cells }: Row| {
        let code = cells[0].parse().unwrap_or_else(|_| panic!("{}", at(line, "no close code")));
        CloseRow { line, code, next: cells[2].clone() }
    };
    document.table("Close codes").into_iter().map(row).collect()
}

/// The HTTP statuses of `At the door`, with their line.
pub(crate) fn statuses(document: &Document) -> Vec<(usize, u16)> {
    let section = document.section("At the door").into_iter();
    let numbers =
        section.flat_map(|(line, text)| numbers(text).into_iter().map(move |n| (line, n)));
    let statuses = numbers.filter(|(_, number)| (300..600).contains(number));
    statuses.map(|(line, number)| (line, number as u16)).collect()
}

impl Limit {
    pub(crate) fn read(row: &Row) -> Self {
        let [what, limit, broken] = &row.cells[..] else {
            panic!("{}", at(row.line, "a limit has three cells"));
        };
        Self {
            what: unquoted(what).split(", ").map(ToOwned::to_owned).collect(),
            numbers: numbers(limit),
            quoted: quoted(limit),
            code: quoted(broken).into_iter().next(),
            close: close_in(broken),
        }
    }

    /// One of the numbers in its text.
    pub(crate) fn number(&self, index: usize) -> Result<u64, String> {
        self.numbers.get(index).copied().ok_or_else(|| format!("no number is documented: {self:?}"))
    }

    /// The characters of a class in backticks such as `[a-z.]`.
    pub(crate) fn characters(&self) -> Result<String, String> {
        let classes =
            self.quoted.iter().filter_map(|text| text.strip_prefix('[')?.strip_suffix(']'));
        let class: Vec<char> = classes.take(1).flat_map(str::chars).collect();
        let (mut characters, mut index) = (String::new(), 0);
        while let Some(first) = class.get(index) {
            match (class.get(index + 1), class.get(index + 2)) {
                (Some('-'), Some(last)) => {
                    characters.extend(*first..=*last);
                    index += 3;
                }
                _ => {
                    characters.push(*first);
                    index += 1;
                }
            }
        }
        if characters.is_empty() {
            Err("no characters are documented".into())
        } else {
            Ok(characters)
        }
    }
}

fn unquoted(cell: &str) -> String {
    cell.replace('`', "")
}

/// What stands in backticks after these words.
fn quoted_after(cell: &str, words: &str) -> Option<String> {
    let (_, after) = cell.split_once(&format!("{words}`"))?;
    after.split('`').next().map(ToOwned::to_owned)
}

/// The number after the word `close`.
fn close_in(cell: &str) -> Option<u16> {
    let (_, after) = cell.split_once("close ")?;
    numbers(after).first().and_then(|code| (*code).try_into().ok())
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Whole numbers outside of backticks, such as `65,536` or `8 KiB`.
fn numbers(cell: &str) -> Vec<u64> {
    let text: Vec<_> = cell.split('`').step_by(2).collect();
    let text = text.join(" ");
    let words: Vec<_> = text.split([' ', ';', '(', ')', '.']).collect();
    let number = |(index, word): (usize, &&str)| {
        let number: u64 = word.trim_end_matches(',').replace(',', "").parse().ok()?;
        let unit = if words.get(index + 1) == Some(&"KiB") { 1024 } else { 1 };
        Some(number * unit)
    };
    words.iter().enumerate().filter_map(number).collect()
}
