//! JSON as the document writes it, where `…` stands for what is not repeated.

use serde_json::Value;

/// The member that an `…` between the members of an object becomes.
pub(crate) const REST: &str = "…";

/// Reads a documented frame. A text that ends with `…` stays as it is.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    let (mut json, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '…' if !quoted => json.push_str("\"…\":null"),
            _ => json.push(c),
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    serde_json::from_str(&json)
}

/// Whether some of an object's members are left out.
pub(crate) fn leaves_out(value: &Value) -> bool {
    value.get(REST).is_some()
}

/// Whether a text shows its beginning only.
pub(crate) fn is_beginning(text: &str) -> bool {
    text.ends_with('…')
}
