//! The life of one pod: bound, started, ready, asked to end, gone.

use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use tokio::{sync::watch::Receiver, time::sleep};

use super::{
    Options,
    address::free_address,
    container::{self, Container},
    orders::Orders,
    places::Places,
    status::{Condition, running},
    writer::{Gone, Writer},
};

/// How often a process is looked after: before it is ready, and then.
const STARTING: Duration = Duration::from_millis(50);
const READY: Duration = Duration::from_millis(300);

/// Everything that a pod's life depends on.
#[derive(Clone)]
pub(super) struct Life {
    /// The pod as it is in the API; `None` when it is no more.
    pub(super) pod: Receiver<Option<Arc<Pod>>>,
    pub(super) orders: Receiver<Orders>,
    /// The names of the nodes.
    pub(super) nodes: Arc<[String]>,
    pub(super) places: Rc<Places>,
    pub(super) options: Options,
    /// For the files of processes.
    pub(super) folder: Rc<Path>,
    pub(super) writer: Writer,
}

impl Life {
    /// Lives it, until the pod is gone from the API.
    pub(super) async fn run(mut self) {
        // Whatever is gone early needs nothing more.
        let _ = self.live().await;
    }

    async fn live(&mut self) -> Result<(), Gone> {
        let node = self.place().await?;
        let pod = self.pod()?;
        let bound = self.writer.bind(&pod, &self.nodes[node]).await;
        let lived = match bound {
            Ok(()) => self.live_on(node).await,
            Err(gone) => Err(gone),
        };
        self.places.leave(node);
        lived
    }

    async fn place(&mut self) -> Result<usize, Gone> {
        loop {
            let pod = self.pod()?;
            let wish = (self.options.place)(&pod);
            let lost = self.orders.borrow_and_update().lost.clone();
            if let Some(node) = self.places.take(wish, &lost) {
                return Ok(node);
            }
            self.change().await;
        }
    }

    async fn live_on(&mut self, node: usize) -> Result<(), Gone> {
        let pod = self.pod()?;
        let really = container::of(&pod).filter(|_| (self.options.really)(&pod));
        let address = free_address(&really.map(container::ports).unwrap_or_default());
        let mut container = None;
        if let Some(spec) = really {
            let start = Container::start(
                &self.folder,
                &self.writer,
                &pod,
                spec,
                address,
                self.orders.clone(),
            );
            // Its ConfigMaps may never come.
            tokio::select! {
                started = start => container = Some(started),
                () = unwanted(self.pod.clone()) => {}
            }
        }
        let since = Timestamp::now();
        let mut how = Condition { address, ready: false, lost: false, restarts: 0, since };
        let mut told = None;
        loop {
            let pod = self.pod()?;
            let orders = self.orders.borrow_and_update().clone();
            if orders.lost.contains(&node) {
                drop(container);
                how.lost = true;
                self.writer.report(&pod, running(&pod, how, Timestamp::now())).await?;
                return self.until_gone().await;
            }
            if pod.metadata.deletion_timestamp.is_some() {
                let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
                if let Some(container) = container {
                    container.stop(Duration::from_secs(grace.max(0) as u64)).await;
                }
                return self.writer.remove(&pod).await;
            }
            if let Some(container) = &mut container
                && container.ended().is_some()
            {
                container.restart();
                (how.restarts, how.since) = (how.restarts + 1, Timestamp::now());
            }
            how.ready = !(orders.held)(&pod) && answers(container.as_ref()).await;
            if told != Some(how) {
                self.writer.report(&pod, running(&pod, how, Timestamp::now())).await?;
                told = Some(how);
            }
            let pause = if how.ready { READY } else { STARTING };
            tokio::select! {
                () = self.change() => {}
                () = sleep(pause), if container.is_some() => {}
            }
        }
    }

    /// Nobody is there who could do anything.
    async fn until_gone(&mut self) -> Result<(), Gone> {
        loop {
            self.pod()?;
            self.change().await;
        }
    }

    fn pod(&mut self) -> Result<Arc<Pod>, Gone> {
        self.pod.borrow_and_update().clone().ok_or(Gone)
    }

    /// Until something is new. Whoever tells it outlives this.
    async fn change(&mut self) {
        tokio::select! {
            _ = self.pod.changed() => {}
            _ = self.orders.changed() => {}
        }
    }
}

/// Until a pod is asked to end, or gone.
async fn unwanted(mut pod: Receiver<Option<Arc<Pod>>>) {
    let ends = |pod: &Arc<Pod>| pod.metadata.deletion_timestamp.is_some();
    let _ = pod.wait_for(|pod| pod.as_ref().is_none_or(ends)).await;
}

async fn answers(container: Option<&Container>) -> bool {
    match container {
        Some(container) => container.answers().await,
        None => true,
    }
}
