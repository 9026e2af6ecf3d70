//! The chart on a real API server: what it makes is accepted, and its rights are the ones it names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::Path,
    process::{Command, Output},
};

use chatcluster_e2e::{ApiServer, helm};
use tempfile::TempDir;

/// What names an image.
const IMAGE: [&str; 2] = ["--set=image.repository=localhost/chatcluster", "--set=image.tag=dev"];

/// Helm with a home of its own.
struct Helm {
    home: TempDir,
}

impl Helm {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut helm = Command::new(helm().built().unwrap());
        for folder in ["CACHE", "CONFIG", "DATA"] {
            helm.env(format!("HELM_{folder}_HOME"), self.home.path().join(folder));
        }
        helm.env("KUBECONFIG", ApiServer::shared().kubeconfig()).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn works(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "helm {arguments:?} worked");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn chart() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/chatcluster-operator");
    folder.display().to_string()
}

fn kubectl(arguments: &[&str]) -> Output {
    ApiServer::shared().kubectl().args(arguments).output().unwrap()
}

#[test]
fn it_lints_clean() {
    let chart = chart();
    let helm = Helm::new();
    helm.works(&[&["lint", "--strict", &chart], &IMAGE[..]].concat());
}

#[test]
fn without_an_image_it_says_how_to_make_one() {
    let said = Helm::new().fails(&["template", "a", &chart()]);
    for part in
        ["image.repository is not set", "make images", "kind load image-archive", "docker push"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_misspelt_or_impossible_value_is_named() {
    let helm = Helm::new();
    for (value, says) in [
        ("image.repositry=a", "'repositry' not allowed"),
        ("replica=2", "'replica' not allowed"),
        ("concurrency=0", "/concurrency"),
        ("image.digest=sha256:1", "/image/digest"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("serviceMonitor.interval=often", "/serviceMonitor/interval"),
    ] {
        let set = format!("--set={value}");
        let said = helm.fails(&[&["template", "a", &chart(), &set], &IMAGE[..]].concat());
        assert!(said.contains(says), "{value}: {said}");
    }
}

#[test]
fn values_arrive_where_they_work() {
    let helm = Helm::new();
    let rendered = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|value| format!("--set={value}")).collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        helm.works(&[&["template", "a", &chart()], &IMAGE[..], &values].concat())
    };
    let usual = rendered(&[]);
    assert!(usual.contains("--image=localhost/chatcluster:dev"), "{usual}");
    assert!(usual.contains("helm.sh/resource-policy: keep"));
    for kind in ["ServiceMonitor", "PodDisruptionBudget", "NetworkPolicy"] {
        assert!(!usual.contains(&format!("kind: {kind}\n")), "{kind}");
    }
    for (value, says) in [
        ("redis.image=redis:9", "--redis-image=redis:9"),
        ("operandImage=other:1", "--image=other:1"),
        (
            "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "chatcluster@sha256:0",
        ),
        ("image.pullPolicy=Never", "--image-pull-policy=Never"),
        ("imagePullSecrets[0].name=pull", "--image-pull-secret=pull"),
        ("clusterDomain=k8s.test", "--cluster-domain=k8s.test"),
        ("concurrency=3", "--concurrency=3"),
        ("logLevel=debug", "value: \"debug\""),
        ("replicas=4", "replicas: 4"),
        ("serviceMonitor.enabled=true", "kind: ServiceMonitor"),
        ("podDisruptionBudget.enabled=true", "kind: PodDisruptionBudget"),
        ("networkPolicy.enabled=true", "kind: NetworkPolicy"),
        ("priorityClassName=high", "priorityClassName: high"),
        ("serviceAccount.name=mine", "serviceAccountName: mine"),
    ] {
        let rendered = rendered(&[value]);
        assert!(rendered.contains(says), "{value}: no {says} in {rendered}");
        assert!(!usual.contains(says), "{says} is there without {value}");
    }
    assert!(!rendered(&["crds.keep=false"]).contains("resource-policy"));
    assert!(!rendered(&["crds.enabled=false"]).contains("CustomResourceDefinition"));
    assert!(!rendered(&["rbac.aggregate=false"]).contains("aggregate-to-edit"));
}

/// Every right of the operator, and rights that it must not have.
const RIGHTS: [(&str, &str, bool); 24] = [
    ("list", "chatclusters.chatcluster.io", true),
    ("patch", "chatclusters.chatcluster.io/status", true),
    ("create", "replicasets.apps", true),
    ("patch", "statefulsets.apps", true),
    ("delete", "services", true),
    ("watch", "configmaps", true),
    ("patch", "pods", true),
    ("delete", "pods", true),
    ("patch", "persistentvolumeclaims", true),
    ("get", "secrets", true),
    ("update", "secrets", true),
    ("create", "poddisruptionbudgets.policy", true),
    ("create", "networkpolicies.networking.k8s.io", true),
    ("create", "events.events.k8s.io", true),
    ("list", "events", true),
    ("update", "chatclusters.chatcluster.io", false),
    ("delete", "chatclusters.chatcluster.io", false),
    ("list", "secrets", false),
    ("watch", "secrets", false),
    ("delete", "secrets", false),
    ("create", "pods", false),
    ("delete", "persistentvolumeclaims", false),
    ("create", "pods/exec", false),
    ("get", "nodes", false),
];

#[tokio::test]
async fn it_installs_upgrades_and_leaves_what_it_should() {
    let server = ApiServer::shared();
    let (home, other) = (server.namespace("chart").await, server.namespace("elsewhere").await);
    let (home, other) = (home.name(), other.name());
    let helm = Helm::new();
    let release = |verb: &'static [&'static str], more: &[&str]| {
        helm.works(&[verb, &["op", &chart(), "--namespace", home], &IMAGE[..], more].concat())
    };
    // An older definition of the resource: without a column.
    release(&["install"], &[]);
    let crd = "crd/chatclusters.chatcluster.io";
    let columns = r#"[{"op":"remove","path":"/spec/versions/0/additionalPrinterColumns"}]"#;
    assert!(kubectl(&["patch", crd, "--type=json", "-p", columns]).status.success());
    release(&["upgrade"], &["--force-conflicts"]);
    let now = kubectl(&["get", crd, "-oyaml"]);
    assert!(String::from_utf8_lossy(&now.stdout).contains("additionalPrinterColumns"));

    let account = format!("--as=system:serviceaccount:{home}:op-chatcluster-operator");
    let may = |verb: &str, what: &str, namespace: &str| {
        let (resource, part) = what.split_once('/').unwrap_or((what, ""));
        let part = format!("--subresource={part}");
        let ask = ["auth", "can-i", verb, resource, &part, &account, "--namespace", namespace];
        let asked = kubectl(&ask);
        String::from_utf8_lossy(&asked.stdout).trim() == "yes"
    };
    for (verb, what, allowed) in RIGHTS {
        assert_eq!(may(verb, what, other), allowed, "{verb} {what}");
    }
    assert!(may("patch", "leases.coordination.k8s.io", home));
    assert!(!may("patch", "leases.coordination.k8s.io", other));

    // With namespaces named, there are no rights elsewhere.
    let watch = format!("--set=watchNamespaces={{{home}}}");
    release(&["upgrade"], &[&watch, "--force-conflicts"]);
    assert!(may("patch", "statefulsets.apps", home));
    for (verb, what, _) in RIGHTS {
        assert!(!may(verb, what, other), "{verb} {what}");
    }

    helm.works(&["uninstall", "op", "--namespace", home]);
    assert!(kubectl(&["get", crd]).status.success(), "the definition stays");
    let left = kubectl(&[
        "get",
        "deploy,sa,role",
        "-oname",
        "-lapp.kubernetes.io/instance=op",
        "--namespace",
        home,
    ]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
