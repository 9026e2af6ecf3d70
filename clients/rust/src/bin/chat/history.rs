//! `chat history`: prints what was said, the oldest first.

use std::io::ErrorKind;

use chatcluster_client::{
    HistoryQuery,
    protocol::{
        client::{Message, Recipient, ServerFrame},
        limits::HISTORY_PAGE,
    },
};

use crate::{
    args::{HistoryArgs, TargetArgs},
    connection::{Connection, no_answer},
    failure::Failure,
    state::Use,
    target::Target,
    text::{self, Clock, Paint},
};

pub(crate) async fn run(
    target: TargetArgs,
    args: HistoryArgs,
    clock: Clock,
) -> Result<(), Failure> {
    let device = target.device.clone();
    let mut connection = Connection::open(Target::resolve(&target)?, device, Use::Beside)?;
    let result = newest(&mut connection, &args).await;
    connection.close().await;
    let paint = Paint::detect();
    for message in result? {
        let shown = if args.json {
            ServerFrame::Message(message).encode()
        } else {
            let at = paint.dim(&clock.day_and_time(message.at));
            format!("{at} {}: {}", paint.name(message.from.as_str()), text::body(&message))
        };
        match text::line(&shown) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::io("standard output")(error)),
        }
    }
    Ok(())
}

/// The newest messages of the conversation, the oldest of them first.
async fn newest(connection: &mut Connection, args: &HistoryArgs) -> Result<Vec<Message>, Failure> {
    let mut query = match args.of.clone().into() {
        Recipient::User(user) => HistoryQuery::with(user),
        Recipient::Group(group) => HistoryQuery::of(group.into()),
    };
    query.sender = args.sender.clone();
    query.content_type = args.content_type.clone();
    // The same for all pages.
    let now = text::now();
    query.since = args.since.map(|since| since.millis(now));
    query.until = args.until.map(|until| until.millis(now));
    let mut messages = Vec::new();
    loop {
        let missing = args.limit.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        if missing == 0 {
            break;
        }
        query.limit = Some(missing.min(HISTORY_PAGE));
        let client = connection.client.clone();
        let page =
            connection.answer(args.timeout, no_answer, client.history(query.clone())).await?;
        messages.extend(page.messages);
        query.before = page.next;
        if query.before.is_none() {
            break;
        }
    }
    messages.reverse();
    Ok(messages)
}
