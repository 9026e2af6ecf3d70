//! Answers to HTTP requests, as bytes.

use std::fmt::Write;

/// An answer. Every answer but 101 ends the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    reason: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Length to announce where the body itself is left out (HEAD).
    announced: Option<usize>,
}

impl Response {
    /// An answer without a body.
    pub fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, headers: Vec::new(), body: Vec::new(), announced: None }
    }

    /// An answer with a sentence for people.
    pub fn text(status: u16, reason: &'static str, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        let plain = "text/plain; charset=utf-8";
        Self::new(status, reason).header("content-type", plain).body(text.into_bytes())
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Announces the body's length and leaves the body out, as HEAD wants it.
    pub fn without_body(mut self) -> Self {
        self.announced = Some(self.body.len());
        self.body = Vec::new();
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of a header, for tests and logs.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for (name, value) in &self.headers {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if self.status != 101 {
            let length = self.announced.unwrap_or(self.body.len());
            let _ = write!(head, "content-length: {length}\r\nconnection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
