//! A CA and what it issues, in files, for tests.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Result;
use chatcluster_config::{MutualTls, Role, ServerTls};
use chatcluster_pki::{Ca, Issued, Names, Validity};

/// The identity of the ChatCluster that tests run.
pub const IDENTITY: &str = "spiffe://cluster.local/ns/test/chatcluster/test";

/// A CA of its own in a folder of its own, which goes when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: tempfile::TempDir,
    ca: Ca,
}

impl Certificates {
    /// A new CA. Its certificate is in [`Certificates::ca_file`].
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chatcluster-certificates").tempdir()?;
        let ca = Ca::generate("test", Validity::years_10(SystemTime::now()))?;
        let certificates = Self { folder, ca };
        std::fs::write(certificates.ca_file(), certificates.ca.certificate())?;
        Ok(certificates)
    }

    /// The CA, to issue what the other functions do not.
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The folder of all files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The CA's certificate: what clients trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A new certificate for a role, in `<name>.pem` and `<name>.key`; one of the same name is replaced.
    pub fn role(&self, name: &str, role: Role) -> Result<MutualTls> {
        let names = Names::role(role.uri(IDENTITY));
        let issued = self.ca.issue_role(&names, Validity::days_397(SystemTime::now()))?;
        let (certificate, key) = self.write(name, &issued)?;
        Ok(MutualTls { certificate, key, ca: self.ca_file(), identity: IDENTITY.into() })
    }

    /// A new certificate for a server on localhost, 127.0.0.1 and ::1, in `<name>.pem` and `<name>.key`;
    /// one of the same name is replaced.
    pub fn server(&self, name: &str) -> Result<ServerTls> {
        let names = Names::server(["localhost", "127.0.0.1", "::1"]);
        let issued = self.ca.issue_server(&names, Validity::days_397(SystemTime::now()))?;
        let (certificate, key) = self.write(name, &issued)?;
        Ok(ServerTls { certificate, key })
    }

    fn write(&self, name: &str, issued: &Issued) -> Result<(PathBuf, PathBuf)> {
        let path = |extension: &str| self.folder.path().join(format!("{name}.{extension}"));
        let (certificate, key) = (path("pem"), path("key"));
        std::fs::write(&certificate, &issued.certificate)?;
        std::fs::write(&key, &issued.key)?;
        Ok((certificate, key))
    }
}
