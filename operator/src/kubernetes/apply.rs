//! Makes what is live what is wanted: applies what differs, prunes what is not wanted any more. I/O.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};

use prometheus_client::metrics::counter::Counter;

use super::{
    cluster::Cluster,
    differs::{differs, mark},
    error::{Doing, ReconcileError},
    names::MANAGER,
    object::Object,
};

/// The one who writes a ChatCluster's objects.
pub(crate) struct Writer<'a> {
    client: &'a Client,
    namespace: &'a str,
    /// The ChatCluster's uid: only what it controls is ever pruned.
    owner: &'a str,
    /// Counts requests that change something.
    writes: &'a Counter,
    wrote: AtomicBool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(cluster: &'a Cluster, client: &'a Client, writes: &'a Counter) -> Self {
        Self {
            client,
            namespace: &cluster.names.namespace,
            owner: &cluster.owner.uid,
            writes,
            wrote: AtomicBool::new(false),
        }
    }

    /// Applies those of `wanted` that differ from what is live.
    pub(crate) async fn apply_all<K: Object>(
        &self,
        wanted: Vec<K>,
        live: &[Arc<K>],
    ) -> Result<(), ReconcileError> {
        for object in wanted {
            self.apply(object, live).await?;
        }
        Ok(())
    }

    /// Applies `wanted` if it differs from what is live of this name.
    pub(crate) async fn apply<K: Object>(
        &self,
        mut wanted: K,
        live: &[Arc<K>],
    ) -> Result<(), ReconcileError> {
        mark(&mut wanted);
        let name = wanted.name_any();
        let live = live.iter().find(|live| live.name_any() == name);
        let doing = Doing::Apply(K::kind(&()).into_owned(), name.clone());
        let value = |object: &K| {
            serde_json::to_value(object).map_err(|error| ReconcileError::unwritable(&doing, error))
        };
        if let Some(live) = live
            && !differs(&value(&wanted)?, &value(live)?)
        {
            return Ok(());
        }
        // By force: these fields are ours, and a person's change of them goes back.
        let how = PatchParams::apply(MANAGER).force();
        self.count();
        tracing::info!(new = live.is_none(), "{doing}");
        self.api::<K>()
            .patch(&name, &how, &Patch::Apply(&wanted))
            .await
            .map(drop)
            .map_err(|error| ReconcileError::api(doing, error))
    }

    /// Deletes those live objects that the ChatCluster controls and that `keep` does not name.
    pub(crate) async fn prune<K: Object>(
        &self,
        live: &[Arc<K>],
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), ReconcileError> {
        let leftover = |object: &&Arc<K>| {
            let controlled = object
                .owner_references()
                .iter()
                .any(|owner| owner.uid == self.owner && owner.controller == Some(true));
            controlled && object.meta().deletion_timestamp.is_none() && !keep(&object.name_any())
        };
        let leftovers: Vec<_> = live.iter().filter(leftover).cloned().collect();
        for object in leftovers {
            self.delete(object.as_ref(), DeleteParams::background()).await?;
        }
        Ok(())
    }

    /// Deletes exactly this object; that it is gone already is fine.
    pub(crate) async fn delete<K: Object>(
        &self,
        object: &K,
        how: DeleteParams,
    ) -> Result<(), ReconcileError> {
        let name = object.name_any();
        let doing = Doing::Delete(K::kind(&()).into_owned(), name.clone());
        let exactly = Preconditions { uid: object.uid(), resource_version: None };
        self.count();
        tracing::info!("{doing}");
        match self.api::<K>().delete(&name, &how.preconditions(exactly)).await {
            Ok(_) => Ok(()),
            // 409: another object has the name by now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(ReconcileError::api(doing, error)),
        }
    }

    /// Changes a few fields of an object that others own; that it is gone is fine.
    pub(crate) async fn merge<K: Object>(
        &self,
        name: &str,
        change: serde_json::Value,
    ) -> Result<(), ReconcileError> {
        let doing = Doing::Change(K::kind(&()).into_owned(), name.to_owned());
        self.count();
        let how = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        match self.api::<K>().patch(name, &how, &Patch::Merge(change)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(ReconcileError::api(doing, error)),
        }
    }

    /// Whether anything was changed: what the caches show is from before.
    pub(crate) fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.writes.inc();
        self.wrote.store(true, Ordering::Relaxed);
    }

    fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}
