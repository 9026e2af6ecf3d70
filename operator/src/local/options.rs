//! The command line of `chatcluster-operator local`.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
};

use chatcluster_pki::Names;

/// What `chatcluster-operator local` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = AFTER)]
pub struct Options {
    /// The ChatCluster, in YAML: the file that Kubernetes would get
    pub file: PathBuf,
    /// Folder for messages, keys, certificates and logs; it is kept
    #[arg(long, value_name = "DIR", env = "CHATCLUSTER_DATA", default_value = "chatcluster-data")]
    pub data: PathBuf,
    /// Address that gateways listen on, and names that clients use for it, for the certificate
    #[arg(long, value_name = "ADDR[,NAME...]", default_value = "127.0.0.1")]
    pub listen: Listen,
    /// Port of the first gateway; the others have the next ones, and backends the one before, if it is free
    #[arg(long, value_name = "PORT", default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..))]
    pub port_base: u16,
    /// Show processes, admin ports and the steps of the WebSocket manager
    #[arg(long, short)]
    pub verbose: bool,
}

const AFTER: &str = "\
Clients on this machine find everything in DIR/endpoints.yaml, which is there while the
cluster is up. DIR/ca.pem is what they have to trust. To reach the gateways from other
machines: --listen 0.0.0.0,NAME, where NAME is what those machines call this one.

Environment:
  CHATCLUSTER_REDIS_SERVER  the redis-server to start; by default the one in PATH, then
                            the one that scripts/need redis unpacked";

/// Where gateways listen, and what clients call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address; unspecified (0.0.0.0, ::) is all of this machine's.
    pub address: IpAddr,
    /// Names, or addresses, that clients use for it.
    pub names: Vec<String>,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let address = first.parse().map_err(|_| {
            format!(
                "{first:?} is not an IP address; write ADDR or ADDR,NAME such as 0.0.0.0,chat.local"
            )
        })?;
        let names: Vec<String> = parts.map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err("there is an empty name between commas".into());
        }
        Ok(Self { address, names })
    }
}

impl Listen {
    /// What the certificate is for.
    pub fn certificate_names(&self) -> Names {
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !self.address.is_unspecified() {
            hosts.push(self.address.to_string());
        }
        hosts.extend(self.names.iter().cloned());
        Names::server(hosts).normalized()
    }

    /// What stands in URLs: the first name, else the address.
    pub fn host(&self) -> String {
        match (self.names.first().map(|name| (name, name.parse())), self.address) {
            (Some((_, Ok(IpAddr::V6(address)))), _) => format!("[{address}]"),
            (Some((name, _)), _) => name.clone(),
            (None, IpAddr::V4(Ipv4Addr::LOCALHOST)) => "localhost".into(),
            (None, address) if address.is_unspecified() => "localhost".into(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
            (None, IpAddr::V4(address)) => address.to_string(),
        }
    }

    /// What is worth saying about it.
    pub fn warning(&self) -> Option<&'static str> {
        (self.address.is_unspecified() && self.names.is_empty()).then_some(
            "--listen: the certificate has no name for other machines; add one: --listen 0.0.0.0,NAME",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse().expect(text)
    }

    #[test]
    fn clients_are_told_the_first_name_or_the_address() {
        for (text, host) in [
            ("127.0.0.1", "localhost"),
            ("0.0.0.0", "localhost"),
            ("::1", "[::1]"),
            ("192.168.1.5", "192.168.1.5"),
            ("0.0.0.0,chat.local,other", "chat.local"),
            ("::,fe80::1", "[fe80::1]"),
        ] {
            assert_eq!(listen(text).host(), host, "{text}");
        }
    }

    #[test]
    fn the_certificate_is_for_this_machine_and_for_every_name() {
        let names = listen("192.168.1.5, chat.local").certificate_names();
        assert_eq!(names.dns, ["chat.local", "localhost"]);
        assert_eq!(names.ips.len(), 3);
        assert_eq!(listen("0.0.0.0").certificate_names().ips.len(), 2);
        assert!(listen("0.0.0.0").warning().is_some());
        assert!(listen("0.0.0.0,a").warning().is_none());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!("chat.local".parse::<Listen>().is_err());
        assert!("0.0.0.0,,a".parse::<Listen>().is_err());
    }
}
