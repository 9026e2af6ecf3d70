//! Reads the Secrets by name, writes what the plan says, and looks again until there is nothing to write.
//! Decides nothing. Needs `get`, `create` and `update` on Secrets, and neither lists nor watches them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};

use super::{KeyError, KeyPlan, Keys, RotationPhase, SeenKeys, Settling, WantedKeys, Write, plan};

/// How often the Secrets are looked at before somebody else is to blame. Making all of them takes 3 looks,
/// and a rotation without pauses 8.
const PASSES: u32 = 16;

/// Keeps the keys of ChatClusters. One for the process: it remembers how long Secrets have been as they
/// are.
pub struct Keeper {
    client: Client,
    /// Held for a look-up, never over an await.
    settling: Mutex<Settling>,
}

impl Keeper {
    /// Asks the API server through this client.
    pub fn new(client: Client) -> Self {
        Self { client, settling: Mutex::default() }
    }

    /// Makes what is missing, replaces what is due, and takes a rotation as far as it can go by now.
    pub async fn ensure(&self, wanted: &WantedKeys, now: SystemTime) -> Result<Keys, KeyError> {
        let mut events = Vec::new();
        for _ in 0..PASSES {
            let secrets = self.read(wanted).await?;
            let unchanged_for = self.unchanged_for(wanted, &secrets);
            match plan(wanted, &SeenKeys { secrets, unchanged_for }, now)? {
                KeyPlan::Good(keys) => {
                    if keys.phase == RotationPhase::Steady {
                        self.settling().forget(&wanted.owner.uid);
                    }
                    return Ok(Keys { events, ..keys });
                }
                KeyPlan::Write(writes) => {
                    for planned in writes {
                        if !self.write(wanted, &planned.write).await? {
                            break;
                        }
                        events.push(planned.event);
                    }
                }
            }
        }
        Err(KeyError::Contended {
            namespace: wanted.namespace.clone(),
            name: wanted.name.clone(),
            passes: PASSES,
        })
    }

    async fn read(&self, wanted: &WantedKeys) -> Result<BTreeMap<String, Secret>, KeyError> {
        let api = self.api(wanted);
        let reads = wanted.secret_names().into_iter().map(async |name| {
            let found = api.get_opt(&name).await;
            let found = found.map_err(|source| api_error("reading", wanted, &name, source))?;
            Ok::<_, KeyError>(found.map(|secret| (name, secret)))
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    /// Whether it is written; if not, the Secret has become another one since it was read.
    async fn write(&self, wanted: &WantedKeys, write: &Write) -> Result<bool, KeyError> {
        let (api, how) = (self.api(wanted), PostParams::default());
        let (action, done) = match write {
            Write::Create(secret) => ("creating", api.create(&how, secret).await),
            Write::Replace(secret) => ("updating", api.replace(write.name(), &how, secret).await),
        };
        match done {
            Ok(_) => Ok(true),
            // 409 is both AlreadyExists and Conflict.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(kube::Error::Api(status))
                if status.code == 404 && matches!(write, Write::Replace(_)) =>
            {
                Ok(false)
            }
            Err(source) => Err(api_error(action, wanted, write.name(), source)),
        }
    }

    fn unchanged_for(&self, wanted: &WantedKeys, secrets: &BTreeMap<String, Secret>) -> Duration {
        let versions =
            secrets.values().filter_map(|secret| secret.metadata.resource_version.clone());
        self.settling().look(&wanted.owner.uid, versions.collect(), Instant::now())
    }

    fn settling(&self) -> MutexGuard<'_, Settling> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn api(&self, wanted: &WantedKeys) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &wanted.namespace)
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("settling", &self.settling).finish_non_exhaustive()
    }
}

fn api_error(
    action: &'static str,
    wanted: &WantedKeys,
    secret: &str,
    source: kube::Error,
) -> KeyError {
    let (namespace, secret) = (wanted.namespace.clone(), secret.to_owned());
    KeyError::Api { action, namespace, secret, source: source.into() }
}
