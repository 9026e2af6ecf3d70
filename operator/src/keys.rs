//! What local mode and Kubernetes decide alike about keys: which certificate is still good, what a new
//! secret is, what a service token says. No I/O and no clock.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chatcluster_pki::{Ca, Certificate, Names, PkiError};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

/// The `aud` of service tokens.
pub const SERVICE_AUDIENCE: &str = "chatcluster-messages";

/// How long a service token is good.
const SERVICE_TOKEN_LASTS: Duration = Duration::from_secs(30 * 86_400);

/// The prefix of every role's URI, as in [`chatcluster_config::MutualTls::identity`].
pub fn identity(cluster_domain: &str, namespace: &str, name: &str) -> String {
    format!("spiffe://{cluster_domain}/ns/{namespace}/chatcluster/{name}")
}

/// Why a certificate is to be issued anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// It, or its key, cannot be read.
    Unreadable(String),
    /// It is for other names than those wanted.
    Names,
    /// A third or less of its life is left, or it is not valid yet.
    Due,
    /// The key beside it is another one's.
    Key,
    /// It is of another CA.
    Issuer,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the old one cannot be used: {why}"),
            Self::Names => f.write_str("its names changed"),
            Self::Due => f.write_str("its end comes near"),
            Self::Key => f.write_str("the key beside the old one was another one's"),
            Self::Issuer => f.write_str("the CA changed"),
        }
    }
}

/// Why this certificate, for these names and from this CA, is to be issued anew; `None` if it is good.
pub fn stale(
    certificate: &str,
    key: &str,
    ca: &Ca,
    names: &Names,
    now: SystemTime,
) -> Option<Stale> {
    let look = || -> Result<Option<Stale>, PkiError> {
        let certificate = Certificate::from_pem(certificate)?;
        Ok(if !certificate.has_key(key)? {
            Some(Stale::Key)
        } else if !certificate.is_from(ca)? {
            Some(Stale::Issuer)
        } else if certificate.names != names.clone().normalized() {
            Some(Stale::Names)
        } else if certificate.is_due(now) {
            Some(Stale::Due)
        } else {
            None
        })
    };
    look().unwrap_or_else(|error| Some(Stale::Unreadable(error.to_string())))
}

/// A new secret of 256 bits, as 64 hexadecimal digits.
pub fn new_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Serialize)]
struct ServiceClaims<'a> {
    sub: &'a str,
    aud: &'static str,
    scope: &'static str,
    iat: u64,
    exp: u64,
}

/// Everything that there is to be allowed.
const SCOPE: &str =
    "messages:read messages:send devices:write sessions:write connections:read connections:close";

/// A token that lets a backend do everything for 30 days.
pub fn service_token(
    key: &str,
    subject: &str,
    now: SystemTime,
) -> Result<String, jsonwebtoken::errors::Error> {
    let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = ServiceClaims {
        sub: subject,
        aud: SERVICE_AUDIENCE,
        scope: SCOPE,
        iat,
        exp: iat + SERVICE_TOKEN_LASTS.as_secs(),
    };
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use chatcluster_pki::Validity;

    use super::*;

    #[test]
    fn a_certificate_is_good_until_one_thing_about_it_is_not() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (ca, other) = (
            Ca::generate("a", Validity::years_10(now)).unwrap(),
            Ca::generate("a", Validity::years_10(now)).unwrap(),
        );
        let names = Names::server(["b.example", "A.example"]);
        let good = ca.issue_server(&names, Validity::days_90(now)).unwrap();
        let stale = |certificate: &str, key: &str, ca, names: &Names, now| {
            super::stale(certificate, key, ca, names, now)
        };
        let (pem, key) = (good.certificate.as_str(), good.key.as_str());
        assert_eq!(stale(pem, key, &ca, &names, now), None);
        assert_eq!(stale(pem, key, &other, &names, now), Some(Stale::Issuer));
        assert_eq!(stale(pem, &other.key(), &ca, &names, now), Some(Stale::Key));
        assert_eq!(stale(pem, key, &ca, &Names::server(["c"]), now), Some(Stale::Names));
        let days = |days: u64| now + Duration::from_secs(days * 86_400);
        assert_eq!(stale(pem, key, &ca, &names, days(59)), None);
        assert_eq!(stale(pem, key, &ca, &names, days(61)), Some(Stale::Due));
        assert!(matches!(stale("", key, &ca, &names, now), Some(Stale::Unreadable(_))));
        assert!(matches!(stale(pem, "", &ca, &names, now), Some(Stale::Unreadable(_))));
    }

    #[test]
    fn secrets_have_64_digits_and_differ() {
        let (one, other) = (new_secret(), new_secret());
        assert_eq!(one.len(), 64);
        assert!(one.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
