//! Groups: a change is a message of a type of its own, and whoever stores it carries it out.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Body, Content, ContentType, RequestId};
use crate::{
    id::{GroupId, UserId},
    limits::{GROUP_NAME, GROUP_USERS},
};

/// A change of a group, as the body of a message to it. Storing the message carries the change out, and
/// every member's devices get it, those of new members and of removed ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupChange {
    /// There was no such group; the sender is its owner.
    Create(GroupCreation),
    /// These users take part from now on. For owner and admins.
    Add(#[schemars(length(min = 1, max = 100))] Vec<UserId>),
    /// These take part no more. For the owner; admins may remove members.
    Remove(#[schemars(length(min = 1, max = 100))] Vec<UserId>),
    /// The sender takes part no more. After the owner, the admin who has been there longest is the owner, or
    /// else the member.
    Leave(Empty),
    /// Another name. For owner and admins.
    Rename(GroupName),
    /// A member's role. For the owner, who is an admin once another one is the owner.
    Role(RoleGiven),
}

/// A new group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupCreation {
    /// Its name.
    pub name: GroupName,
    /// Who takes part beside the sender.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub members: Vec<UserId>,
}

/// Nothing more to say: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}

/// A role for a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleGiven {
    /// Who gets it.
    pub user: UserId,
    /// The role.
    pub role: Role,
}

/// What a member of a group may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Write, read and leave.
    Member,
    /// Also add users, remove members, and rename the group.
    Admin,
    /// Everything. A group that anybody takes part in has one.
    Owner,
}

/// The name of a group: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

/// Why a change cannot be read: which field of the body, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct InvalidGroupChange {
    /// The field, from `content` on.
    pub field: String,
    /// What would be right.
    pub text: String,
}

/// A name is empty, too long, or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a group's name must be 1 to 128 characters, none of them a control character")]
pub struct InvalidGroupName;

impl GroupChange {
    /// The content type of changes.
    pub const TYPE: &str = "application/vnd.chatcluster.group+json";

    /// The change that a message is, where it is one.
    pub fn of(content: &Content) -> Option<Result<Self, InvalidGroupChange>> {
        Self::read(&content.kind, &content.body)
    }

    /// The same, of its parts.
    pub fn read(kind: &ContentType, body: &Body) -> Option<Result<Self, InvalidGroupChange>> {
        (kind.as_str() == Self::TYPE).then(|| Self::parse(body.as_str()))
    }

    fn parse(body: &str) -> Result<Self, InvalidGroupChange> {
        let mut json = serde_json::Deserializer::from_str(body);
        let change: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let field = match error.path().to_string().as_str() {
                "." => "content.body".to_owned(),
                path => format!("content.body.{path}"),
            };
            let inner = error.into_inner().to_string();
            // Where in the body it stood says nothing to a program that writes it by a library.
            let text = inner.split(" at line ").next().unwrap_or(&inner).to_owned();
            InvalidGroupChange { field, text }
        })?;
        json.end().map_err(|_| InvalidGroupChange {
            field: "content.body".into(),
            text: "must be one JSON object".into(),
        })?;
        change.within_limits()?;
        Ok(change)
    }

    /// The limits that the types alone do not hold.
    fn within_limits(&self) -> Result<(), InvalidGroupChange> {
        let (field, users, least) = match self {
            Self::Create(creation) => ("create.members", &creation.members, 0),
            Self::Add(users) => ("add", users, 1),
            Self::Remove(users) => ("remove", users, 1),
            Self::Leave(_) | Self::Rename(_) | Self::Role(_) => return Ok(()),
        };
        let distinct = users.iter().collect::<BTreeSet<_>>().len() == users.len();
        if (least..=GROUP_USERS).contains(&users.len()) && distinct {
            return Ok(());
        }
        let field = format!("content.body.{field}");
        let text = format!("must name {least} to {GROUP_USERS} users, each once");
        Err(InvalidGroupChange { field, text })
    }

    /// The content of the message that carries it out.
    pub fn content(&self) -> Content {
        // A hundred of the longest names take half of what a body may have, and writing plain data to
        // memory cannot fail.
        let body = serde_json::to_string(self).unwrap_or_default();
        let content = ContentType::new(Self::TYPE)
            .and_then(|kind| Ok(Content { kind, body: Body::new(body)? }));
        content.unwrap_or_else(|_| unreachable!("a change is small, and its type is one"))
    }
}

impl GroupName {
    /// Checks the form.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidGroupName> {
        let text = text.into();
        let valid = (1..=GROUP_NAME).contains(&text.chars().count());
        if valid && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidGroupName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for GroupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for GroupName {
    fn schema_name() -> Cow<'static, str> {
        "GroupName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": GROUP_NAME })
    }
}

/// Who takes part in a group that the user takes part in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRequest {
    /// Chosen by the client; the answer carries it.
    pub id: RequestId,
    /// Which group.
    pub group: GroupId,
}

/// Answers `group`: the group as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupState {
    /// The id of the `group`.
    pub id: RequestId,
    /// Which group.
    pub group: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Who takes part, by name.
    pub members: Vec<GroupMember>,
}

/// Somebody who takes part in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupMember {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<GroupChange, InvalidGroupChange> {
        let kind = ContentType::new(GroupChange::TYPE).unwrap();
        GroupChange::read(&kind, &Body::new(body).unwrap()).unwrap()
    }

    #[test]
    fn changes_come_back_as_they_were_written() {
        let bob = UserId::new("bob").unwrap();
        let name = GroupName::new("Lunch 🥗").unwrap();
        for (change, body) in [
            (
                GroupChange::Create(GroupCreation {
                    name: name.clone(),
                    members: vec![bob.clone()],
                }),
                r#"{"create":{"name":"Lunch 🥗","members":["bob"]}}"#,
            ),
            (GroupChange::Add(vec![bob.clone()]), r#"{"add":["bob"]}"#),
            (GroupChange::Leave(Empty {}), r#"{"leave":{}}"#),
            (GroupChange::Rename(name), r#"{"rename":"Lunch 🥗"}"#),
            (
                GroupChange::Role(RoleGiven { user: bob, role: Role::Admin }),
                r#"{"role":{"user":"bob","role":"admin"}}"#,
            ),
        ] {
            let content = change.content();
            assert_eq!(content.body.as_str(), body);
            assert_eq!(GroupChange::of(&content), Some(Ok(change)));
        }
        assert_eq!(GroupChange::of(&Content::text("{}").unwrap()), None);
    }

    #[test]
    fn what_is_wrong_with_a_change_is_named() {
        let many: Vec<String> = (0..=GROUP_USERS).map(|n| format!(r#""u{n}""#)).collect();
        let many = format!(r#"{{"add":[{}]}}"#, many.join(","));
        for (body, field) in [
            ("", "content.body"),
            ("{}", "content.body"),
            (r#"{"leave":{}} {}"#, "content.body"),
            (r#"{"invite":["bob"]}"#, "content.body"),
            (r#"{"add":["bob"],"remove":["bob"]}"#, "content.body"),
            (r#"{"add":[]}"#, "content.body.add"),
            (r#"{"add":["bob","bob"]}"#, "content.body.add"),
            (r#"{"add":["b b"]}"#, "content.body.add[0]"),
            (&many, "content.body.add"),
            (r#"{"create":{"name":""}}"#, "content.body.create.name"),
            (r#"{"rename":"a\nb"}"#, "content.body.rename"),
            (r#"{"role":{"user":"bob","role":"king"}}"#, "content.body.role.role"),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.field, field, "{body}: {error}");
        }
    }
}
