//! A plan in the making: each Secret but the CA's is looked at by itself.

use std::time::{Duration, SystemTime};

use chatcluster_config::Role;
use chatcluster_pki::{Ca, Certificate, Issued, Names, PkiError, Validity};
use k8s_openapi::api::core::v1::Secret;

use super::{
    JwtKey, KeyError, KeyEvent, KeyProblem, Part, Planned, SeenKeys, ServerCertificate, WantedKeys,
    Write,
    secret::{self, bytes, check_owner, put, text},
};
use crate::keys::{Stale, new_secret, stale};

const TLS_FIELD: &str = "spec.gateways.tls";
const JWT_FIELD: &str = "spec.auth.jwt.secretRef";

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) wanted: &'a WantedKeys,
    pub(super) seen: &'a SeenKeys,
    pub(super) now: SystemTime,
    pub(super) ca: &'a Ca,
    pub(super) bundle: String,
    pub(super) writes: Vec<Planned>,
    pub(super) problems: Vec<KeyProblem>,
    pub(super) look_within: Duration,
}

type Issue = fn(&Ca, &Names, Validity) -> Result<Issued, PkiError>;

impl Draft<'_> {
    pub(super) fn role(&mut self, role: Role) -> Result<(), KeyError> {
        let part = Part::Role(role);
        let found = self.own(part)?;
        let names = self.wanted.role_names(role);
        self.certificate(part, found, &names, Ca::issue_role).map_err(|source| KeyError::Make {
            namespace: self.wanted.namespace.clone(),
            secret: part.secret_name(&self.wanted.name),
            source,
        })
    }

    pub(super) fn server(&mut self) {
        let ServerCertificate::SelfSigned { hosts } = &self.wanted.server else { return };
        let names = self.wanted.server_names(hosts);
        let done = self.own(Part::Server).and_then(|found| {
            self.certificate(Part::Server, found, &names, Ca::issue_server).map_err(|source| {
                KeyProblem::NotIssued {
                    namespace: self.wanted.namespace.clone(),
                    secret: Part::Server.secret_name(&self.wanted.name),
                    field: TLS_FIELD,
                    source,
                }
            })
        });
        self.problems.extend(done.err());
    }

    /// Issues a certificate if there is none or a stale one, and sees to what it is to trust.
    fn certificate(
        &mut self,
        part: Part,
        found: Option<&Secret>,
        names: &Names,
        issue: Issue,
    ) -> Result<(), PkiError> {
        let secret = part.secret_name(&self.wanted.name);
        let why = match found {
            None => None,
            Some(found) => match self.stale(found, names) {
                None => {
                    self.trust(found, secret);
                    return Ok(());
                }
                why => why,
            },
        };
        let Issued { certificate, key } = issue(self.ca, names, Validity::days_90(self.now))?;
        let data = [("tls.crt", certificate), ("tls.key", key), ("ca.crt", self.bundle.clone())];
        let write = match found {
            None => Write::Create(secret::create(self.wanted, part, secret::TLS, data)),
            Some(found) => replace(found, data),
        };
        self.writes.push(Planned { write, event: KeyEvent::Issued { secret, why } });
        Ok(())
    }

    fn stale(&mut self, found: &Secret, names: &Names) -> Option<Stale> {
        let certificate = text(found, "tls.crt");
        let why = stale(certificate, text(found, "tls.key"), self.ca, names, self.now);
        if why.is_none()
            && let Ok(certificate) = Certificate::from_pem(certificate)
            && let Ok(left) = certificate.due_at().duration_since(self.now)
        {
            self.look_within = self.look_within.min(left);
        }
        why
    }

    fn trust(&mut self, found: &Secret, secret: String) {
        if text(found, "ca.crt") != self.bundle {
            let write = replace(found, [("ca.crt", self.bundle.clone())]);
            self.writes.push(Planned { write, event: KeyEvent::TrustChanged { secret } });
        }
    }

    /// Makes a secret that signs tokens. One that was lost is not made anew: that would end every token.
    pub(super) fn token_secret(&mut self, part: Part) {
        let secret = part.secret_name(&self.wanted.name);
        match self.own(part) {
            Ok(None) => {
                let data = [("key", new_secret())];
                let write = Write::Create(secret::create(self.wanted, part, secret::OPAQUE, data));
                self.writes.push(Planned { write, event: KeyEvent::SecretCreated { secret } });
            }
            Ok(Some(found)) if bytes(found, "key").is_none() => {
                self.problems.push(KeyProblem::Damaged {
                    namespace: self.wanted.namespace.clone(),
                    secret,
                    key: "key",
                    reason: "it is not there".to_owned(),
                    remedy: "restore it, or delete the Secret: then another is made, and tokens \
                             signed with the old one are refused",
                });
            }
            Ok(Some(_)) => {}
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Looks whether the user's own Secrets have what they should.
    pub(super) fn users_secrets(&mut self) {
        if let ServerCertificate::UserSecret { name } = &self.wanted.server {
            self.users_secret(name, &["tls.crt", "tls.key"], TLS_FIELD);
        }
        if let JwtKey::UserSecret { name, key } = &self.wanted.jwt {
            self.users_secret(name, &[key], JWT_FIELD);
        }
    }

    fn users_secret(&mut self, name: &str, keys: &[&str], field: &'static str) {
        let namespace = || self.wanted.namespace.clone();
        let secret = || name.to_owned();
        let Some(found) = self.seen.secrets.get(name) else {
            let key = keys.join(" and ");
            let problem =
                KeyProblem::NoUserSecret { namespace: namespace(), secret: secret(), key, field };
            self.problems.push(problem);
            return;
        };
        let missing = keys.iter().filter(|key| bytes(found, key).is_none());
        let missing = missing.map(|key| KeyProblem::NoUserKey {
            namespace: namespace(),
            secret: secret(),
            key: (*key).to_owned(),
            field,
        });
        self.problems.extend(missing);
    }

    pub(super) fn problem_with(&self, name: &str) -> bool {
        self.problems.iter().any(|problem| problem.secret() == name)
    }
}

impl<'a> Draft<'a> {
    /// The Secret of this part, which must be this ChatCluster's.
    fn own(&self, part: Part) -> Result<Option<&'a Secret>, KeyProblem> {
        let found = self.seen.secrets.get(&part.secret_name(&self.wanted.name));
        found.map(|found| check_owner(found, self.wanted).map(|()| found)).transpose()
    }
}

fn replace<const N: usize>(found: &Secret, data: [(&str, String); N]) -> Write {
    let mut secret = found.clone();
    for (key, text) in data {
        put(&mut secret, key, text);
    }
    Write::Replace(secret)
}
