//! `chat send`: one message, and wait until it is stored.

use std::io::Read;

use chatcluster_client::protocol::{
    client::{Content, ServerFrame},
    limits,
};

use crate::{
    args::{SendArgs, TargetArgs},
    connection::{Connection, no_answer},
    failure::Failure,
    state::Use,
    target::Target,
    text,
};

pub(crate) async fn run(target: TargetArgs, args: SendArgs) -> Result<(), Failure> {
    let device = target.device.clone();
    let target = Target::resolve(&target)?;
    let said = if args.text == "-" { read_stdin()? } else { args.text };
    let content = Content::text(said).map_err(|error| Failure::Usage(format!("TEXT {error}")))?;
    let mut connection = Connection::open(target, device, Use::Beside)?;
    let to = args.to.into();
    let ticket = match args.reference {
        Some(reference) => connection.client.send_as(reference, to, content).await,
        None => connection.client.send(to, content).await,
    };
    let reference = ticket.reference().clone();
    let late = |why| {
        format!(
            "{}: whether the message was sent is unknown; repeat it with --ref {reference}",
            no_answer(why)
        )
    };
    let result = connection.answer(args.timeout, late, ticket).await;
    connection.close().await;
    let sent = result?;
    let id = sent.message.to_string();
    text::line(&if args.json { ServerFrame::Sent(sent).encode() } else { id })
        .map_err(Failure::io("standard output"))
}

/// All of standard input, without the line end that `echo` adds.
fn read_stdin() -> Result<String, Failure> {
    let mut said = String::new();
    // One byte more than fits is enough to be refused, however much more there is.
    let most = limits::BODY as u64 + 2;
    std::io::stdin()
        .lock()
        .take(most)
        .read_to_string(&mut said)
        .map_err(|error| Failure::Usage(format!("standard input must be UTF-8 text: {error}")))?;
    if said.ends_with('\n') {
        said.pop();
    }
    Ok(said)
}
