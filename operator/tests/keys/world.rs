//! Secrets in memory that keep the rules of an API server, and an operator that looks at them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use chatcluster_operator::kubernetes::keys::{
    JwtKey, KeyError, KeyEvent, KeyPlan, Keys, Part, SeenKeys, ServerCertificate, WantedKeys,
    Write, plan,
};
use chatcluster_pki::Certificate;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference,
};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Some time in 2027.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// What an empty spec wants, for the ChatCluster `main` in `chat`.
pub(crate) fn wanted() -> WantedKeys {
    WantedKeys {
        name: "main".into(),
        namespace: "chat".into(),
        owner: owner("1"),
        cluster_domain: "cluster.local".into(),
        server: ServerCertificate::SelfSigned { hosts: vec!["chat.example.com".into()] },
        jwt: JwtKey::Generated,
        rotate: None,
        pause: WantedKeys::PAUSE,
    }
}

pub(crate) fn owner(uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "chatcluster.io/v1alpha1".into(),
        kind: "ChatCluster".into(),
        name: "main".into(),
        uid: uid.into(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Secrets by name. A write of one that has changed since it was read is refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    pub(crate) secrets: BTreeMap<String, Secret>,
    version: u64,
}

impl Store {
    /// Whether it was written.
    pub(crate) fn write(&mut self, write: &Write) -> bool {
        let version = |secret: &Secret| secret.metadata.resource_version.clone();
        let found = self.secrets.get(write.name());
        let allowed = match write {
            Write::Create(_) => found.is_none(),
            Write::Replace(secret) => found.is_some_and(|found| version(found) == version(secret)),
        };
        if allowed {
            self.put(write.secret().clone());
        }
        allowed
    }

    /// Writes as somebody who looks at nothing.
    pub(crate) fn put(&mut self, mut secret: Secret) {
        self.version += 1;
        secret.metadata.resource_version = Some(self.version.to_string());
        self.secrets.insert(secret.metadata.name.clone().unwrap(), secret);
    }

    /// Changes one key of a Secret, if there is the Secret.
    pub(crate) fn edit(&mut self, name: &str, key: &str, content: &str) {
        if let Some(mut secret) = self.secrets.get(name).cloned() {
            let content = ByteString(content.as_bytes().to_vec());
            secret.data.get_or_insert_default().insert(key.into(), content);
            self.put(secret);
        }
    }

    /// A Secret of somebody else's.
    pub(crate) fn put_users(&mut self, name: &str, data: &[(&str, &str)]) {
        let mut secret = Secret::default();
        secret.metadata.name = Some(name.into());
        let data = data
            .iter()
            .map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        secret.data = Some(data.collect());
        self.put(secret);
    }

    pub(crate) fn seen(&self, wanted: &WantedKeys, unchanged_for: Duration) -> SeenKeys {
        let names = wanted.secret_names();
        let secrets = self.secrets.iter().filter(|(name, _)| names.contains(name));
        let secrets = secrets.map(|(name, secret)| (name.clone(), secret.clone())).collect();
        SeenKeys { secrets, unchanged_for }
    }

    /// Looks and writes until there is nothing to write. What was unchanged for some time is no more once
    /// something was written.
    pub(crate) fn ensure(
        &mut self,
        wanted: &WantedKeys,
        mut unchanged_for: Duration,
        now: SystemTime,
    ) -> Result<Keys, KeyError> {
        let mut events = Vec::new();
        for _ in 0..16 {
            match plan(wanted, &self.seen(wanted, unchanged_for), now)? {
                KeyPlan::Good(keys) => return Ok(Keys { events, ..keys }),
                KeyPlan::Write(writes) => {
                    unchanged_for = Duration::ZERO;
                    for planned in writes {
                        assert!(self.write(&planned.write), "nobody else writes here");
                        events.push(planned.event);
                    }
                }
            }
        }
        panic!("always something to write; at last {events:?}");
    }

    pub(crate) fn text(&self, name: &str, key: &str) -> String {
        text(&self.secrets[name], key)
    }
}

pub(crate) fn text(secret: &Secret, key: &str) -> String {
    let content = secret.data.as_ref().and_then(|data| data.get(key)).cloned().unwrap_or_default();
    String::from_utf8(content.0).unwrap()
}

/// The certificates of a bundle.
pub(crate) fn certificates(bundle: &str) -> Vec<Certificate> {
    let parts = bundle.split_inclusive("-----END CERTIFICATE-----");
    parts.filter_map(|pem| Certificate::from_pem(pem).ok()).collect()
}

/// Whether who trusts this bundle accepts that certificate.
pub(crate) fn accepts(bundle: &str, certificate: &str) -> bool {
    let certificate = Certificate::from_pem(certificate).unwrap();
    certificates(bundle).iter().any(|ca| certificate.is_issued_by(ca))
}

/// The Secrets with certificates.
pub(crate) fn certificate_secrets() -> [String; 3] {
    use chatcluster_config::Role::{Gateway, Messages};
    [Part::Role(Gateway), Part::Role(Messages), Part::Server].map(|part| part.secret_name("main"))
}

/// The names of events' Secrets, for short comparisons.
pub(crate) fn reasons(events: &[KeyEvent]) -> Vec<&'static str> {
    events.iter().map(KeyEvent::reason).collect()
}
