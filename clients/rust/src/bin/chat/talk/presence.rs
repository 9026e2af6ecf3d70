//! Whether the other one is there, in words.

use chatcluster_client::protocol::{
    Millis,
    client::{PresenceTo, UserPresence},
};

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct Sight(Option<UserPresence>);

impl Sight {
    /// What to show of this, where it says something new. Of somebody of whom nothing is known there is nothing
    /// to say at first.
    pub(super) fn shows(&mut self, presence: &UserPresence, now: Millis) -> Option<String> {
        let before = self.0.replace(presence.clone());
        if before.as_ref() == Some(presence) {
            return None;
        }
        let user = &presence.user;
        match (presence.online, presence.last_seen) {
            (true, _) => Some(format!("-- {user} is online")),
            (false, Some(at)) => Some(format!("-- {user} was last seen {}", ago(now, at))),
            (false, None) => {
                before.filter(|before| before.online).map(|_| format!("-- {user} has left"))
            }
        }
    }
}

/// How long ago something was, as people say it.
fn ago(now: Millis, at: Millis) -> String {
    let minutes = now.saturating_sub(at) / 60_000;
    let (count, unit) = match minutes {
        0 => return "just now".into(),
        minutes @ 1..60 => (minutes, "minute"),
        minutes @ 60..1440 => (minutes / 60, "hour"),
        minutes => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// Who may see the user.
pub(super) fn privacy(to: PresenceTo) -> &'static str {
    match to {
        PresenceTo::Nobody => "nobody sees when you are online",
        PresenceTo::Contacts => "those whom you have written to see when you are online",
        PresenceTo::Everybody => "everybody sees when you are online",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_once_and_of_strangers_nothing() {
        let user: chatcluster_client::protocol::id::UserId = "bob".parse().unwrap();
        let is = |online, last_seen| UserPresence { user: user.clone(), online, last_seen };
        let (mut sight, minute) = (Sight::default(), 60_000);
        let mut shown = |presence| sight.shows(&presence, 1_000 * minute);
        assert_eq!(shown(is(false, None)), None);
        assert_eq!(shown(is(true, None)).unwrap(), "-- bob is online");
        assert_eq!(shown(is(true, None)), None);
        assert_eq!(
            shown(is(false, Some(995 * minute))).unwrap(),
            "-- bob was last seen 5 minutes ago"
        );
        assert_eq!(shown(is(true, None)).unwrap(), "-- bob is online");
        assert_eq!(shown(is(false, None)).unwrap(), "-- bob has left");
    }

    #[test]
    fn times_are_rounded_down_to_one_unit() {
        let minute = 60_000;
        for (minutes, text) in
            [(0, "just now"), (1, "1 minute ago"), (119, "1 hour ago"), (3_000, "2 days ago")]
        {
            assert_eq!(ago(5_000 * minute, (5_000 - minutes) * minute), text);
        }
        assert_eq!(ago(0, minute), "just now", "by a clock that is behind");
    }
}
