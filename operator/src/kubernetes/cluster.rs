//! A ChatCluster with everything resolved. After this nobody looks at what may be absent. No I/O.

use std::sync::Arc;

use chatcluster_crds::{ChatCluster, ChatClusterSpec, Storage};
use k8s_openapi::{
    api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Resource, ResourceExt};
use operator_plan::Goal;

use super::{Settings, names::Names, observe::Observed};

/// A ChatCluster, resolved against what runs already.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) names: Names,
    pub(crate) owner: OwnerReference,
    /// For events about it.
    pub(crate) reference: ObjectReference,
    pub(crate) generation: i64,
    pub(crate) spec: ChatClusterSpec,
    /// Of gateways and message service.
    pub(crate) image: Image,
    pub(crate) redis_image: Image,
    /// What the message service's volume was made as, or will be. StatefulSets cannot change that.
    pub(crate) volume: Storage,
    pub(crate) settings: Arc<Settings>,
}

/// An image, and the newer one that the operator has and does not take by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) newer: Option<String>,
}

/// The object lacks what every object on a server has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ChatCluster has no {0}: it does not come from an API server")]
pub struct NotFromAServer(&'static str);

impl Cluster {
    /// Resolves it.
    pub(crate) fn resolve(
        object: &ChatCluster,
        observed: &Observed,
        settings: &Arc<Settings>,
    ) -> Result<Self, NotFromAServer> {
        let names = Names {
            name: object.name_any(),
            namespace: object.namespace().ok_or(NotFromAServer("namespace"))?,
            domain: settings.cluster_domain.clone(),
        };
        let owner = object.controller_owner_ref(&()).ok_or(NotFromAServer("uid"))?;
        let spec = object.spec.clone();
        let image = image(&spec.image, observed.image(), &settings.image);
        let redis = &spec.manager.managed.image;
        let redis_image = image_of_redis(redis, observed, settings);
        let volume = observed.volume().unwrap_or_else(|| spec.messages.embedded.storage.clone());
        Ok(Self {
            names,
            owner,
            reference: object.object_ref(&()),
            generation: object.metadata.generation.unwrap_or_default(),
            spec,
            image,
            redis_image,
            volume,
            settings: settings.clone(),
        })
    }

    /// What the Redis Cluster should be.
    pub(crate) fn goal(&self) -> Goal {
        let managed = &self.spec.manager.managed;
        Goal { shards: managed.shards as usize, replicas: managed.replicas_per_shard as usize }
    }
}

fn image_of_redis(wanted: &Option<String>, observed: &Observed, settings: &Settings) -> Image {
    image(wanted, observed.redis_image(), &settings.redis_image)
}

/// What is wanted, else what is live: an upgrade of the operator restarts nothing.
fn image(wanted: &Option<String>, live: Option<String>, ours: &str) -> Image {
    let live = wanted.is_none().then_some(live).flatten();
    let newer = live.as_deref().is_some_and(|live| live != ours).then(|| ours.to_owned());
    let name = wanted.clone().or(live).unwrap_or_else(|| ours.to_owned());
    Image { name, newer }
}

/// ChatClusters for tests.
#[cfg(test)]
pub(crate) mod testing {
    use clap::Parser;
    use serde_json::Value;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        settings: Settings,
    }

    /// `main` in the namespace `chat`, of which nothing is there yet; `options` are the operator's.
    pub(crate) fn cluster_with(spec: Value, options: &[&str]) -> Cluster {
        let spec: ChatClusterSpec = serde_json::from_value(spec).unwrap();
        let mut object = ChatCluster::new("main", spec);
        object.metadata.namespace = Some("chat".into());
        object.metadata.uid = Some("0a1b".into());
        let options =
            [&["run", "--image=registry.example/chatcluster:1", "--name=o"], options].concat();
        let settings = Arc::new(Options::parse_from(options).settings);
        Cluster::resolve(&object, &Observed::default(), &settings).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_image_stays_until_the_spec_names_another() {
        let of = |wanted: Option<&str>, live: Option<&str>| {
            let image = image(&wanted.map(str::to_owned), live.map(str::to_owned), "ours:2");
            (image.name, image.newer)
        };
        assert_eq!(of(None, None), ("ours:2".into(), None));
        assert_eq!(of(None, Some("ours:2")), ("ours:2".into(), None));
        assert_eq!(of(None, Some("ours:1")), ("ours:1".into(), Some("ours:2".into())));
        assert_eq!(of(Some("own:1"), Some("ours:1")), ("own:1".into(), None));
    }
}
