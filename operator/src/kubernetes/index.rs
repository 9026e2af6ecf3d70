//! Objects of one kind by the ChatCluster that they are of, so that a reconcile costs the same however many
//! ChatClusters there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kube::{Resource, runtime::watcher::Event};

use super::names::INSTANCE;

/// A ChatCluster: its namespace and its name.
type Whose = (String, String);

/// The objects that a watch has told of.
#[derive(Debug)]
pub(super) struct Index<K> {
    known: Known<K>,
    /// What the list that is being read has named. It takes the place of what is known when it is whole.
    listed: Known<K>,
}

#[derive(Debug)]
struct Known<K> {
    of: HashMap<Whose, BTreeMap<String, Arc<K>>>,
    /// Whose each object is, by its own namespace and name: its label may change.
    whose: HashMap<(String, String), Whose>,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), whose: HashMap::new() }
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { known: Known::default(), listed: Known::default() }
    }
}

impl<K: Resource> Index<K> {
    /// Takes in what the watch tells. Returns whether a list is whole with this, so that everything is known.
    pub(super) fn hear(&mut self, event: Event<K>) -> bool {
        let is_whole = matches!(event, Event::InitDone);
        match event {
            Event::Init => self.listed = Known::default(),
            Event::InitApply(object) => self.listed.insert(object),
            Event::InitDone => self.known = std::mem::take(&mut self.listed),
            Event::Apply(object) => self.known.insert(object),
            Event::Delete(object) => self.known.remove(&itself(&object)),
        }
        is_whole
    }

    /// The objects of a ChatCluster, in the order of their names.
    pub(super) fn of(&self, namespace: &str, name: &str) -> Vec<Arc<K>> {
        let whose = (namespace.to_owned(), name.to_owned());
        self.known.of.get(&whose).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }
}

impl<K: Resource> Known<K> {
    fn insert(&mut self, object: K) {
        let key = itself(&object);
        self.remove(&key);
        // Without the label it is of no ChatCluster.
        let Some(whose) = whose(&object) else { return };
        self.of.entry(whose.clone()).or_default().insert(key.1.clone(), Arc::new(object));
        self.whose.insert(key, whose);
    }

    fn remove(&mut self, key: &(String, String)) {
        let Some(whose) = self.whose.remove(key) else { return };
        if let Some(objects) = self.of.get_mut(&whose) {
            objects.remove(&key.1);
            if objects.is_empty() {
                self.of.remove(&whose);
            }
        }
    }
}

/// An object's own namespace and name.
fn itself(object: &impl Resource) -> (String, String) {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// The ChatCluster that an object's label names.
pub(super) fn whose(object: &impl Resource) -> Option<Whose> {
    let meta = object.meta();
    Some((meta.namespace.clone()?, meta.labels.as_ref()?.get(INSTANCE)?.clone()))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn map(name: &str, of: Option<&str>) -> ConfigMap {
        let labels = of.map(|of| json!({ INSTANCE: of }));
        let meta = json!({ "namespace": "chat", "name": name, "labels": labels });
        serde_json::from_value(json!({ "metadata": meta })).unwrap()
    }

    fn names(index: &Index<ConfigMap>, of: &str) -> Vec<String> {
        let found = index.of("chat", of).into_iter();
        found.map(|map| map.metadata.name.clone().unwrap()).collect()
    }

    #[test]
    fn objects_are_found_by_their_chatcluster_also_after_their_label_has_changed() {
        let mut index = Index::default();
        for object in [map("b", Some("main")), map("a", Some("main")), map("c", None)] {
            index.hear(Event::Apply(object));
        }
        assert_eq!(names(&index, "main"), ["a", "b"]);
        assert!(index.of("other", "main").is_empty(), "another namespace");
        index.hear(Event::Apply(map("a", Some("second"))));
        assert_eq!(
            (names(&index, "main"), names(&index, "second")),
            (vec!["b".into()], vec!["a".into()])
        );
        index.hear(Event::Apply(map("b", None)));
        index.hear(Event::Delete(map("a", Some("second"))));
        assert!(names(&index, "main").is_empty() && names(&index, "second").is_empty());
        assert!(index.known.of.is_empty() && index.known.whose.is_empty(), "nothing is left over");
    }

    #[test]
    fn a_list_replaces_what_was_known_when_it_is_whole() {
        let mut index = Index::default();
        index.hear(Event::Apply(map("gone meanwhile", Some("main"))));
        assert!(!index.hear(Event::Init));
        assert!(!index.hear(Event::InitApply(map("listed", Some("main")))));
        assert_eq!(names(&index, "main"), ["gone meanwhile"], "not yet");
        assert!(index.hear(Event::InitDone));
        assert_eq!(names(&index, "main"), ["listed"]);
    }
}
