//! A client with its device's state, as every command but `token` needs it.

use std::{future::Future, time::Duration};

use chatcluster_client::{Acks, Client, Config, Event, Events};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    failure::Failure,
    state::{Device, Use},
    target::Target,
};
use chatcluster_client::protocol::id::DeviceId;

/// What to say when no answer came in time, and what is known of why.
pub(crate) fn no_answer(why: Option<String>) -> String {
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    format!("no answer in time{why}")
}

/// A running client.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) events: Events,
    saver: JoinHandle<()>,
}

impl Connection {
    pub(crate) fn open(
        target: Target,
        id: Option<DeviceId>,
        purpose: Use,
    ) -> Result<Self, Failure> {
        let device = Device::open(&target.scope, &target.user, id, purpose)?;
        let mut config = Config::new(target.endpoints, device.id.clone(), target.token);
        config.trust = target.trust;
        config.resume = device.resume.clone();
        config.acks = match purpose {
            Use::Take => Acks::OnNext,
            Use::Beside => Acks::Manual,
        };
        let (client, events) = Client::connect(config)?;
        let mut resume = client.resume();
        let saver = tokio::spawn(async move {
            // Small and at most once a second; the last value comes when the client has ended.
            while resume.changed().await.is_ok() {
                let latest = resume.borrow_and_update().clone();
                if let Err(error) = device.save(&latest) {
                    tracing::error!(%error, "the device's state was not saved");
                }
            }
        });
        Ok(Self { client, events, saver })
    }

    /// Waits for an answer, and no longer than `limit`. What happens meanwhile decides how it failed.
    pub(crate) async fn answer<T, E: Into<Failure>>(
        &mut self,
        limit: Duration,
        late: impl FnOnce(Option<String>) -> String,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let mut why = None;
        let watched = async {
            tokio::pin!(answer);
            loop {
                tokio::select! {
                    answer = &mut answer => return answer.map_err(Into::into),
                    Some(event) = self.events.next() => {
                        if let Event::Disconnected { cause, .. } = event {
                            if let Some(failure) = Failure::of_cause(&cause) {
                                return Err(failure);
                            }
                            why = Some(cause.to_string());
                        }
                    }
                }
            }
        };
        match timeout(limit, watched).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Late(late(why))),
        }
    }

    /// Closes in good order: acks that are due are written, the device's state is saved.
    pub(crate) async fn close(self) {
        drop(self.events);
        self.client.close().await;
        // A panic of the saver was reported where it happened.
        let _ = self.saver.await;
    }
}
