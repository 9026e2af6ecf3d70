//! The one watch: tells every pod's life what the API says of the pod.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    pin::pin,
    sync::Arc,
};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::{sync::watch, task::JoinSet, time::interval};

use super::{Options, life::Life, nodes, orders::Orders, places::Places, writer::Writer};

/// Plays until it is told to stop, then ends all processes and removes the nodes. Runs in a `LocalSet`.
pub(super) async fn run(
    client: Client,
    namespace: &str,
    names: Vec<String>,
    options: Options,
    folder: PathBuf,
    mut orders: watch::Receiver<Orders>,
) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut events = pin!(watcher(pods.clone(), watcher::Config::default()).default_backoff());
    let mut heartbeat = interval(nodes::HEARTBEAT);
    let mut lives = Lives {
        life: Life {
            pod: watch::channel(None).1,
            orders: orders.clone(),
            nodes: names.clone().into(),
            places: Places::new(options.nodes).into(),
            options,
            folder: folder.into(),
            writer: Writer::new(client.clone()),
        },
        of: HashMap::new(),
        listed: BTreeSet::new(),
        tasks: JoinSet::new(),
    };
    let mut mourned = BTreeSet::new();
    while !orders.borrow_and_update().stop {
        tokio::select! {
            event = events.next() => {
                // Errors are repeated after a while; the watch has no end.
                if let Some(Ok(event)) = event {
                    lives.hear(event);
                }
            }
            Some(ended) = lives.tasks.join_next() => {
                if let Some(panic) = ended.err().and_then(|e| e.try_into_panic().ok()) {
                    std::panic::resume_unwind(panic);
                }
            }
            _ = heartbeat.tick() => {
                let lost = orders.borrow().lost.clone();
                for (_, name) in names.iter().enumerate().filter(|(node, _)| !lost.contains(node)) {
                    // One that is lost is made up for by the next.
                    let _ = nodes::beat(&client, name, true).await;
                }
            }
            _ = orders.changed() => {}
        }
        let lost = orders.borrow().lost.clone();
        for node in lost.difference(&mourned.clone()) {
            if nodes::beat(&client, &names[*node], false).await.is_ok() {
                mourned.insert(*node);
            }
        }
    }
    // Processes first: their ends are what matters.
    lives.tasks.shutdown().await;
    nodes::remove(&client, &names, &pods).await;
}

/// The pods that live, by uid.
struct Lives {
    /// What a new life begins with.
    life: Life,
    of: HashMap<String, watch::Sender<Option<Arc<Pod>>>>,
    /// Whom the list has named that is being read.
    listed: BTreeSet<String>,
    tasks: JoinSet<()>,
}

impl Lives {
    fn hear(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.uid());
                self.tell(pod);
            }
            Event::InitDone => {
                let gone = self.of.extract_if(|uid, _| !self.listed.contains(uid));
                gone.for_each(|(_, life)| drop(life.send_replace(None)));
            }
            Event::Apply(pod) => self.tell(pod),
            Event::Delete(pod) => {
                if let Some(life) = self.of.remove(&pod.uid().unwrap_or_default()) {
                    life.send_replace(None);
                }
            }
        }
    }

    fn tell(&mut self, pod: Pod) {
        let (uid, pod) = (pod.uid().unwrap_or_default(), Arc::new(pod));
        if let Some(life) = self.of.get(&uid) {
            life.send_replace(Some(pod));
            return;
        }
        let (tells, heard) = watch::channel(Some(pod));
        self.of.insert(uid, tells);
        self.tasks.spawn_local(Life { pod: heard, ..self.life.clone() }.run());
    }
}
