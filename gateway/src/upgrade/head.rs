//! Reading a request's head.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest head, in bytes. Tokens do not travel here, so this is for cookies of the page's origin.
pub(super) const MAX: usize = 8 * 1024;

/// Most headers. Browsers send about 20.
const HEADERS: usize = 64;

/// What a request says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `GET` and so on.
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
}

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The socket failed or ended.
    #[error("reading the request failed: {0}")]
    Io(#[from] io::Error),
    /// More than 8 KiB or 64 headers.
    #[error("the request's head is too large")]
    TooLarge,
    /// Not HTTP/1.1.
    #[error("not an HTTP/1.1 request")]
    Malformed,
}

impl Head {
    /// Parses the head at the start of `bytes`; `None` when it is not complete yet. Also says how
    /// long it was.
    ///
    /// # Errors
    /// When the bytes are not the head of an HTTP/1.1 request.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
            Err(_) => return Err(HeadError::Malformed),
        };
        let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version)
        else {
            return Err(HeadError::Malformed);
        };
        let header = |header: &httparse::Header<'_>| {
            let value = std::str::from_utf8(header.value).map_err(|_| HeadError::Malformed)?;
            Ok((header.name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = request.headers.iter().map(header).collect::<Result<_, HeadError>>()?;
        Ok(Some((Self { method: method.into(), target: target.into(), headers }, length)))
    }

    /// The only value of a header, by its name in lower case; `None` also when it came twice, since
    /// two parties could then read two different requests.
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Does a list header have this element, whatever its case?
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.elements(name).any(|one| one.eq_ignore_ascii_case(element))
    }

    /// The elements of a list header.
    pub fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim)
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or(&self.target)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a head, and what came behind it.
///
/// # Errors
/// As [`HeadError`] says. The caller sets the time limit.
pub async fn read_head<S: AsyncRead + Unpin>(socket: &mut S) -> Result<(Head, Vec<u8>), HeadError> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        // One byte more than allowed tells "too large" from "just fits".
        let room = MAX + 1 - bytes.len();
        if (&mut *socket).take(room as u64).read_buf(&mut bytes).await? == 0 {
            return Err(HeadError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some((head, length)) = Head::parse(&bytes)? {
            return Ok((head, bytes.split_off(length)));
        }
        if bytes.len() > MAX {
            return Err(HeadError::TooLarge);
        }
    }
}
