//! A namespace of its own for each test.

use std::{fmt, fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result};
use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::{Event, Namespace as Resource, ServiceAccount};
use kube::{Api, Client, api::ObjectMeta};

/// Lines of each log that a failing test shows.
const SHOWN: usize = 40;

/// A namespace that is deleted when this is dropped. After a failure its events are shown, and the
/// last lines of the servers' logs if they are ours.
pub struct Namespace {
    name: String,
    config: kube::Config,
    client: Client,
    logs: Vec<PathBuf>,
}

impl Namespace {
    /// Creates one whose name begins with `purpose`, and waits until pods may be created in it.
    pub async fn create(config: kube::Config, purpose: &str) -> Result<Self> {
        let client = Client::try_from(config.clone()).context("make a client")?;
        let generate_name = Some(format!("{purpose}-"));
        let resource = Resource {
            metadata: ObjectMeta { generate_name, ..Default::default() },
            ..Default::default()
        };
        let api = Api::<Resource>::all(client.clone());
        let created = api.create(&Default::default(), &resource).await.context("create it")?;
        let name = created.metadata.name.context("it has no name")?;
        let namespace = Self { name, config, client, logs: Vec::new() };
        // Pods are refused before the controllers have made this one.
        let accounts: Api<ServiceAccount> = namespace.api();
        wait_until("the default service account exists", Duration::from_secs(60), async || {
            accounts.get_opt("default").await.is_ok_and(|account| account.is_some())
        })
        .await;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resources of one kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    pub(crate) fn with_logs(mut self, logs: impl Iterator<Item = PathBuf>) -> Self {
        self.logs.extend(logs);
        self
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let (name, config, failed) = (self.name.clone(), self.config.clone(), thread::panicking());
        // A test's runtime cannot block on itself, and its client belongs to it.
        let deleted = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = Client::try_from(config)?;
                if failed {
                    show_events(Api::namespaced(client.clone(), &name)).await;
                }
                Api::<Resource>::all(client).delete(&name, &Default::default()).await?;
                Ok::<_, anyhow::Error>(())
            })
        });
        if failed {
            self.logs.iter().for_each(show_log);
        }
        // The server may be what failed; the test's own words matter then.
        if let Ok(Err(e)) = deleted.join()
            && !failed
        {
            panic!("delete namespace {}: {e:#}", self.name);
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}

async fn show_events(events: Api<Event>) {
    let events = events.list(&Default::default()).await;
    for event in events.into_iter().flatten() {
        let about = event.involved_object;
        let (kind, name) = (about.kind.unwrap_or_default(), about.name.unwrap_or_default());
        let (reason, text) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
        crate::say(format_args!("event: {kind} {name}: {reason}: {text}"));
    }
}

fn show_log(log: &PathBuf) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    crate::say(format_args!("--- the end of {}\n{last}", log.display()));
}
