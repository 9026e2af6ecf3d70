//! One batch on its way.

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::{HeaderValue, Request, Uri, header};
use bytes::Bytes;
use chatcluster_config::WebhookTarget;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::RngExt;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{event::Events, sign::Signer};
use crate::metrics::{Metrics, count};

/// How long the target may take for one request.
const ANSWER: Duration = Duration::from_secs(10);

/// First and longest wait before a request is tried again; up to half of it is left to chance.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What is read of an answer, so that its connection can be used again.
const READ: usize = 64 * 1024;

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTarget {
    /// The key of the signature cannot be read.
    #[error("webhook.key {path} cannot be read: {error}")]
    Key {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It has no scheme that is spoken here, or no host.
    #[error("webhook.url must be an http:// or https:// URL with a host, which {0:?} is not")]
    Url(String),
    /// The authorities cannot be used.
    #[error("webhook.caBundle must be certificates in PEM: {0}")]
    Authorities(String),
}

/// Posts batches to the target.
pub(super) struct Post {
    url: Uri,
    signer: Signer,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    give_up_after: Duration,
    stopping: CancellationToken,
    pub(super) metrics: Metrics,
}

impl Post {
    pub(super) fn new(
        target: &WebhookTarget,
        metrics: Metrics,
        stopping: CancellationToken,
    ) -> Result<Self, InvalidTarget> {
        let url: Option<Uri> = target.url.parse().ok();
        let spoken = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
        let url = url.filter(spoken).filter(|url| url.host().is_some_and(|host| !host.is_empty()));
        let url = url.ok_or_else(|| InvalidTarget::Url(target.url.clone()))?;
        let key = std::fs::read(&target.key);
        let key = key.map_err(|error| InvalidTarget::Key { path: target.key.clone(), error })?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trusting(target.ca_bundle.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        let give_up_after = *target.give_up_after;
        Ok(Self { url, signer: Signer::new(&key), client, give_up_after, stopping, metrics })
    }

    /// Tries until the target has taken the events, or it is given up. Says what became of them.
    pub(super) async fn deliver(&self, events: &Events) -> &'static str {
        let id = Uuid::new_v4().to_string();
        let body: Bytes = serde_json::to_vec(events).unwrap_or_default().into();
        let (began, mut wait) = (Instant::now(), FIRST);
        loop {
            let failure = match timeout(ANSWER, self.post(&id, body.clone())).await {
                Ok(Ok(())) => {
                    count(&self.metrics.webhook_requests, "taken");
                    return "delivered";
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Silent,
            };
            count(&self.metrics.webhook_requests, "failed");
            let pause = rand::rng().random_range(wait / 2..=wait);
            let late = began.elapsed() + pause > self.give_up_after;
            if late || self.stopping.is_cancelled() {
                tracing::warn!(webhook = id, events = events.len(), %failure, "given up");
                return "given_up";
            }
            tracing::debug!(webhook = id, %failure, ?pause, "trying again");
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stopping.cancelled() => {}
            }
            wait = (2 * wait).min(LONGEST);
        }
    }

    async fn post(&self, id: &str, body: Bytes) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = self.signer.sign(id, now, &body);
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, HeaderValue::from_static("chatcluster-gateway"))
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .body(Full::new(body))
            .map_err(|error| Failure::Unsent(error.to_string()))?;
        let unsent = |error: hyper_util::client::legacy::Error| Failure::Unsent(reason(&error));
        let answer = self.client.request(request).await.map_err(unsent)?;
        let status = answer.status();
        // Nobody wants to know what it says.
        let _ = Limited::new(answer.into_body(), READ).collect().await;
        if status.is_success() { Ok(()) } else { Err(Failure::Refused(status.as_u16())) }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a request was in vain.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it could not be sent: {0}")]
    Unsent(String),
    #[error("no answer within {ANSWER:?}")]
    Silent,
    #[error("the answer was {0}")]
    Refused(u16),
}

/// The error with what caused it.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Trusts these authorities, or else those that browsers trust.
fn trusting(bundle: Option<&str>) -> Result<ClientConfig, InvalidTarget> {
    let mut roots = RootCertStore::empty();
    match bundle {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(bundle) => {
            let invalid = |error: &dyn fmt::Display| InvalidTarget::Authorities(error.to_string());
            for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
                let certificate = certificate.map_err(|error| invalid(&error))?;
                roots.add(certificate).map_err(|error| invalid(&error))?;
            }
            if roots.is_empty() {
                return Err(invalid(&"there are none"));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidTarget::Authorities(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
