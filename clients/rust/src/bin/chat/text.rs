//! Text for people: times, safe bodies, colours, and the two streams.

use std::{
    io::{self, IsTerminal, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use chatcluster_client::protocol::{
    Millis,
    client::{GroupChange, GroupCreation, Message, Recipient, Role},
    id::UserId,
};
use time::{OffsetDateTime, UtcOffset};

/// Milliseconds since 1970 UTC, by this machine's clock.
pub(crate) fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis
}

/// Times as people here read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(UtcOffset);

impl Clock {
    /// The system's time zone, or UTC where it cannot be had.
    pub(crate) fn local() -> Self {
        Self(UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC))
    }

    /// `22:43:05`
    pub(crate) fn time(self, at: Millis) -> String {
        let at = self.at(at);
        format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
    }

    /// `2026-11-24 22:43:05`
    pub(crate) fn day_and_time(self, millis: Millis) -> String {
        let at = self.at(millis);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        format!("{year}-{month:02}-{day:02} {}", self.time(millis))
    }

    fn at(self, at: Millis) -> OffsetDateTime {
        let seconds = i64::try_from(at / 1000).unwrap_or(0);
        let utc =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        utc.to_offset(self.0)
    }
}

/// What to do about a token that expires soon and is the only one.
pub(crate) fn expiring(clock: Clock, expires: Millis) -> String {
    let at = clock.day_and_time(expires);
    format!("the token expires at {at}; with --token-file FILE a new one is read from there")
}

/// Who said it. What the user said on another device also tells to whom.
pub(crate) fn speaker(message: &Message, user: &UserId, paint: Paint) -> String {
    let from = paint.name(message.from.as_str());
    match &message.to {
        Recipient::User(to) if message.from == *user => {
            format!("{from} → {}", paint.name(to.as_str()))
        }
        Recipient::User(_) => from,
        Recipient::Group(group) => format!("{from} → {group}"),
    }
}

/// A role in a group.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

/// What a change of a group says.
fn change(change: &GroupChange) -> String {
    let names = |users: &[UserId]| users.iter().map(UserId::as_str).collect::<Vec<_>>().join(", ");
    match change {
        GroupChange::Create(GroupCreation { name, members }) if members.is_empty() => {
            format!("made the group {}", printable(name.as_str()))
        }
        GroupChange::Create(GroupCreation { name, members }) => {
            format!("made the group {} with {}", printable(name.as_str()), names(members))
        }
        GroupChange::Add(users) => format!("added {}", names(users)),
        GroupChange::Remove(users) => format!("removed {}", names(users)),
        GroupChange::Leave(_) => "left the group".into(),
        GroupChange::Rename(name) => format!("named the group {}", printable(name.as_str())),
        GroupChange::Role(given) => format!("made {} {}", given.user, role(given.role)),
    }
}

/// The body of a message, which a stranger wrote, made safe for a terminal. Control characters could
/// move the cursor or change the terminal, and bidirectional overrides could reorder what is shown.
pub(crate) fn body(message: &Message) -> String {
    if let Some(Ok(read)) = GroupChange::of(&message.content) {
        return format!("[{}]", change(&read));
    }
    if message.content.kind.as_str() != "text/plain" {
        let bytes = message.content.body.as_str().len();
        return format!("[{}, {bytes} bytes]", message.content.kind.as_str());
    }
    printable(message.content.body.as_str())
}

pub(crate) fn printable(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' => "\n    ".to_owned(),
        '\t' => " ".to_owned(),
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
            char::REPLACEMENT_CHARACTER.to_string()
        }
        c => c.to_string(),
    };
    text.trim_end().chars().map(safe).collect()
}

/// The first line of a text, at most this many characters.
pub(crate) fn snippet(text: &str, most: usize) -> String {
    let text = printable(text.lines().next().unwrap_or_default());
    if text.chars().count() <= most {
        return text;
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// Colours for standard output, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self(wanted && io::stdout().is_terminal())
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    pub(crate) fn name(self, text: &str) -> String {
        self.code("1;36", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.code("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.code("31", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One line to standard output, written out at once. An error when nobody reads it.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// One line to standard error. If nobody reads that, there is nobody to tell.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "chat: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_drive_the_terminal() {
        let shown = printable("\u{1b}[2Jgone\r\u{7} \u{202e}txt.exe\u{9b}31m\n--\n");
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
        assert_eq!(printable("one\ntwo\n"), "one\n    two");
    }

    #[test]
    fn a_snippet_is_one_short_line() {
        assert_eq!(snippet("hello\nworld", 40), "hello");
        assert_eq!(snippet("äöüäöü", 4), "äöü…");
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(Clock(UtcOffset::UTC).day_and_time(1_795_560_185_123), "2026-11-24 22:43:05");
        assert_eq!(
            Clock(UtcOffset::from_hms(2, 0, 0).unwrap()).time(1_795_560_185_123),
            "00:43:05"
        );
        assert_eq!(Clock(UtcOffset::UTC).time(u64::MAX), "00:00:00");
    }
}
