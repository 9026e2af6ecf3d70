//! Each row of the table of limits: what is at the limit is taken, what is beyond it is refused as the row
//! says. The numbers are the document's.

mod counts;
mod groups;
mod names;
mod rates;
mod sizes;
mod times;

use serde_json::Value;

use super::{LIMITS, Mistakes, row::Limit};
use crate::{
    client::Client,
    document::{Row, at},
};

/// Provokes one, for all that it is a limit of.
pub(crate) async fn check(mistakes: &Mistakes<'_>, row: &Row) -> Result<(), String> {
    let limit = Limit::read(row);
    for what in &limit.what {
        let checked = one(mistakes, &limit, what).await;
        checked.map_err(|error| at(row.line, format!("the limit of `{what}`: {error}")))?;
    }
    Ok(())
}

async fn one(mistakes: &Mistakes<'_>, limit: &Limit, what: &str) -> Result<(), String> {
    match what {
        "client frame" => mistakes.frame_size(limit).await,
        "text of frames" => mistakes.utf8(limit).await,
        "hello" => mistakes.hello_in_time(limit).await,
        "token of hello and refresh" => mistakes.token_size(limit).await,
        "user id" => mistakes.user_ids(limit).await,
        "device" => mistakes.devices(limit).await,
        "ref" => mistakes.references(limit).await,
        "content.type" => mistakes.content_type(limit).await,
        "content.body" => mistakes.content_body(limit).await,
        "ids in one ack" => mistakes.ids_in_ack(limit).await,
        "history.content_type" => mistakes.history_content_type(limit).await,
        "history.since" => mistakes.history_time(limit, "since").await,
        "history.until" => mistakes.history_time(limit, "until").await,
        "history.limit" => mistakes.history_limit(limit).await,
        "sends without an answer" => mistakes.sends_in_flight(limit).await,
        "read without an answer" => mistakes.reads_in_flight(limit).await,
        "history without an answer" => mistakes.histories_in_flight(limit).await,
        "sends of one user" => mistakes.sends_per_second(limit).await,
        "other requests of one user" => mistakes.requests_per_second(limit).await,
        "typing to one user" => mistakes.typing_to_one(limit).await,
        "users typed to at a time" => mistakes.typing_to_many(limit).await,
        "users in one presence" => mistakes.watched_users(limit).await,
        "privacy without an answer" => mistakes.privacy_in_flight(limit).await,
        "members of a group" => mistakes.members_of_a_group(limit).await,
        "users in one change of a group" => mistakes.users_in_one_change(limit).await,
        "name of a group" => mistakes.name_of_a_group(limit).await,
        "devices of a user" => mistakes.devices_of_a_user(limit).await,
        "resume.highest" => mistakes.highest(limit).await,
        "seen" => mistakes.seen(limit).await,
        excused if LIMITS.iter().any(|(limit, _)| *limit == excused) => Ok(()),
        _ => Err(format!("nothing provokes this limit; see {}", file!())),
    }
}

fn text_of(length: u64) -> String {
    "x".repeat(length as usize)
}

impl Mistakes<'_> {
    /// Sends a request and is refused as the limit says.
    async fn beyond(
        &self,
        client: &mut Client,
        limit: &Limit,
        request: &Value,
        field: Option<&str>,
    ) -> Result<(), String> {
        client.send(request).await?;
        let code = limit.code.as_deref().ok_or("no error is documented")?;
        self.refused(client, Some(request), code, field).await
    }

    /// The limit and the table of errors name the same close code.
    fn same_close(&self, limit: &Limit) -> Result<(), String> {
        let code = limit.code.as_deref().unwrap_or_default();
        let row = self.errors.iter().find(|row| row.code == code);
        let close = row.and_then(|row| row.close("hello"));
        if close == limit.close {
            return Ok(());
        }
        Err(format!("close {:?}, and {close:?} in the table of errors", limit.close))
    }
}
