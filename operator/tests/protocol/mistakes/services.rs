//! What clients see while parts of the cluster are away.

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Mistakes;
use crate::{
    DEADLINE,
    client::{Came, Client},
    cluster::MESSAGES,
};

/// Between two attempts of a client.
const AGAIN: Duration = Duration::from_millis(100);

/// The message service dies, and comes back only when everybody has noticed.
pub(crate) async fn message_service_dies(mistakes: &Mistakes<'_>) -> Result<(), String> {
    let (world, send) = (mistakes.world, mistakes.request("send"));
    let mut client = world.session(1, "unlucky", "phone").await?;
    world.cluster.signal_operator(Signal::SIGSTOP);
    world.cluster.signal(MESSAGES, Signal::SIGKILL);
    for request in [&send, &mistakes.request("history"), &mistakes.request("read")] {
        client.send(request).await?;
        mistakes.refused(&mut client, Some(request), "unavailable", None).await?;
    }
    let mut other = world.connect(1).await?;
    let hello = world.hello("unluckier", "phone");
    other.send(&hello).await?;
    mistakes.refused(&mut other, Some(&hello), "unavailable", None).await?;
    world.cluster.signal_operator(Signal::SIGCONT);
    mistakes.sent_at_last(&mut client, &send).await
}

/// A gateway is told to stop while clients are on it.
pub(crate) async fn gateway_stops(mistakes: &Mistakes<'_>) -> Result<(), String> {
    let world = mistakes.world;
    let mut moves = world.session(0, "moves", "phone").await?;
    let mut stays = world.session(0, "stays", "phone").await?;
    world.cluster.signal("gateway-0", Signal::SIGTERM);
    for client in [&mut moves, &mut stays] {
        client.expect("reconnect").await?;
    }
    let answer = mistakes.knock(0, world.door(), 503).await?;
    let retry = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    if retry.is_none_or(|seconds| seconds.parse::<u32>().is_err()) {
        return Err(format!(
            "503 comes with Retry-After: {retry:?}, which is no number of seconds"
        ));
    }
    let mut moved = world.session(1, "moves", "phone").await?;
    mistakes.replaced(&mut moves, &mut moved).await?;
    mistakes.ends(&mut stays, 4000).await
}

impl Mistakes<'_> {
    /// What failed for now is sent again with the same `ref` until it is answered.
    async fn sent_at_last(&self, client: &mut Client, send: &Value) -> Result<(), String> {
        let end = Instant::now() + DEADLINE;
        loop {
            client.send(send).await?;
            match client.next().await? {
                Came::Frame(answer) if answer["type"] == "sent" => return Ok(()),
                Came::Frame(answer) if answer["temporary"] == true && Instant::now() < end => {
                    sleep(AGAIN).await;
                }
                other => return Err(format!("a send that is repeated gets {other}")),
            }
        }
    }

    /// Runs while the message service answers nobody.
    pub(super) async fn paused<T>(
        &self,
        run: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let _held = self.pause.lock().await;
        self.world.cluster.signal(MESSAGES, Signal::SIGSTOP);
        // Less than a gateway waits for an answer.
        let ran = timeout(Duration::from_secs(4), run).await;
        self.world.cluster.signal(MESSAGES, Signal::SIGCONT);
        ran.map_err(|_| "the answers took too long".to_owned())?
    }
}
