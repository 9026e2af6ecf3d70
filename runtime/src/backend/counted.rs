//! Counts requests.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// Which call, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// What was asked: the name of a route, or of a gRPC method.
    pub call: &'static str,
    /// HTTP status or gRPC code.
    pub code: String,
}

/// Counts requests by the names of their routes; those for paths without a name are `other`.
pub fn counted<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    calls: Family<Call, Counter>,
    names: &'static [(&'static str, &'static str)],
) -> Router<S> {
    routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let named = names.iter().find(|(route, _)| Some(*route) == path);
        let call = named.map_or("other", |(_, name)| name);
        let calls = calls.clone();
        async move {
            let response = next.run(request).await;
            let code = response.status().as_str().to_owned();
            calls.get_or_create(&Call { call, code }).inc();
            response
        }
    }))
}
