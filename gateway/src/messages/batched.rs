//! The calls that carry what many sessions have asked for. Without an answer nothing is known of any of it.

use std::time::Instant;

use chatcluster_messages_api::v1;
use chatcluster_protocol::id::MessageId;
use gateway_core::session::{AppendResult, MarkFailure};

use super::{
    Service,
    calls::{ToRoute, limited, nonsense},
    convert,
};
use crate::metrics::Metrics;

pub(super) async fn append(
    service: Service,
    metrics: Metrics,
    appends: Vec<v1::Append>,
) -> Option<Vec<AppendResult>> {
    let (asked, started) = (appends.len(), Instant::now());
    let mut client = service.client();
    let call = async move { client.append(v1::AppendRequest { appends }).await };
    let answer = limited(&metrics, "append", call).await.ok()?;
    metrics.append_seconds.observe(started.elapsed().as_secs_f64());
    each(answer.results.into_iter().map(convert::append_result), asked)
}

pub(super) async fn acknowledge(
    service: Service,
    metrics: Metrics,
    acknowledgements: Vec<v1::Acknowledgement>,
    receipts: impl Fn(ToRoute),
) -> Option<Vec<()>> {
    let asked = acknowledgements.len();
    let mut client = service.client();
    let request = v1::AcknowledgeRequest { acknowledgements };
    let call = async move { client.acknowledge(request).await };
    let answer = limited(&metrics, "acknowledge", call).await.ok()?;
    route(answer.receipts, receipts);
    Some(vec![(); asked])
}

pub(super) async fn mark_read(
    service: Service,
    metrics: Metrics,
    marks: Vec<v1::ReadMark>,
    receipts: impl Fn(ToRoute),
) -> Option<Vec<Result<MessageId, MarkFailure>>> {
    let asked = marks.len();
    let mut client = service.client();
    let call = async move { client.mark_read(v1::MarkReadRequest { marks }).await };
    let mut answer = limited(&metrics, "mark_read", call).await.ok()?;
    let marks = answer.results.iter_mut().map(|result| std::mem::take(&mut result.receipts));
    route(marks.flatten().collect(), receipts);
    each(answer.results.iter().map(convert::marked), asked)
}

/// One result for each item that was asked about, or the answer cannot be used.
fn each<T>(
    results: impl Iterator<Item = Result<T, convert::Invalid>>,
    asked: usize,
) -> Option<Vec<T>> {
    let results: Vec<T> = results.collect::<Result<_, _>>().map_err(|e| nonsense(&e)).ok()?;
    (results.len() == asked).then_some(results)
}

fn route(stored: Vec<v1::StoredReceipt>, receipts: impl Fn(ToRoute)) {
    match convert::receipts(stored) {
        Ok(found) => receipts(found),
        // They are stored all the same; probes bring them.
        Err(error) => {
            nonsense(&error);
        }
    }
}
