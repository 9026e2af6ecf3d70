//! Secrets as the API server has them: read, made, changed.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{KeyProblem, Part, WantedKeys};

/// The type of a Secret that any tool may read a certificate from.
pub(super) const TLS: &str = "kubernetes.io/tls";
/// The type of all others.
pub(super) const OPAQUE: &str = "Opaque";

/// A Secret to write.
#[derive(Clone)]
pub enum Write {
    /// There was none. That there is one by now is no failure: look again.
    Create(Secret),
    /// There was one, at this resource version. That there is another by now is no failure: look again.
    Replace(Secret),
}

impl Write {
    /// The Secret.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Create(secret) | Self::Replace(secret) => secret,
        }
    }

    /// The Secret's name.
    pub fn name(&self) -> &str {
        self.secret().metadata.name.as_deref().unwrap_or_default()
    }
}

/// Shows names, never content.
impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Create(_) => "Create",
            Self::Replace(_) => "Replace",
        };
        f.debug_tuple(kind).field(&self.name()).finish()
    }
}

/// A new Secret of this ChatCluster.
pub(super) fn create<const N: usize>(
    wanted: &WantedKeys,
    part: Part,
    type_: &str,
    data: [(&str, String); N],
) -> Secret {
    let labels = [
        ("app.kubernetes.io/name", "chatcluster"),
        ("app.kubernetes.io/instance", &wanted.name),
        ("app.kubernetes.io/component", "keys"),
        ("app.kubernetes.io/managed-by", "chatcluster-operator"),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut secret = Secret {
        metadata: ObjectMeta {
            name: Some(part.secret_name(&wanted.name)),
            namespace: Some(wanted.namespace.clone()),
            labels: Some(labels.into()),
            owner_references: Some(vec![wanted.owner.clone()]),
            ..ObjectMeta::default()
        },
        type_: Some(type_.to_owned()),
        ..Secret::default()
    };
    for (key, text) in data {
        put(&mut secret, key, text);
    }
    secret
}

/// Sets a key's text.
pub(super) fn put(secret: &mut Secret, key: &str, text: String) {
    let data = secret.data.get_or_insert_with(BTreeMap::new);
    data.insert(key.to_owned(), ByteString(text.into_bytes()));
}

/// Removes a key.
pub(super) fn remove(secret: &mut Secret, key: &str) {
    if let Some(data) = &mut secret.data {
        data.remove(key);
    }
}

/// A key's content, if there is any.
pub(super) fn bytes<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let content = secret.data.as_ref()?.get(key)?.0.as_slice();
    (!content.is_empty()).then_some(content)
}

/// A key's text; empty if there is none, or if it is none.
pub(super) fn text<'a>(secret: &'a Secret, key: &str) -> &'a str {
    bytes(secret, key).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Refuses a Secret that is not this ChatCluster's.
pub(super) fn check_owner(secret: &Secret, wanted: &WantedKeys) -> Result<(), KeyProblem> {
    let owners = secret.metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    if controller.is_some_and(|owner| owner.uid == wanted.owner.uid) {
        return Ok(());
    }
    let owner = controller.map_or_else(
        || "nobody's".to_owned(),
        |owner| match (owner.kind == wanted.owner.kind, owner.name == wanted.owner.name) {
            (true, true) => "that of an earlier one of the same name".to_owned(),
            _ => format!("that of {} {}", owner.kind, owner.name),
        },
    );
    Err(KeyProblem::NotOurs {
        namespace: wanted.namespace.clone(),
        secret: secret.metadata.name.clone().unwrap_or_default(),
        owner,
    })
}
