//! Who the other side of a link is: its chain must come from the CA, and its URI SAN must be an allowed
//! role of this ChatCluster. Host names and addresses are not looked at: pods change them.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{provider, reloaded::Reloaded, role::Material};

/// The certificate is of the CA, but of no role that is allowed here.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is for {found:?}, and this link is for {allowed:?}")]
struct WrongRole {
    found: Vec<String>,
    allowed: Vec<String>,
}

/// Checks CA and role, of servers and of clients.
pub(super) struct RoleVerifier {
    current: Arc<Reloaded<Material>>,
    allowed: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl RoleVerifier {
    /// `allowed` are the whole URIs of the roles.
    pub(super) fn new(current: Arc<Reloaded<Material>>, allowed: Vec<String>) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { current, allowed, algorithms }
    }

    fn check_role(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let found = uris(certificate)?;
        match found.as_slice() {
            [uri] if self.allowed.contains(uri) => Ok(()),
            _ => {
                let wrong = WrongRole { found, allowed: self.allowed.clone() };
                Err(CertificateError::Other(OtherError(Arc::new(wrong))).into())
            }
        }
    }
}

fn uris(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let (_, x509) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let names = x509.subject_alternative_name().map_err(|_| CertificateError::BadEncoding)?;
    let uris =
        names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
    Ok(uris.collect())
}

impl ServerCertVerifier for RoleVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.current.get().roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        self.check_role(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for RoleVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[] // the other side has one certificate and needs no hint
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let roots = self.current.get().roots.clone();
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let verified = chain.verify_client_cert(end_entity, intermediates, now)?;
        self.check_role(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for RoleVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleVerifier").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}
