//! TLS as a client: which authorities are trusted. Certificate errors are never ignored.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::TlsConnector;

use crate::{config::Trust, error::ConfigError};

pub(crate) fn connector(trust: &Trust) -> Result<TlsConnector, ConfigError> {
    let roots = match trust {
        Trust::System => system()?,
        Trust::CaFile(path) => {
            let wrong = |problem| ConfigError::Ca { path: path.clone(), problem };
            from_file(path).map_err(wrong)?
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::SystemTrust(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn from_file(path: &std::path::Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("holds no certificate in PEM".into());
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A single odd certificate in the system's store is no reason to trust none.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("none found".into(), ToString::to_string);
        return Err(ConfigError::SystemTrust(why));
    }
    Ok(roots)
}
