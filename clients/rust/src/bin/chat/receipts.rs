//! `chat receipts`: who has received and read a message.

use chatcluster_client::protocol::client::{MemberReceipt, Receipts, ServerFrame};

use crate::{
    args::{ReceiptsArgs, TargetArgs},
    connection::{Connection, no_answer},
    failure::Failure,
    state::Use,
    target::Target,
    text::{self, Paint},
};

pub(crate) async fn run(target: TargetArgs, args: ReceiptsArgs) -> Result<(), Failure> {
    let device = target.device.clone();
    let mut connection = Connection::open(Target::resolve(&target)?, device, Use::Beside)?;
    let client = connection.client.clone();
    let asked = client.receipts(args.message, true);
    let receipts = connection.answer(args.timeout, no_answer, asked).await;
    connection.close().await;
    for line in shown(receipts?, args.json) {
        text::line(&line).map_err(Failure::io("standard output"))?;
    }
    Ok(())
}

fn shown(receipts: Receipts, json: bool) -> Vec<String> {
    if json {
        return vec![ServerFrame::Receipts(receipts).encode()];
    }
    let paint = Paint::detect();
    let Receipts { of, delivered, read, members, .. } = receipts;
    let member = |MemberReceipt { user, delivered, read }: MemberReceipt| {
        let has = match (delivered, read) {
            (_, true) => "has read it",
            (true, false) => "has received it",
            (false, false) => "has not received it yet",
        };
        format!("{} {has}", paint.name(user.as_str()))
    };
    let counts = format!("received by {delivered} of {of}, read by {read}");
    std::iter::once(counts).chain(members.unwrap_or_default().into_iter().map(member)).collect()
}
