//! The CA of a ChatCluster, and what it issues.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use crate::{Certificate, Names, PkiError, Validity};

/// A CA: signs the certificates of one ChatCluster. Its key is never mounted where a role runs.
pub struct Ca {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

impl Ca {
    /// A new CA with a new key. Its subject carries a part of its key's hash, so that a trust store
    /// holding an older CA of the same name tells the two apart.
    pub fn generate(name: &str, validity: Validity) -> Result<Self, PkiError> {
        let key = new_key()?;
        let mut params = params(validity);
        let id = params.key_identifier(&key);
        let hash: String = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = common_name(&format!("ChatCluster {name} CA {hash}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(issue_error)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The CA whose certificate and key these are.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, PkiError> {
        if !Certificate::from_pem(certificate)?.has_key(key)? {
            return Err(PkiError::KeyMismatch);
        }
        let key = KeyPair::from_pem(key).map_err(|error| PkiError::Key(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key)
            .map_err(|error| PkiError::Certificate(error.to_string()))?;
        Ok(Self { certificate: certificate.to_owned(), issuer })
    }

    /// The CA's certificate in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The CA's key in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a role, for both ends of mutual TLS, with a new key.
    pub fn issue_role(&self, names: &Names, validity: Validity) -> Result<Issued, PkiError> {
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(names, validity, both.to_vec())
    }

    /// A certificate for a server that clients connect to, with a new key.
    pub fn issue_server(&self, names: &Names, validity: Validity) -> Result<Issued, PkiError> {
        self.issue(names, validity, vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    fn issue(
        &self,
        names: &Names,
        validity: Validity,
        purposes: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<Issued, PkiError> {
        let key = new_key()?;
        let mut params = params(validity);
        let subject = names.dns.first().or(names.uris.first());
        // X.509 ends a common name at 64 characters; nobody decides by it, the SANs say it all.
        let subject: String =
            subject.map_or("chatcluster", String::as_str).chars().take(64).collect();
        params.distinguished_name = common_name(&subject);
        params.subject_alt_names = names.to_sans()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue_error)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

/// Shows the certificate, never the key.
impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Shows the certificate, never the key.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue_error)
}

fn params(validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn issue_error(error: rcgen::Error) -> PkiError {
    PkiError::Issue(error.to_string())
}
