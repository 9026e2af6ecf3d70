//! What a certificate says: enough to decide whether it is to be issued anew.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use crate::{Ca, Names, PkiError, Validity};

/// What a certificate says. Its signature is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The names that it is for, normalized.
    pub names: Names,
    /// When it is valid, in whole seconds.
    pub validity: Validity,
    /// The public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| PkiError::Certificate(error.to_string()))?;
        let (_, x509) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| PkiError::Certificate(error.to_string()))?;
        let (mut subject_key_id, mut authority_key_id) = (None, None);
        for extension in x509.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        Ok(Self {
            names: names(&x509)?,
            validity: Validity {
                from: time(x509.validity().not_before.timestamp()),
                until: time(x509.validity().not_after.timestamp()),
            },
            public_key: x509.public_key().raw.to_vec(),
            subject_key_id,
            authority_key_id,
        })
    }

    /// Whether it says that this CA issued it.
    pub fn is_from(&self, ca: &Ca) -> Result<bool, PkiError> {
        Ok(self.is_issued_by(&Self::from_pem(ca.certificate())?))
    }

    /// Whether it says that the CA with this certificate issued it.
    pub fn is_issued_by(&self, ca: &Self) -> bool {
        ca.subject_key_id.is_some() && self.authority_key_id == ca.subject_key_id
    }

    /// Whether this private key, in PEM, is the certificate's.
    pub fn has_key(&self, key: &str) -> Result<bool, PkiError> {
        let key = KeyPair::from_pem(key).map_err(|error| PkiError::Key(error.to_string()))?;
        Ok(key.subject_public_key_info() == self.public_key)
    }

    /// Whether it should be replaced at `now`: a third or less of its life is left, or it is not yet valid.
    pub fn is_due(&self, now: SystemTime) -> bool {
        now < self.validity.from || now >= self.due_at()
    }

    /// When a third of its life is left.
    pub fn due_at(&self) -> SystemTime {
        let life = self.validity.until.duration_since(self.validity.from).unwrap_or_default();
        self.validity.until - life / 3
    }
}

fn names(x509: &X509Certificate<'_>) -> Result<Names, PkiError> {
    let extension = x509
        .subject_alternative_name()
        .map_err(|error| PkiError::Certificate(error.to_string()))?;
    let mut names = Names::default();
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
            GeneralName::DNSName(host) => names.dns.push((*host).to_owned()),
            GeneralName::IPAddress(bytes) => names.ips.extend(address(bytes)),
            _ => {}
        }
    }
    Ok(names.normalized())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0).unsigned_abs())
}
