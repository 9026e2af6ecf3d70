//! The routes. [`openapi`] describes them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    routing::{delete, get, post},
};
use chatcluster_protocol::{Millis, client::Message, id::MessageId};
use chatcluster_runtime::backend::{Problem, ServiceTokens, counted, described, query, require};
use messages_core::repository::{Repository, stable_up_to};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cursor, devices,
    filters::{self, Filters, Scope},
    openapi, problem, revocations, scope,
};
use crate::{Clock, Metrics};

/// Largest body of a request, in bytes: a name fits many times over.
const BODY: usize = 4096;

/// What requests are counted as.
const NAMES: &[(&str, &str)] = &[
    (openapi::ALL, "messages"),
    (openapi::MESSAGE, "message"),
    (openapi::OF_USER, "user_messages"),
    (openapi::OF_CONVERSATION, "conversation_messages"),
    (openapi::DEVICES, "user_devices"),
    (openapi::DEVICE, "user_device"),
    (openapi::REVOCATIONS, "user_revocations"),
];

/// What the routes work on.
pub struct HttpService<R> {
    /// Where the messages are.
    pub repository: Arc<R>,
    /// Whose requests are answered.
    pub tokens: Arc<ServiceTokens>,
    /// The time, for `stable_up_to`.
    pub clock: Clock,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Messages {
    /// In the order asked for.
    messages: Vec<Message>,
    /// Give this as `cursor` for the next page. `null` at the end; with `order=asc` also where all that
    /// follows is younger than `stable_up_to`: keep the last cursor and ask again later. Such a page
    /// may repeat messages and skips none.
    next: Option<String>,
    /// Milliseconds UTC: what is older never changes again, except by removal.
    stable_up_to: Millis,
}

/// The routes.
pub fn router<R: Repository>(service: HttpService<R>) -> Router {
    let service = Arc::new(service);
    let needs = |routes, scope| require(routes, &service.tokens, scope);
    let reads = Router::new()
        .route(openapi::ALL, get(list_all::<R>))
        .route(openapi::MESSAGE, get(one::<R>))
        .route(openapi::OF_USER, get(list_of_user::<R>))
        .route(openapi::OF_CONVERSATION, get(list_of_conversation::<R>))
        .route(openapi::DEVICES, get(devices::list::<R>));
    let changes = Router::new().route(openapi::DEVICE, delete(devices::remove::<R>));
    let ends = Router::new()
        .route(openapi::REVOCATIONS, post(revocations::create::<R>))
        .layer(DefaultBodyLimit::max(BODY));
    let routes = needs(reads, scope::READ)
        .merge(needs(changes, scope::DEVICES))
        .merge(needs(ends, scope::SESSIONS));
    let calls = service.metrics.http.clone();
    counted(described(routes, &openapi::openapi()), calls, NAMES).with_state(service)
}

pub(super) type Service<R> = State<Arc<HttpService<R>>>;

async fn one<R: Repository>(
    State(service): Service<R>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Message>, Problem> {
    query::none(query)?;
    let id = id.parse::<MessageId>().map_err(|error| Problem::parameter("id", error))?;
    let found = service.repository.message(id).await.map_err(problem)?;
    found.map(Json).ok_or_else(|| Problem::not_found("there is no such message"))
}

async fn list_all<R: Repository>(
    State(service): Service<R>,
    RawQuery(query): RawQuery,
) -> Result<Json<Messages>, Problem> {
    list(&service, Filters::parse(query.as_deref(), Scope::All)?).await
}

async fn list_of_user<R: Repository>(
    State(service): Service<R>,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Messages>, Problem> {
    let mut filters = Filters::parse(query.as_deref(), Scope::User)?;
    filters.user = Some(user.parse().map_err(|error| Problem::parameter("user", error))?);
    list(&service, filters).await
}

async fn list_of_conversation<R: Repository>(
    State(service): Service<R>,
    Path(conversation): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Messages>, Problem> {
    let mut filters = Filters::parse(query.as_deref(), Scope::Conversation)?;
    filters.conversation = Some(filters::conversation("conversation", &conversation)?);
    list(&service, filters).await
}

async fn list<R: Repository>(
    service: &HttpService<R>,
    filters: Filters,
) -> Result<Json<Messages>, Problem> {
    let (query, whole) = filters.query()?;
    let now = (service.clock)();
    let page = service.repository.query(query, now).await.map_err(problem)?;
    let next = page.next.map(|id| cursor::write(id, &whole));
    Ok(Json(Messages { messages: page.messages, next, stable_up_to: stable_up_to(now) }))
}
