//! Which of several operators works: the one that holds a Lease.

use kube::Client;
use kube_lease_manager::{LeaseCreateMode, LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{sync::watch, task::JoinHandle};

use super::{Settings, names::MANAGER};

/// Seconds that a lease lasts: so long nobody works after the holder was killed.
const LASTS: u64 = 15;

/// Seconds before its end in which it is renewed; clocks may be apart by as much.
const GRACE: u64 = 5;

/// The lease cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The API server does not let us have it.
    #[error("keeping the Lease {namespace}/{MANAGER} failed: {error}")]
    Lease {
        /// Its namespace.
        namespace: String,
        /// Why.
        error: Box<LeaseManagerError>,
    },
    /// Another operator has it.
    #[error("lost the Lease {namespace}/{MANAGER}: another operator works now")]
    Lost {
        /// Its namespace.
        namespace: String,
    },
}

/// A place in the line.
#[derive(Debug)]
pub(crate) struct Lead {
    namespace: String,
    holds: watch::Receiver<bool>,
    task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Lead {
    /// Takes a place in the line.
    pub(crate) async fn stand_by(
        client: &Client,
        settings: &Settings,
    ) -> Result<Self, LeaderError> {
        let namespace = settings.namespace.clone();
        let manager = LeaseManagerBuilder::new(client.clone(), MANAGER)
            .with_namespace(&namespace)
            .with_identity(&settings.name)
            .with_duration(LASTS)
            .with_grace(GRACE)
            .with_field_manager(format!("{MANAGER}-{}", settings.name))
            .with_create_mode(LeaseCreateMode::AutoCreate)
            .build()
            .await
            .map_err(|error| LeaderError::Lease {
                namespace: namespace.clone(),
                error: error.into(),
            })?;
        let (holds, task) = manager.watch().await;
        Ok(Self { namespace, holds, task })
    }

    /// Returns when it is our turn.
    pub(crate) async fn won(&mut self) {
        // An error means that the task has ended; `lost` says why.
        let _ = self.holds.wait_for(|holds| *holds).await;
    }

    /// Returns when it is not any more.
    pub(crate) async fn lost(&mut self) -> LeaderError {
        let namespace = self.namespace.clone();
        if self.holds.wait_for(|holds| !*holds).await.is_ok() {
            return LeaderError::Lost { namespace };
        }
        match (&mut self.task).await {
            Ok(Err(error)) => LeaderError::Lease { namespace, error: error.into() },
            _ => LeaderError::Lost { namespace },
        }
    }

    /// Lets the next one have it at once.
    pub(crate) async fn give_back(self) -> Result<(), LeaderError> {
        let Self { namespace, holds, task } = self;
        drop(holds); // the task ends by that, and gives the lease back
        match task.await {
            Ok(Err(error)) => Err(LeaderError::Lease { namespace, error: error.into() }),
            _ => Ok(()),
        }
    }
}
