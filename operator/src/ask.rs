//! Asks an admin port.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

/// An admin port answers at once, or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most that an answer may be, in bytes. Metrics are some kilobytes.
const MOST: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The URL is none.
    #[error("{0}")]
    Url(#[from] http::Error),
    /// Nobody answers.
    #[error("{0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    /// The answer ends early, is too long, or is no text.
    #[error("the answer cannot be read: {0}")]
    Body(String),
    /// It took too long.
    #[error("no answer within {PATIENCE:?}")]
    Late,
    /// Another status than 200.
    #[error("{0}: {1}")]
    Status(http::StatusCode, String),
}

/// What `GET url` answers, within a second.
///
/// # Errors
/// When there is no answer, or another one than 200.
pub async fn ask(url: &str) -> Result<String, NoAnswer> {
    timeout(PATIENCE, get(url)).await.unwrap_or(Err(NoAnswer::Late))
}

async fn get(url: &str) -> Result<String, NoAnswer> {
    // A kept connection would mostly be kept for nothing.
    let client: Client<_, Empty<&'static [u8]>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new());
    let answer = client.request(Request::get(url).body(Empty::new())?).await?;
    let status = answer.status();
    let unreadable = |error: &dyn std::fmt::Display| NoAnswer::Body(error.to_string());
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|error| unreadable(&error))?.to_bytes();
    let text = String::from_utf8(body.to_vec()).map_err(|error| unreadable(&error))?;
    if status.is_success() { Ok(text) } else { Err(NoAnswer::Status(status, text)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chatcluster_runtime::admin::{Readiness, serve};
    use prometheus_client::registry::Registry;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn only_a_port_that_answers_200_has_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let (ready, stop) = (Readiness::waiting_for(&["kubernetes"]), CancellationToken::new());
        let port = serve(listener, ready.clone(), Arc::new(Registry::default()), stop.clone());
        let port = tokio::spawn(port);
        let refused = ask(&url).await.unwrap_err().to_string();
        assert!(refused.contains("503") && refused.contains("kubernetes: not yet"), "{refused}");
        ready.met("kubernetes");
        assert_eq!(ask(&url).await.unwrap(), "ok\n");
        stop.cancel();
        port.await.unwrap().unwrap();
        assert!(matches!(ask(&url).await, Err(NoAnswer::Connection(_))), "nobody is there");
        assert!(matches!(ask("no url").await, Err(NoAnswer::Url(_))));
    }

    #[tokio::test]
    async fn who_says_nothing_is_late() {
        // Connections wait in its queue, and nobody takes them.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", silent.local_addr().unwrap());
        assert!(matches!(ask(&url).await, Err(NoAnswer::Late)));
    }
}
