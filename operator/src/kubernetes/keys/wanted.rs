//! What keys a ChatCluster needs, and in which Secrets they are.

use std::time::Duration;

use chatcluster_config::Role;
use chatcluster_pki::Names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::keys;

/// The keys that a ChatCluster needs.
#[derive(Debug, Clone)]
pub struct WantedKeys {
    /// The ChatCluster's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The ChatCluster as the controller of its Secrets.
    pub owner: OwnerReference,
    /// The domain of the Kubernetes cluster: `cluster.local`.
    pub cluster_domain: String,
    /// What clients see.
    pub server: ServerCertificate,
    /// What verifies users' tokens.
    pub jwt: JwtKey,
    /// The value of the annotation `chatcluster.io/rotate-ca`: each new one asks for a new CA.
    pub rotate: Option<String>,
    /// How long a rotation waits before each step, counted from when every Secret says what the step
    /// before wants: longer than a kubelet needs to bring a Secret into a pod (2 minutes at most) and a
    /// program to load it (3 s). [`WantedKeys::PAUSE`] unless a test has less to wait for.
    pub pause: Duration,
}

/// The certificate that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCertificate {
    /// The ChatCluster's own CA issues it, for the names of the gateways' Service, localhost, and these
    /// hosts.
    SelfSigned {
        /// Host names and addresses.
        hosts: Vec<String>,
    },
    /// It is in a Secret of the user's, in `tls.crt` and `tls.key`.
    UserSecret {
        /// The Secret.
        name: String,
    },
    /// TLS is terminated elsewhere.
    None,
}

/// The key that verifies users' tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKey {
    /// One is made.
    Generated,
    /// It is in a Secret of the user's.
    UserSecret {
        /// The Secret.
        name: String,
        /// The key in it.
        key: String,
    },
}

/// A Secret that the operator keeps for a ChatCluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The CA, in `ca.crt` and `ca.key`. Never mounted.
    Ca,
    /// A role's certificate, in `tls.crt` and `tls.key`, with the trust bundle in `ca.crt`.
    Role(Role),
    /// The certificate that clients see, in the same keys. Kept where it is self-signed.
    Server,
    /// The HS256 secret of users' tokens, in `key`. Kept where the user has none.
    Jwt,
    /// The HS256 secret of backends' tokens, in `key`.
    ServiceToken,
}

impl Part {
    /// The name of the Secret, for the ChatCluster of this name.
    pub fn secret_name(self, cluster: &str) -> String {
        let part = match self {
            Self::Ca => "ca",
            Self::Role(Role::Gateway) => "gateway-tls",
            Self::Role(Role::Messages) => "messages-tls",
            Self::Role(Role::Database) => "database-tls",
            Self::Server => "server-tls",
            Self::Jwt => "jwt",
            Self::ServiceToken => "service-token",
        };
        format!("{cluster}-{part}")
    }
}

impl WantedKeys {
    /// The pause between the steps of a rotation.
    pub const PAUSE: Duration = Duration::from_secs(300);

    /// The prefix of every role's URI.
    pub fn identity(&self) -> String {
        keys::identity(&self.cluster_domain, &self.namespace, &self.name)
    }

    /// The names of all Secrets that decide what to write, the user's own included.
    pub fn secret_names(&self) -> Vec<String> {
        let users = match &self.server {
            ServerCertificate::UserSecret { name } => Some(name.clone()),
            ServerCertificate::SelfSigned { .. } | ServerCertificate::None => None,
        };
        let jwt = match &self.jwt {
            JwtKey::UserSecret { name, .. } => Some(name.clone()),
            JwtKey::Generated => None,
        };
        let mut names: Vec<_> =
            self.parts().map(|part| part.secret_name(&self.name)).chain(users).chain(jwt).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The Secrets that are kept.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let server = matches!(self.server, ServerCertificate::SelfSigned { .. });
        let jwt = self.jwt == JwtKey::Generated;
        [Part::Ca, Part::Role(Role::Gateway), Part::Role(Role::Messages), Part::ServiceToken]
            .into_iter()
            .chain(server.then_some(Part::Server))
            .chain(jwt.then_some(Part::Jwt))
    }

    /// The names in a role's certificate.
    pub(super) fn role_names(&self, role: Role) -> Names {
        Names::role(role.uri(&self.identity()))
    }

    /// The names in a self-signed server's certificate: those of the gateways' Service, and the hosts.
    pub(super) fn server_names(&self, hosts: &[String]) -> Names {
        let (namespace, domain) = (&self.namespace, &self.cluster_domain);
        let service = format!("{}-gateway", self.name);
        let own = [
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{domain}"),
            "localhost".to_owned(),
        ];
        Names::server(own.iter().chain(hosts))
    }
}
