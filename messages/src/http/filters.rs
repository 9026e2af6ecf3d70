//! Query parameters of the lists. Each may be given once; one that is not known is an error, since
//! ignoring a misspelt filter would answer with messages that nobody asked for.

use std::borrow::Cow;

use chatcluster_protocol::{
    client::MediaRange,
    id::{ConversationId, UserId},
    limits::TIME,
};
use chatcluster_runtime::backend::{Problem, query::unknown};
use messages_core::{
    key::{Bounds, Ids},
    repository::{Direction, Query},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::cursor as cursors;

/// Messages in a page.
pub(super) const LIMIT: usize = 500;
pub(super) const LIMIT_DEFAULT: usize = 100;

/// Bytes of bodies in a page.
const PAGE_BYTES: usize = 1024 * 1024;

/// Which messages. All filters that are given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Filters {
    pub(super) user: Option<UserId>,
    pub(super) conversation: Option<ConversationId>,
    sender: Option<UserId>,
    content_type: Option<MediaRange>,
    bounds: Bounds,
    order: Option<Order>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Which messages come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The oldest.
    Asc,
    /// The newest.
    Desc,
}

/// Which of `user` and `conversation` are parameters of a list, beside those of all lists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// Both.
    All,
    /// The user is in the path.
    User,
    /// The conversation is in the path.
    Conversation,
}

impl Filters {
    /// Reads the query string of a request.
    pub(super) fn parse(query: Option<&str>, scope: Scope) -> Result<Self, Problem> {
        let mut filters = Self::default();
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if seen.contains(&name) {
                return Err(Problem::parameter(&name, "must be given once"));
            }
            filters.set(&name, &value, scope)?;
            seen.push(name);
        }
        Ok(filters)
    }

    fn set(&mut self, name: &str, value: &str, scope: Scope) -> Result<(), Problem> {
        let wrong = |text: &dyn ToString| Problem::parameter(name, text.to_string());
        match (name, scope) {
            ("user", Scope::All | Scope::Conversation) => {
                self.user = Some(value.parse().map_err(|error| wrong(&error))?);
            }
            ("conversation", Scope::All | Scope::User) => {
                self.conversation = Some(conversation(name, value)?);
            }
            ("sender", _) => self.sender = Some(value.parse().map_err(|error| wrong(&error))?),
            ("content_type", _) => {
                self.content_type = Some(value.parse().map_err(|error| wrong(&error))?);
            }
            ("before", _) => self.bounds.before = Some(value.parse().map_err(|e| wrong(&e))?),
            ("after", _) => self.bounds.after = Some(value.parse().map_err(|e| wrong(&e))?),
            ("since", _) => self.bounds.since = Some(number(name, value, 0, TIME)?),
            ("until", _) => self.bounds.until = Some(number(name, value, 0, TIME)?),
            ("limit", _) => self.limit = Some(number(name, value, 1, LIMIT as u64)? as usize),
            ("order", _) => {
                self.order = Some(match value {
                    "asc" => Order::Asc,
                    "desc" => Order::Desc,
                    _ => return Err(wrong(&"must be asc or desc")),
                });
            }
            ("cursor", _) => self.cursor = Some(value.to_owned()),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// The question, with the cursor's place in it, and the question without it, for the next cursor.
    pub(super) fn query(self) -> Result<(Query, Query), Problem> {
        let Self { user, conversation, sender, content_type, bounds, order, limit, cursor } = self;
        let ids = Ids::from(bounds);
        let direction = match order {
            Some(Order::Asc) => Direction::Forward,
            Some(Order::Desc) | None => Direction::Backward,
        };
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        let bytes = PAGE_BYTES;
        let whole =
            Query { user, conversation, sender, content_type, ids, direction, limit, bytes };
        let ids = match cursor {
            None => ids,
            Some(text) => {
                let at = cursors::read(&text, &whole)
                    .map_err(|error| Problem::parameter("cursor", error))?;
                match direction {
                    Direction::Forward => ids.above(at),
                    Direction::Backward => ids.below(at),
                }
            }
        };
        Ok((Query { ids, ..whole.clone() }, whole))
    }
}

/// A conversation in its usual form: one text per conversation, but for its case.
pub(super) fn conversation(name: &str, value: &str) -> Result<ConversationId, Problem> {
    let usual = Some(value).filter(|value| value.len() == 36);
    let parsed = usual.and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| Problem::parameter(name, "a conversation must be a UUID"))
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Problem> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (least..=most).contains(number));
    let text = format!("must be a whole number from {least} to {most}");
    number.ok_or_else(|| Problem::parameter(name, text))
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::id::MessageId;

    use super::*;

    fn parse(query: &str) -> Result<Filters, Problem> {
        Filters::parse(Some(query), Scope::All)
    }

    #[test]
    fn all_filters_are_read() {
        let conversation = "76a1b0ba-cb1d-8d63-9b52-cd45f9a7c5a0";
        let query = format!(
            "user=alice%40x&conversation={conversation}&sender=bob&content_type=image/*\
             &since=5&until=9&order=asc&limit=7"
        );
        let (query, _) = parse(&query).unwrap().query().unwrap();
        assert_eq!(query.user, Some(UserId::new("alice@x").unwrap()));
        assert_eq!(query.conversation.unwrap().to_string(), conversation);
        assert_eq!(query.sender, Some(UserId::new("bob").unwrap()));
        assert_eq!(query.content_type, Some(MediaRange::new("image/*").unwrap()));
        let range = Ids::ALL.at_least(MessageId::floor(5)).below(MessageId::floor(9));
        assert_eq!((query.ids, query.direction, query.limit), (range, Direction::Forward, 7));
    }

    #[test]
    fn ids_bound_a_list_whatever_its_order() {
        let [low, high] = [3, 8].map(MessageId::floor);
        for order in ["asc", "desc"] {
            let query = format!("after={low}&before={high}&since=1&until=9&order={order}");
            let (query, _) = parse(&query).unwrap().query().unwrap();
            assert_eq!(query.ids, Ids::ALL.above(low).below(high));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field) in [
            ("usr=alice", "usr"),
            ("user=alice&user=bob", "user"),
            ("user=", "user"),
            ("conversation=7", "conversation"),
            ("conversation=76a1b0bacb1d8d639b52cd45f9a7c5a0", "conversation"),
            ("sender=a%20b", "sender"),
            ("content_type=image", "content_type"),
            ("content_type=application/a+b", "content_type"),
            ("before=7", "before"),
            ("after=76a1b0ba-cb1d-8d63-9b52-cd45f9a7c5a0", "after"),
            ("since=-1", "since"),
            ("since=%2B1", "since"),
            ("until=281474976710656", "until"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("order=up", "order"),
        ] {
            let problem = parse(query).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{query}: {problem:?}");
        }
        let in_path = Filters::parse(Some("user=bob"), Scope::User).unwrap_err();
        assert_eq!(in_path.field.as_deref(), Some("user"));
        let cursor = parse("cursor=xyz").unwrap().query().unwrap_err();
        assert_eq!(cursor.field.as_deref(), Some("cursor"));
    }
}
