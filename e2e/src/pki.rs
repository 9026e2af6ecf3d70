//! The certificates by which the parts of a Kubernetes know each other and their users.
//!
//! Kubernetes reads a user's name from the certificate's common name and its group from the
//! organization. (The certificates of a ChatCluster are `chatcluster-pki`'s: they have neither.)

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

/// How long the certificates last, and how far they reach back for clocks that run behind. A cluster
/// of the tests lives for minutes.
const VALID: Duration = Duration::days(365);
const BACKDATED: Duration = Duration::hours(1);

/// A certificate authority.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new authority with a new key.
    pub(crate) fn generate() -> Result<Self> {
        let key = new_key()?;
        let mut params = params("chatcluster-e2e", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).context("make the authority")?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Its certificate in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key in PEM.
    pub(crate) fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for both ends of mutual TLS: for a user in a group (`""`: in none), and for a
    /// server that has these `hosts` as names or addresses.
    pub(crate) fn issue(&self, user: &str, group: &str, hosts: &[&str]) -> Result<Issued> {
        let key = new_key()?;
        let mut params = params(user, hosts)?;
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("make a certificate for {user}"))?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// A key that signs the tokens of service accounts, both halves in PEM.
pub(crate) struct SigningKey {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self> {
        let key = new_key()?;
        Ok(Self { private: key.serialize_pem(), public: key.public_key_pem() })
    }
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("make a key")
}

fn params(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).context("name the hosts of a certificate")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - BACKDATED, now + VALID);
    Ok(params)
}
