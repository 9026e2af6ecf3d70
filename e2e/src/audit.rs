//! Reading what the API server wrote down of each request.
//! (Format: audit.k8s.io/v1 Event, a JSON object a line.)

use serde_json::Value;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The resource's plural, with its subresource: `pods`, `chatclusters/status`.
    pub resource: String,
    /// Which one; empty for all.
    pub name: String,
    /// HTTP's status code of the answer.
    pub code: u64,
}

impl Request {
    /// Whether it could have changed something.
    pub fn is_mutating(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Reads a line, if it is about a request of this impersonated user. A line that is still being
    /// written is none.
    pub(crate) fn read(line: &str, user: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        if event["impersonatedUser"]["username"] != user {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let resource = match (text(&object["resource"]), text(&object["subresource"])) {
            (resource, part) if part.is_empty() => resource,
            (resource, part) => format!("{resource}/{part}"),
        };
        Some(Self {
            verb: text(&event["verb"]),
            resource,
            name: text(&object["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"verb":"patch","impersonatedUser":{"username":"me"},"objectRef":{"resource":"pods","name":"a","subresource":"status"},"responseStatus":{"code":200}}"#;

    #[test]
    fn a_line_of_somebody_else_or_half_a_line_is_none() {
        let request = Request::read(LINE, "me").unwrap();
        assert_eq!((request.resource.as_str(), request.name.as_str()), ("pods/status", "a"));
        assert!(request.is_mutating() && request.code == 200);
        assert_eq!(Request::read(LINE, "you"), None);
        assert_eq!(Request::read(&LINE[..40], "me"), None);
    }
}
