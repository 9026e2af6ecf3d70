//! What Helm renders.

use chatcluster_e2e::Helm;
use serde_json::{Value, json};

use crate::world::{CHART, file, objects, rendered, with_floats};

#[test]
fn it_lints_clean() {
    let said = Helm::alone().unwrap().run(&["lint", "--strict", CHART]).unwrap();
    assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
}

#[test]
fn the_manifests_are_these() {
    insta::assert_snapshot!(rendered(&["--set=crds.enabled=false"]));
}

#[test]
fn the_image_is_the_one_of_the_version_the_tag_or_the_digest() {
    let image = |flags: &[&str]| {
        let objects = objects(flags);
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let image = container["image"].as_str().unwrap();
        let operand = json!(format!("--image={image}"));
        assert!(container["args"].as_array().unwrap().contains(&operand), "{container:#}");
        image.to_owned()
    };
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let (tagged, exact) = ("--set=image.tag=dev", format!("--set=image.digest={digest}"));
    let version = file("../charts/chatcluster-operator/Chart.yaml")["appVersion"].clone();
    let name = "registry.example/chatcluster";
    assert_eq!(image(&[]), format!("{name}:{}", version.as_str().unwrap()));
    assert_eq!(image(&[tagged]), format!("{name}:dev"));
    assert_eq!(image(&[tagged, &exact]), format!("{name}@{digest}"));
}

#[test]
fn the_resource_is_the_one_of_this_repository() {
    let definition = |flags: &[&str]| {
        let kind = "CustomResourceDefinition";
        objects(flags).into_iter().find(|object| object["kind"] == kind)
    };
    let mut ours = file("../crds/chatcluster.yaml");
    let unkept = definition(&["--set=crds.keep=false"]).unwrap();
    assert!(with_floats(&unkept) == with_floats(&ours), "the chart has another definition");
    ours["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
    let kept = definition(&[]).unwrap();
    assert!(with_floats(&kept) == with_floats(&ours), "only the annotation is Helm's");
    assert_eq!(definition(&["--set=crds.enabled=false"]), None);
}

#[test]
fn somebody_with_a_few_namespaces_can_install_it() {
    let mine = ["chatcluster-system", "chat", "more-chat"];
    let objects = objects(&[
        "--set=watchNamespaces={chat,more-chat}",
        "--set=crds.enabled=false,rbac.aggregate=false",
    ]);
    for object in objects {
        let namespace = object["metadata"]["namespace"].as_str();
        assert!(namespace.is_some_and(|namespace| mine.contains(&namespace)), "{object:#}");
    }
}

#[test]
fn operators_of_all_namespaces_have_names_of_their_own() {
    let roles = |namespace: &str| {
        let objects = objects(&["--namespace", namespace]);
        let names = objects.iter().filter(|object| object["kind"] == "ClusterRole");
        names.map(|role| role["metadata"]["name"].clone()).collect::<Vec<Value>>()
    };
    // As long as a namespace's name may be, and different at its end.
    let (one, other) = (roles(&"a".repeat(63)), roles(&format!("{}b", "a".repeat(62))));
    assert_eq!(one.len(), 3);
    assert!(one.iter().all(|role| !other.contains(role)), "{one:?} {other:?}");
}
