//! The URL of a gateway, checked and taken apart once.

use rustls_pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::ConfigError;

/// Where a gateway is.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) uri: Uri,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name that its certificate must have; `None` for a plain connection.
    pub(crate) tls: Option<ServerName<'static>>,
}

impl Endpoint {
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Endpoint { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL such as wss://host:port"))?;
        let host = uri.host().ok_or_else(|| wrong("names no host"))?;
        // A URL writes IPv6 addresses in brackets, sockets and certificates do not.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("must not hold a user or password"));
        }
        let (tls, port) = match uri.scheme_str() {
            Some("wss") => {
                let name = ServerName::try_from(host.clone());
                (Some(name.map_err(|_| wrong("names no host that a certificate can have"))?), 443)
            }
            Some("ws") if is_this_machine(&host) => (None, 80),
            Some("ws") => {
                return Err(wrong(
                    "would send the token in the clear: use wss://, or ws:// to localhost",
                ));
            }
            _ => return Err(wrong("must begin with wss://")),
        };
        let port = uri.port_u16().unwrap_or(port);
        Ok(Self { uri, host, port, tls })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_a_port_and_a_name_to_check() {
        let endpoint = Endpoint::parse("wss://chat.example.com").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("chat.example.com", 443));
        assert!(endpoint.tls.is_some());
        let endpoint = Endpoint::parse("wss://[::1]:8443/").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 8443));
        assert!(Endpoint::parse("ws://127.0.0.1:8080").unwrap().tls.is_none());
    }

    #[test]
    fn a_token_never_crosses_a_network_in_the_clear() {
        let problem = Endpoint::parse("ws://chat.example.com").unwrap_err().to_string();
        assert!(problem.contains("in the clear"), "{problem}");
    }

    #[test]
    fn what_is_no_gateway_url_is_refused_with_the_url() {
        for wrong in
            ["", "chat.example.com", "https://chat.example.com", "wss://a:b@host", "wss://"]
        {
            let error = Endpoint::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
