//! The resource's definition: how it comes, is upgraded, stays, and goes.

use std::{fs, path::Path, time::Duration};

use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_testkit::wait_until;
use serde_json::Value;

use crate::world::{CHART, IMAGE, NAME, file, helm, kubectl, with_floats};

const DEFINITION: &str = "crd/chatclusters.chatcluster.io";

/// Far more than an API server needs to serve a new resource.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_is_upgraded_stays_at_the_end_and_is_taken_again() {
    let namespace = ApiServer::shared().namespace("definition").await;
    let older = older_chart();
    let older = older.path().to_str().unwrap();
    helm(&namespace, &["install", NAME, older, IMAGE]).unwrap();
    assert_eq!(schema().pointer("/properties/spec/properties/paused"), None);
    wait_until("a ChatCluster is created", SOON, async || create(&namespace)).await;

    helm(&namespace, &["upgrade", NAME, CHART, IMAGE]).unwrap();
    let ours = &file("../crds/chatcluster.yaml")["spec"]["versions"][0]["schema"];
    assert!(schema() == with_floats(&ours["openAPIV3Schema"]), "the new definition is there");

    let before = lasting(&namespace);
    helm(&namespace, &["uninstall", NAME]).unwrap();
    assert_eq!(lasting(&namespace), before, "it stays, and the ChatCluster");
    assert_eq!(left(&namespace), "");

    helm(&namespace, &["install", NAME, CHART, IMAGE]).unwrap();
    helm(&namespace, &["uninstall", NAME]).unwrap();

    let elsewhere = ["install", "other", CHART, IMAGE];
    let refused = format!("{:#}", helm(&namespace, &elsewhere).unwrap_err());
    assert!(refused.contains("chatclusters.chatcluster.io"), "{refused}");
    helm(&namespace, &[&elsewhere[..], &["--take-ownership"]].concat()).unwrap();
    assert_eq!(lasting(&namespace), before);

    helm(&namespace, &["upgrade", "other", CHART, IMAGE, "--set=crds.keep=false"]).unwrap();
    helm(&namespace, &["uninstall", "other"]).unwrap();
    wait_until("the definition goes when asked to", SOON, async || {
        kubectl(&["get", DEFINITION]).is_err()
    })
    .await;
}

/// The chart as it was before the resource had the field `paused`.
fn older_chart() -> tempfile::TempDir {
    let older = tempfile::tempdir().unwrap();
    copy(Path::new(CHART), older.path());
    let path = older.path().join("files/chatcluster.yaml");
    let mut definition: Value = file(path.to_str().unwrap());
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = definition.pointer_mut(spec).unwrap().as_object_mut().unwrap();
    fields.remove("paused").expect("there is a field to be without");
    fs::write(path, definition.to_string()).unwrap(); // JSON is YAML
    older
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &place),
            false => drop(fs::copy(path, place).unwrap()),
        }
    }
}

/// The schema that the server has.
fn schema() -> Value {
    let definition = kubectl(&["get", DEFINITION, "-ojson"]).unwrap();
    let definition: Value = serde_json::from_str(&definition).unwrap();
    with_floats(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
}

fn create(namespace: &Namespace) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.yaml");
    let object = r#"{"apiVersion": "chatcluster.io/v1alpha1", "kind": "ChatCluster", "metadata": {"name": "main"}, "spec": {}}"#;
    fs::write(&file, object).unwrap();
    kubectl(&["apply", "--namespace", namespace.name(), "-f", file.to_str().unwrap()]).is_ok()
}

/// The definition and the ChatCluster, by their uids, as long as nobody deletes them.
fn lasting(namespace: &Namespace) -> [String; 2] {
    [DEFINITION, "chatcluster/main"].map(|name| {
        let get = ["get", name, "-ojson", "--namespace", namespace.name()];
        let object: Value = serde_json::from_str(&kubectl(&get).unwrap()).unwrap();
        let metadata = &object["metadata"];
        assert_eq!(metadata["deletionTimestamp"], Value::Null, "{name} is being deleted");
        metadata["uid"].as_str().unwrap().to_owned()
    })
}

/// What is left of the release, in its namespace and outside.
fn left(namespace: &Namespace) -> String {
    let release = "-lapp.kubernetes.io/managed-by=Helm";
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets";
    let inside = kubectl(&["get", kinds, release, "-oname", "--namespace", namespace.name()]);
    let outside = kubectl(&["get", "clusterroles,clusterrolebindings", release, "-oname"]);
    // Other tests have releases, too.
    let outside = outside.unwrap();
    let ours = outside.lines().filter(|name| name.contains(namespace.name()));
    inside.unwrap() + &ours.collect::<Vec<_>>().join("\n")
}
