//! What is written to the API server about pods, and how much of it at the same time.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::sleep};

/// Requests at the same time: more only wait in the API server, and are refused by it beyond 200.
const AT_ONCE: usize = 32;

/// A request that fails for another reason than the pod is repeated, for about 20 s.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// Writes about pods. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    permits: Arc<Semaphore>,
}

/// The pod is no more, or another one has its name.
#[derive(Debug)]
pub(super) struct Gone;

impl Writer {
    pub(super) fn new(client: Client) -> Self {
        Self { client, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whatever is in the pod's namespace.
    pub(super) fn api<K>(&self, pod: &Pod) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }

    /// As the scheduler does it.
    pub(super) async fn bind(&self, pod: &Pod, node: &str) -> Result<(), Gone> {
        let binding = Binding {
            metadata: kube::api::ObjectMeta {
                name: pod.metadata.name.clone(),
                uid: pod.uid(),
                ..Default::default()
            },
            target: ObjectReference {
                kind: Some("Node".into()),
                name: Some(node.into()),
                ..Default::default()
            },
        };
        let pods: Api<Pod> = self.api(pod);
        let bind = async || {
            let (name, none) = (pod.name_any(), PostParams::default());
            let bound = pods.create_subresource("binding", &name, &none, &binding).await;
            bound.map(|_: Value| ())
        };
        self.repeat("bind a pod", bind).await
    }

    /// Writes the status, of this pod and of no later one of its name.
    pub(super) async fn report(&self, pod: &Pod, status: Value) -> Result<(), Gone> {
        let pods: Api<Pod> = self.api(pod);
        let patch = Patch::Merge(json!({ "metadata": { "uid": pod.uid() }, "status": status }));
        let report = async || {
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.map(drop)
        };
        self.repeat("write a pod's status", report).await
    }

    /// Says that the pod has ended.
    pub(super) async fn remove(&self, pod: &Pod) -> Result<(), Gone> {
        let pods: Api<Pod> = self.api(pod);
        let this_one = Preconditions { uid: pod.uid(), resource_version: None };
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(this_one),
            ..DeleteParams::default()
        };
        let remove = async || pods.delete(&pod.name_any(), &at_once).await.map(drop);
        self.repeat("remove a pod", remove).await
    }

    async fn repeat(
        &self,
        what: &str,
        mut request: impl AsyncFnMut() -> kube::Result<()>,
    ) -> Result<(), Gone> {
        let _permit = self.permits.acquire().await.expect("nobody closes the semaphore");
        let mut attempts = 1..=ATTEMPTS;
        loop {
            match (request().await, attempts.next()) {
                (Ok(()), _) => return Ok(()),
                (Err(kube::Error::Api(e)), _) if e.is_not_found() || e.is_conflict() => {
                    return Err(Gone);
                }
                (Err(_), Some(_)) => sleep(PAUSE).await,
                (Err(e), None) => panic!("the kubelet could not {what}: {e}"),
            }
        }
    }
}
