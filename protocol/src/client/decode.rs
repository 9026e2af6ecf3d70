//! Reading a client's frame, with an error that names the field.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    ClientFrame, Content, Error, ErrorCode, GroupChange, Hello, Recipient, Refresh, RequestId,
};
use crate::{
    id::{InvalidConversationId, Reference},
    limits::{ACK_IDS, HISTORY_PAGE, TIME, TOKEN, WATCHED},
};

/// Why a frame was refused: the `error` to answer with.
pub type Refusal = Box<Error>;

/// Reads one frame. The two passes (first `type` and `id`, then the rest) cost little and let the
/// error carry the request's id and the path of the field.
pub fn decode(text: &str) -> Result<ClientFrame, Refusal> {
    const FRAME: &str = "a frame is a JSON object with a `type`";
    if !text.trim_start().starts_with('{') {
        return Err(Box::new(Error::new(ErrorCode::BadFrame, FRAME)));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorCode::BadFrame, format!("{FRAME}: {error}")))?;
    let refuse = |error: Error| {
        let id = envelope.id.and_then(parse::<RequestId>);
        let reference = envelope.reference.and_then(parse::<Reference>);
        Box::new(Error { id, reference, ..error })
    };
    let frame = match &*envelope.kind {
        "hello" => parsed(text).map(ClientFrame::Hello),
        "send" => parsed(text).map(ClientFrame::Send),
        "ack" => parsed(text).map(ClientFrame::Ack),
        "read" => parsed(text).map(ClientFrame::Read),
        "history" => parsed(text).map(ClientFrame::History),
        "group" => parsed(text).map(ClientFrame::Group),
        "receipts" => parsed(text).map(ClientFrame::Receipts),
        "refresh" => parsed(text).map(ClientFrame::Refresh),
        "typing" => parsed_to(text, TYPED_TO).map(ClientFrame::Typing),
        "presence" => parsed(text).map(ClientFrame::Presence),
        "privacy" => parsed(text).map(ClientFrame::Privacy),
        "ping" => parsed(text).map(ClientFrame::Ping),
        other => {
            let known = "hello, send, ack, read, history, group, receipts, refresh, typing, \
                presence, privacy or ping";
            let shown: String = other.chars().take(64).collect();
            let text = format!("there is no frame of type {shown:?}; it must be {known}");
            Err(Error::new(ErrorCode::UnknownType, text))
        }
    };
    frame.and_then(within_limits).map_err(refuse)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(rename = "ref", borrow)]
    reference: Option<&'a RawValue>,
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads a value; the error names the field.
///
/// # Errors
/// `bad_field`.
pub fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    parsed_to(text, RECIPIENT)
}

/// With what to say of a recipient that is none.
fn parsed_to<T: DeserializeOwned>(text: &str, recipient: &str) -> Result<T, Error> {
    // Following the path costs as much as parsing; only a refusal needs it.
    if let Ok(parsed) = serde_json::from_str(text) {
        return Ok(parsed);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner().to_string();
        // "missing field `to`" is reported at the parent; the field it names is more use.
        let missing = inner.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (missing, path.as_str()) {
            (Some(name), ".") => name.to_owned(),
            (Some(name), parent) => format!("{parent}.{name}"),
            (None, path) => path.to_owned(),
        };
        // Where in the frame it stood says nothing to a program that builds frames by a library.
        let text = inner.split(" at line ").next().unwrap_or(&inner);
        let text = if path == "to" && missing.is_none() { recipient.into() } else { plain(text) };
        bad_field(field, text)
    })
}

/// Whom a message is for is a union, of which serde's errors tell little.
const RECIPIENT: &str =
    r#"expected `user` or `group` and nothing beside it, such as {"user":"bob"}"#;

/// So is who is told of typing, of one.
const TYPED_TO: &str = r#"expected `user` and nothing beside it, such as {"user":"bob"}"#;

/// serde's text without the names of Rust's types.
fn plain(text: &str) -> String {
    if text.starts_with("UUID parsing failed") {
        return InvalidConversationId.to_string();
    }
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.into() };
    let expected = match expected {
        "u32" | "u64" => "a whole number, 0 or more",
        "a sequence" => "a list",
        name if name.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// The limits that the types alone do not hold.
fn within_limits(frame: ClientFrame) -> Result<ClientFrame, Error> {
    let refusal = match &frame {
        ClientFrame::Hello(Hello { token, .. }) | ClientFrame::Refresh(Refresh { token, .. })
            if token.len() > TOKEN =>
        {
            Some(bad_field("token", format!("must be at most {TOKEN} bytes")))
        }
        ClientFrame::Send(send) => check_change(&send.to, &send.content).err(),
        ClientFrame::Ack(ack) if ack.messages.len() > ACK_IDS => {
            Some(bad_field("messages", format!("must be at most {ACK_IDS} ids")))
        }
        ClientFrame::Ack(ack) if ack.receipts.len() > ACK_IDS => {
            Some(bad_field("receipts", format!("must be at most {ACK_IDS} ids")))
        }
        ClientFrame::History(history)
            if history.conversation.is_some() == history.user.is_some() =>
        {
            Some(bad_field("conversation", "name either a conversation or a user".into()))
        }
        ClientFrame::History(history) if history.before.is_some() && history.after.is_some() => {
            Some(bad_field("after", "name either before or after".into()))
        }
        ClientFrame::History(history)
            if history.limit.is_some_and(|n| n == 0 || n > HISTORY_PAGE) =>
        {
            Some(bad_field("limit", format!("must be 1 to {HISTORY_PAGE}")))
        }
        ClientFrame::History(history) if history.since.is_some_and(|at| at > TIME) => {
            Some(bad_field("since", format!("must be at most {TIME}, in milliseconds")))
        }
        ClientFrame::History(history) if history.until.is_some_and(|at| at > TIME) => {
            Some(bad_field("until", format!("must be at most {TIME}, in milliseconds")))
        }
        ClientFrame::Presence(presence) if presence.users.len() > WATCHED => {
            Some(bad_field("users", format!("must be at most {WATCHED} users")))
        }
        _ => None,
    };
    refusal.map_or(Ok(frame), Err)
}

/// A change of a group can be carried out only if it can be read, and goes to a group.
///
/// # Errors
/// `bad_field`.
pub fn check_change(to: &Recipient, content: &Content) -> Result<(), Error> {
    match (GroupChange::of(content), to) {
        (None, _) | (Some(Ok(_)), Recipient::Group(_)) => Ok(()),
        (Some(Ok(_)), Recipient::User(_)) => {
            Err(bad_field("to.user", "a change of a group goes to a `group`".into()))
        }
        (Some(Err(error)), _) => Err(bad_field(error.field, error.text)),
    }
}

fn bad_field(field: impl Into<String>, text: String) -> Error {
    Error { field: Some(field.into()), ..Error::new(ErrorCode::BadField, text) }
}
