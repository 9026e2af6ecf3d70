//! What a backend is told.

use std::collections::BTreeSet;

use bytes::Bytes;
use chatcluster_protocol::{
    Millis,
    client::{ContentType, Message, Recipient, ServerFrame},
    id::{ConversationId, Identity, MessageId, UserId},
};
use gateway_core::Push;
use schemars::JsonSchema;
use serde::Serialize;

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Events {
    events: Vec<Event>,
}

/// Something waits for a user, no device of whom is connected.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Event {
    /// `waiting`; there may be others in newer versions.
    #[serde(rename = "type")]
    kind: &'static str,
    /// For whom.
    user: UserId,
    /// What it is; without it, something that a connection which ended may not have brought to its device.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Waiting>,
}

/// A message, without its text.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Waiting {
    /// Its id. Events may come twice: two with the same low 62 bits are about one message.
    message: MessageId,
    /// Its conversation.
    conversation: ConversationId,
    /// Who sent it.
    from: UserId,
    /// To whom.
    to: Recipient,
    /// When it was accepted, milliseconds UTC.
    at: Millis,
    /// The type of its content.
    content_type: ContentType,
}

impl Events {
    /// Of what waits, each once, without what users have sent themselves from elsewhere.
    pub(super) fn of(absent: Vec<(UserId, Push)>) -> Self {
        let mut told: BTreeSet<(UserId, Option<Identity>)> = BTreeSet::new();
        // The members of a group wait for the same text, one after the other.
        let mut last: Option<(Bytes, Option<Waiting>)> = None;
        let mut events = Vec::with_capacity(absent.len());
        for (user, push) in absent {
            let message = match last.take() {
                Some((frame, message)) if frame == push.frame => message,
                _ => waiting(&push.frame),
            };
            last = Some((push.frame, message.clone()));
            let own = message.as_ref().is_some_and(|message| message.from == user);
            let identity = message.as_ref().map(|message| message.message.identity());
            if !own && told.insert((user.clone(), identity)) {
                events.push(Event { kind: "waiting", user, message });
            }
        }
        Self { events }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// What a push says; nothing, where it only has a device look into its inbox.
fn waiting(frame: &[u8]) -> Option<Waiting> {
    let Ok(ServerFrame::Message(message)) = serde_json::from_slice(frame) else { return None };
    let Message { message, conversation, from, to, at, content, .. } = message;
    Some(Waiting { message, conversation, from, to, at, content_type: content.kind })
}

#[cfg(test)]
mod tests {
    use chatcluster_protocol::{
        client::Content,
        id::{DeviceId, Reference, Stamp},
    };

    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn push(from: &str, number: u64) -> Push {
        let (from, device) = (user(from), DeviceId::new("phone").unwrap());
        let reference = Reference::new(number.to_string()).unwrap();
        let identity = Identity::of(&from, &device, &reference);
        Push::message(Message {
            message: MessageId::new(Stamp::new(number, 0), identity),
            conversation: ConversationId::between(&from, &user("bob")),
            from,
            device,
            to: Recipient::User(user("bob")),
            at: number,
            content: Content::text("secret").unwrap(),
        })
    }

    #[test]
    fn what_waits_is_told_once_without_its_text_and_not_to_who_sent_it() {
        let absent = [
            ("bob", push("alice", 1)),
            ("bob", push("alice", 1)),
            ("alice", push("alice", 1)),
            ("carol", push("alice", 1)),
            ("bob", Push::look(5)),
            ("bob", push("alice", 2)),
        ];
        let events = Events::of(absent.map(|(name, push)| (user(name), push)).to_vec());
        let json = serde_json::to_value(&events).unwrap();
        let told = json["events"].as_array().unwrap().iter().map(|event| {
            assert_eq!(event["type"], "waiting");
            (event["user"].as_str().unwrap(), event["message"]["at"].as_u64())
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told, [("bob", Some(1)), ("carol", Some(1)), ("bob", None), ("bob", Some(2))]);
        assert!(!json.to_string().contains("secret"), "{json}");
        assert_eq!(json["events"][0]["message"]["content_type"], "text/plain");
    }
}
