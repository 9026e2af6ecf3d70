//! The names in a certificate.

use std::net::IpAddr;

use rcgen::SanType;

use crate::PkiError;

/// The names that a certificate is for: its subject alternative names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// URIs: the role, `spiffe://<cluster domain>/ns/<namespace>/chatcluster/<name>/<role>`.
    pub uris: Vec<String>,
    /// Host names.
    pub dns: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
}

impl Names {
    /// A role's URI alone. Peers check the CA and the URI, not the address.
    pub fn role(uri: impl Into<String>) -> Self {
        Self { uris: vec![uri.into()], ..Self::default() }
    }

    /// A server's host names and addresses; what reads as an address is one.
    pub fn server<T: AsRef<str>>(hosts: impl IntoIterator<Item = T>) -> Self {
        let mut names = Self::default();
        for host in hosts {
            let host = host.as_ref();
            match host.parse() {
                Ok(ip) => names.ips.push(ip),
                Err(_) => names.dns.push(host.to_owned()),
            }
        }
        names
    }

    /// The same names in one order, without repeats; two certificates are for the same names when
    /// these are equal.
    pub fn normalized(mut self) -> Self {
        self.dns.iter_mut().for_each(|name| name.make_ascii_lowercase());
        self.uris.sort();
        self.uris.dedup();
        self.dns.sort();
        self.dns.dedup();
        self.ips.sort();
        self.ips.dedup();
        self
    }

    pub(crate) fn to_sans(&self) -> Result<Vec<SanType>, PkiError> {
        let text =
            |name: &String| name.as_str().try_into().map_err(|_| PkiError::Name(name.clone()));
        let uris = self.uris.iter().map(|uri| Ok(SanType::URI(text(uri)?)));
        let dns = self.dns.iter().map(|name| match is_host_name(name) {
            true => Ok(SanType::DnsName(text(name)?)),
            false => Err(PkiError::Name(name.clone())),
        });
        let ips = self.ips.iter().map(|ip| Ok(SanType::IpAddress(*ip)));
        uris.chain(dns).chain(ips).collect()
    }
}

/// RFC 1123 labels, the first of which may be `*`.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253 && rest.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_checked_before_they_enter_a_certificate() {
        for good in ["localhost", "chat.example.com", "*.example.com", "a-1.b"] {
            assert!(is_host_name(good), "{good}");
        }
        for wrong in ["", ".", "a..b", "-a", "a_b", "chat example", "a.*", "bücher.example"] {
            assert!(!is_host_name(wrong), "{wrong}");
        }
    }
}
