//! The files of the page: a small static server for the demo page, on the gateway's own origin.
//!
//! Files are read when they are asked for; the page is small and rarely asked.

use std::{
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::upgrade::{Head, Response};

/// Largest file. It bounds what a request makes us hold.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// The page may load and reach its own origin only. `connect-src 'self'` covers the WebSocket.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; manifest-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A folder that is served.
#[derive(Debug, Clone)]
pub struct Page {
    root: PathBuf,
}

struct File {
    tag: String,
    body: Vec<u8>,
}

impl Page {
    /// The folder at `root`.
    ///
    /// # Errors
    /// When it is no folder.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if root.is_dir() { Ok(Self { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Answers a plain request.
    pub async fn serve(&self, head: &Head) -> Response {
        if !matches!(&*head.method, "GET" | "HEAD") {
            return Response::text(405, "Method Not Allowed", "only GET and HEAD")
                .header("allow", "GET, HEAD");
        }
        let Some(name) = file_name(head.path()) else { return not_found() };
        let Ok(file) = self.read(&name).await else { return not_found() };
        // "no-cache" means: keep it, but ask each time whether it is still the same.
        let fresh = |response: Response| {
            response.header("etag", file.tag.clone()).header("cache-control", "no-cache")
        };
        if head.elements("if-none-match").any(|tag| tag == file.tag) {
            return fresh(Response::new(304, "Not Modified"));
        }
        let response = fresh(Response::new(200, "OK"))
            .header("content-type", content_type(&name))
            .header("content-security-policy", CONTENT_POLICY)
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "no-referrer")
            .header("cross-origin-opener-policy", "same-origin")
            .body(file.body);
        if head.method == "HEAD" { response.without_body() } else { response }
    }

    async fn read(&self, name: &str) -> io::Result<File> {
        // A link that leads out of the folder is not followed.
        let path = tokio::fs::canonicalize(self.root.join(name)).await?;
        if !path.starts_with(&self.root) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let about = tokio::fs::metadata(&path).await?;
        if !about.is_file() || about.len() > FILE_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let changed = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let tag = format!("\"{:x}-{:x}\"", about.len(), changed.as_nanos());
        Ok(File { tag, body: tokio::fs::read(&path).await? })
    }
}

/// The file that a path means, relative to the folder; `None` for anything but plain names.
fn file_name(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    let path = if path.is_empty() { "index.html" } else { path };
    let plain = |part: &str| {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(valid)
    };
    path.split('/').all(plain).then(|| path.to_owned())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn not_found() -> Response {
    Response::text(404, "Not Found", "there is no such file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str, more: &str) -> Head {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n{more}\r\n");
        Head::parse(request.as_bytes()).unwrap().unwrap().0
    }

    fn folder() -> (tempfile::TempDir, Page) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("page");
        std::fs::create_dir_all(root.join("lib")).unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("index.html"), "<p>hello").unwrap();
        std::fs::write(root.join("lib/app.js"), "1").unwrap();
        std::fs::write(root.join(".hidden"), "no").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), root.join("link")).unwrap();
        let page = Page::new(&root).unwrap();
        (outer, page)
    }

    #[tokio::test]
    async fn files_come_with_their_type_and_the_browser_held_to_their_origin() {
        let (_folder, page) = folder();
        let index = page.serve(&get("/?x=1", "")).await;
        assert_eq!((index.status(), index.content()), (200, &b"<p>hello"[..]));
        assert_eq!(index.value("content-type"), Some("text/html; charset=utf-8"));
        assert!(index.value("content-security-policy").unwrap().contains("connect-src 'self'"));
        let script = page.serve(&get("/lib/app.js", "")).await;
        assert_eq!(script.value("content-type"), Some("text/javascript; charset=utf-8"));
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let (_folder, page) = folder();
        let tag = page.serve(&get("/", "")).await.value("etag").unwrap().to_owned();
        let again = page.serve(&get("/", &format!("if-none-match: {tag}\r\n"))).await;
        assert_eq!((again.status(), again.content().len()), (304, 0));
    }

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_served() {
        let (_folder, page) = folder();
        for target in [
            "/../secret",
            "/lib/../../secret",
            "/%2e%2e/secret",
            "/link",
            "/.hidden",
            "/lib",
            "/lib/",
            "//etc/passwd",
            "/missing",
            "*",
            "/a\\..\\secret",
        ] {
            assert_eq!(page.serve(&get(target, "")).await.status(), 404, "{target}");
        }
    }
}
