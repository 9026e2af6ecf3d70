//! What a request gets. Decides on the head alone; does no I/O.

use chatcluster_config::ClientPort;
use chatcluster_protocol::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Head, Response};

/// Seconds after which an address may connect again: no rate is below one a second.
const TOO_OFTEN: u64 = gateway_core::rates::RETRY.as_secs();

/// Which browsers may connect.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Allowed origins in lower case; `None` is any.
    origins: Option<Vec<String>>,
    /// Whether this port ends TLS itself, so that its own origin is `https`.
    tls: bool,
}

/// Whether the gateway takes new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Open,
    /// It holds as many as it may.
    Full,
    /// It is being stopped.
    Draining,
    /// Not from this address, which has opened as many lately as it may.
    TooOften,
}

/// What a request gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// This answer, and then the connection is a WebSocket.
    Accept(Response),
    /// This answer.
    Refuse(Response),
    /// A file of the page.
    Page,
}

impl Policy {
    /// The policy of a port.
    pub fn new(port: &ClientPort) -> Self {
        let any = port.origins.iter().any(|origin| origin == "*");
        let lower = port.origins.iter().map(|o| o.trim_end_matches('/').to_ascii_lowercase());
        Self { origins: (!any).then(|| lower.collect()), tls: port.tls.is_some() }
    }

    fn allows(&self, origin: &str, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        // Behind a proxy that ends TLS, this port cannot know the scheme of its own origin.
        let own = match origin.split_once("://") {
            Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
            Some(("http", authority)) => !self.tls && authority.eq_ignore_ascii_case(host),
            _ => false,
        };
        own || self.origins.as_ref().is_none_or(|list| list.contains(&origin))
    }
}

/// Decides.
pub fn decide(head: &Head, policy: &Policy, admission: Admission) -> Answer {
    match admission {
        Admission::Open => {}
        Admission::Full => return refuse_for_now("this gateway is full", 5),
        Admission::Draining => return refuse_for_now("this gateway is stopping", 1),
        Admission::TooOften => {
            let text = "too many connections from this address; try again later";
            let response = Response::text(429, "Too Many Requests", text);
            return Answer::Refuse(response.header("retry-after", TOO_OFTEN.to_string()));
        }
    }
    if !head.lists("upgrade", "websocket") {
        return Answer::Page;
    }
    match check_upgrade(head, policy) {
        Ok(response) => Answer::Accept(response),
        Err(response) => Answer::Refuse(*response),
    }
}

fn check_upgrade(head: &Head, policy: &Policy) -> Result<Response, Box<Response>> {
    let bad = |text: &str| Box::new(Response::text(400, "Bad Request", text));
    if head.path() != "/" {
        return Err(Box::new(Response::text(404, "Not Found", "WebSockets are opened at /")));
    }
    if head.method != "GET" || !head.lists("connection", "upgrade") {
        return Err(bad("a WebSocket is opened by GET with Connection: Upgrade"));
    }
    if head.one("sec-websocket-version") != Some("13") {
        let text = "Sec-WebSocket-Version must be 13";
        let response = Response::text(426, "Upgrade Required", text);
        return Err(Box::new(response.header("sec-websocket-version", "13")));
    }
    let host = head.one("host").ok_or_else(|| bad("there must be one Host header"))?;
    let key = head.one("sec-websocket-key").filter(|key| is_key(key));
    let key = key.ok_or_else(|| bad("Sec-WebSocket-Key must be 16 bytes in base64"))?;
    if !head.elements("sec-websocket-protocol").any(|one| one == SUBPROTOCOL) {
        return Err(bad(&format!("Sec-WebSocket-Protocol must offer {SUBPROTOCOL}")));
    }
    // Only browsers send an Origin; it keeps foreign pages from using their visitors' network.
    if head.elements("origin").next().is_some()
        && !head.one("origin").is_some_and(|origin| policy.allows(origin, host))
    {
        let text = "pages of this origin may not connect here";
        return Err(Box::new(Response::text(403, "Forbidden", text)));
    }
    Ok(switch(key).header("sec-websocket-protocol", SUBPROTOCOL))
}

/// The answer after which the connection is a WebSocket, for this `Sec-WebSocket-Key`. It takes up no
/// extension, whatever was offered.
pub fn switch(key: &str) -> Response {
    Response::new(101, "Switching Protocols")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", derive_accept_key(key.as_bytes()))
}

/// Sixteen bytes are 22 characters of base64 and two of padding.
fn is_key(key: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    key.len() == 24 && key.ends_with("==") && key[..22].bytes().all(valid)
}

fn refuse_for_now(why: &str, seconds: u32) -> Answer {
    let response = Response::text(503, "Service Unavailable", format!("{why}; try again later"));
    Answer::Refuse(response.header("retry-after", seconds.to_string()))
}

/// Where there is no page, a plain request is most likely a client that forgot to ask for the upgrade.
pub(super) fn no_page(head: &Head) -> Response {
    if head.path() != "/" {
        return Response::text(404, "Not Found", "there is nothing here");
    }
    let text = format!("open a WebSocket here, with the subprotocol {SUBPROTOCOL}");
    Response::text(426, "Upgrade Required", text).header("upgrade", "websocket")
}
