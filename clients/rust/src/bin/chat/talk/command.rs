//! What a typed line means.

use chatcluster_client::protocol::{
    client::PresenceTo,
    id::UserId,
    limits::{HISTORY_DEFAULT, HISTORY_PAGE},
};

pub(super) const HELP: &str = "\
/to NAME      talk to somebody else
/history [N]  show the last N messages (20)
/privacy [nobody|contacts|everybody]  who may see when you are online
/quit         leave; Ctrl-D does the same
//...         send a line that begins with /
marks: · being sent, ✓ stored for everybody, ✓✓ delivered, ✗ refused;
what is shown here counts as read";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Nothing,
    Say(String),
    To(UserId),
    History(u32),
    Privacy(Option<PresenceTo>),
    Help,
    Quit,
    /// The text says what would be right.
    Wrong(String),
}

impl Command {
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Nothing } else { Self::Say(line.to_owned()) };
        };
        if command.starts_with('/') {
            return Self::Say(command.to_owned());
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        match (name, rest.trim()) {
            ("to", rest) => {
                UserId::new(rest).map_or_else(|error| Self::Wrong(error.to_string()), Self::To)
            }
            ("history", "") => Self::History(HISTORY_DEFAULT.min(20)),
            ("history", rest) => match rest.parse() {
                Ok(limit) if (1..=HISTORY_PAGE).contains(&limit) => Self::History(limit),
                _ => Self::Wrong(format!("/history takes a number from 1 to {HISTORY_PAGE}")),
            },
            ("privacy", "") => Self::Privacy(None),
            ("privacy", "nobody") => Self::Privacy(Some(PresenceTo::Nobody)),
            ("privacy", "contacts") => Self::Privacy(Some(PresenceTo::Contacts)),
            ("privacy", "everybody") => Self::Privacy(Some(PresenceTo::Everybody)),
            ("privacy", _) => Self::Wrong("/privacy takes nobody, contacts or everybody".into()),
            ("help", "") => Self::Help,
            ("quit" | "q", "") => Self::Quit,
            _ => Self::Wrong(format!("there is no /{command}; /help shows what there is")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_begins_with_a_slash() {
        assert_eq!(Command::parse(" hello "), Command::Say("hello".into()));
        assert_eq!(Command::parse("//etc"), Command::Say("/etc".into()));
        assert_eq!(Command::parse(""), Command::Nothing);
        assert_eq!(Command::parse("/to bob"), Command::To("bob".parse().unwrap()));
        assert_eq!(Command::parse("/history 7"), Command::History(7));
        let nobody = Command::Privacy(Some(PresenceTo::Nobody));
        assert_eq!(Command::parse("/privacy nobody"), nobody);
        assert_eq!(Command::parse("/quit"), Command::Quit);
    }

    #[test]
    fn what_is_wrong_says_what_would_be_right() {
        for (line, hint) in [
            ("/to a b", "characters of"),
            ("/history 0", "1 to 100"),
            ("/x", "/help"),
            ("/privacy me", "contacts"),
        ] {
            let Command::Wrong(why) = Command::parse(line) else { panic!("{line} is not wrong") };
            assert!(why.contains(hint), "{why}");
        }
    }
}
