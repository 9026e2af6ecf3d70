//! What a gateway answers before there is a WebSocket.

use super::Mistakes;
use crate::{
    client::{Door, Refusal},
    document::FILE,
};

/// Knocks in the wrong ways that a running gateway answers.
pub(crate) async fn check(mistakes: &Mistakes<'_>) -> Result<(), String> {
    let door = mistakes.world.door();
    let page = |origin: &str| Door { origin: Some(origin.to_owned()), ..door.clone() };
    let wrong = [
        (400, Door { subprotocol: None, ..door.clone() }),
        (400, Door { subprotocol: Some("chat"), ..door.clone() }),
        (403, page("https://elsewhere.example")),
        (404, Door { path: "/elsewhere", ..door.clone() }),
    ];
    for (status, door) in wrong {
        mistakes.knock(0, door, status).await?;
    }
    let own = page(&format!("https://localhost:{}", mistakes.world.cluster.port(0)));
    let accepted = mistakes.world.knock(0, own).await?;
    accepted.map(drop).map_err(|answer| format!("its own page gets {}", answer.status()))
}

impl Mistakes<'_> {
    /// Is refused with this status.
    pub(super) async fn knock(
        &self,
        gateway: usize,
        door: Door<'_>,
        status: u16,
    ) -> Result<Refusal, String> {
        let what = format!("{FILE}, At the door: {status} for {door:?}");
        match self.world.knock(gateway, door).await? {
            Ok(_) => Err(format!("{what}: the gateway opens a WebSocket")),
            Err(answer) if answer.status().as_u16() == status => {
                self.refused.borrow_mut().insert(status);
                Ok(answer)
            }
            Err(answer) => Err(format!("{what}: the answer is {}", answer.status())),
        }
    }
}
