//! What the gateway counts: `chatcluster_gateway_*`.

use std::borrow::Cow;

use chatcluster_runtime::backend::Call;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Label {
    /// Its value.
    pub kind: Cow<'static, str>,
}

impl From<&'static str> for Label {
    fn from(kind: &'static str) -> Self {
        Self { kind: kind.into() }
    }
}

/// A counter for each of a few fixed words.
pub type Counts = Family<Label, Counter>;

/// All figures of a gateway. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Sockets of clients that are open now, also those without a session.
    pub connections: Gauge,
    /// Connections accepted as WebSockets.
    pub accepted: Counter,
    /// Connections that did not become WebSockets, by reason.
    pub refused: Counts,
    /// Sessions by phase, as of the last second.
    pub sessions: Family<Label, Gauge>,
    /// How connections ended: the close code, or why there was none.
    pub closed: Family<Label, Counter>,
    /// Text frames from clients.
    pub frames_in: Counter,
    /// Text frames to clients.
    pub frames_out: Counter,
    /// How deliveries ended, by outcome.
    pub deliveries: Counts,
    /// Deliveries without an outcome so far.
    pub deliveries_pending: Gauge,
    /// What became of `typing`: shown, or why not.
    pub typing: Counts,
    /// What became of what says who is online: told, or why not (yet).
    pub presence: Counts,
    /// Users in those that were told.
    pub presence_users: Counter,
    /// Users that were looked up, to see whether they are online.
    pub presence_lookups: Counter,
    /// Users and pairs of whom it was asked whether one may see the other.
    pub presence_checks: Counter,
    /// What users were refused because they ask too often: `send` or `request`.
    pub rate_limited: Counts,
    /// Calls of the message service: `answered` or `failed`.
    pub messages_calls: Counts,
    /// Seconds from a batch's appending to its answer.
    pub append_seconds: Histogram,
    /// Calls of the manager that failed, by what was asked.
    pub manager_failures: Counts,
    /// The last call of the manager was answered.
    pub manager_up: Gauge,
    /// Lease renewals, by what they found.
    pub lease_renewals: Counts,
    /// Pages of inboxes that were read.
    pub inbox_pages: Counter,
    /// Devices that were probed.
    pub probed: Counter,
    /// Links to peers that are open now.
    pub peer_links: Gauge,
    /// Queues that were full, by queue.
    pub queue_full: Counts,
    /// What waits for users without a connected device, by what became of telling a backend so.
    pub webhook_events: Counts,
    /// Requests to that backend: `taken` or `failed`.
    pub webhook_requests: Counts,
    /// Requests of backends.
    pub backend: Family<Call, Counter>,
}

impl Metrics {
    /// All at zero, in the registry.
    pub fn register(registry: &mut Registry) -> Self {
        // From 0.5 ms, which one fsync may take, to 16 s, which is over every deadline.
        let seconds = Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let metrics = Self {
            connections: Gauge::default(),
            accepted: Counter::default(),
            refused: Family::default(),
            sessions: Family::default(),
            closed: Family::default(),
            frames_in: Counter::default(),
            frames_out: Counter::default(),
            deliveries: Family::default(),
            deliveries_pending: Gauge::default(),
            typing: Family::default(),
            presence: Family::default(),
            presence_users: Counter::default(),
            presence_lookups: Counter::default(),
            presence_checks: Counter::default(),
            rate_limited: Family::default(),
            messages_calls: Family::default(),
            append_seconds: seconds,
            manager_failures: Family::default(),
            manager_up: Gauge::default(),
            lease_renewals: Family::default(),
            inbox_pages: Counter::default(),
            probed: Counter::default(),
            peer_links: Gauge::default(),
            queue_full: Family::default(),
            webhook_events: Family::default(),
            webhook_requests: Family::default(),
            backend: Family::default(),
        };
        metrics.enter(registry.sub_registry_with_prefix("chatcluster_gateway"));
        metrics
    }

    fn enter(&self, to: &mut Registry) {
        let m = self.clone();
        to.register("connections", "Client sockets open", m.connections);
        to.register("accepted", "Connections accepted as WebSockets", m.accepted);
        to.register("refused", "Connections not accepted, by reason", m.refused);
        to.register("sessions", "Sessions by phase", m.sessions);
        to.register("closed", "Connections ended, by close code or reason", m.closed);
        to.register("frames_in", "Text frames from clients", m.frames_in);
        to.register("frames_out", "Text frames to clients", m.frames_out);
        to.register("deliveries", "Deliveries ended, by outcome", m.deliveries);
        to.register("deliveries_pending", "Deliveries without outcome", m.deliveries_pending);
        to.register("typing", "Typing shown, or why not", m.typing);
        to.register("presence", "Presence told, or why not (yet)", m.presence);
        to.register("presence_users", "Users in presence pushes", m.presence_users);
        to.register("presence_lookups", "Users looked up for presence", m.presence_lookups);
        to.register("presence_checks", "Users and pairs checked for presence", m.presence_checks);
        to.register("rate_limited", "Sends and requests refused by rate", m.rate_limited);
        to.register("messages_calls", "Message service calls by result", m.messages_calls);
        to.register("append_seconds", "Append batches, to their answer", m.append_seconds);
        to.register("manager_failures", "Failed manager calls", m.manager_failures);
        to.register("manager_up", "The manager answered last time", m.manager_up);
        to.register("lease_renewals", "Lease renewals by result", m.lease_renewals);
        to.register("inbox_pages", "Inbox pages read", m.inbox_pages);
        to.register("probed", "Devices probed", m.probed);
        to.register("peer_links", "Peer links open", m.peer_links);
        to.register("queue_full", "Times a queue was full, by queue", m.queue_full);
        to.register("webhook_events", "Events for the webhook, by outcome", m.webhook_events);
        to.register("webhook_requests", "Requests to the webhook", m.webhook_requests);
        to.register("backend_requests", "Requests of backends by call and status", m.backend);
    }
}

/// Counts one of a family.
pub fn count(family: &Counts, kind: &'static str) {
    family.get_or_create(&kind.into()).inc();
}

/// So many more of a word.
pub fn count_by(family: &Counts, kind: &'static str, number: usize) {
    family.get_or_create(&kind.into()).inc_by(number as u64);
}

/// Counts as one for as long as it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// One more.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
