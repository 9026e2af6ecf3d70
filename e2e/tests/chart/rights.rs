//! What the operator's account may do: this, and nothing else.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Output, Stdio},
    time::Duration,
};

use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_testkit::wait_until;
use serde_json::{Value, json};

use crate::world::{CHART, IMAGE, NAME, helm, install, kubectl};

/// Far more than the controllers need.
const SOON: Duration = Duration::from_secs(60);

/// Where ChatClusters are: group, resource, verbs.
const AMONG_CHATCLUSTERS: [(&str, &str, &str); 13] = [
    ("chatcluster.io", "chatclusters", "get list watch"),
    ("chatcluster.io", "chatclusters/status", "patch"),
    ("apps", "replicasets", "get list watch create patch delete"),
    ("apps", "statefulsets", "get list watch create patch delete"),
    ("", "services", "get list watch create patch delete"),
    ("", "configmaps", "get list watch create patch delete"),
    ("policy", "poddisruptionbudgets", "get list watch create patch delete"),
    ("networking.k8s.io", "networkpolicies", "get list watch create patch delete"),
    ("", "pods", "get list watch patch delete"),
    ("", "persistentvolumeclaims", "get list watch patch"),
    ("", "secrets", "get create update"),
    ("events.k8s.io", "events", "create patch"),
    ("", "events", "list"),
];

/// Where the operator is, besides.
const AT_HOME: [(&str, &str, &str); 1] =
    [("coordination.k8s.io", "leases", "get create update patch")];

#[tokio::test]
async fn of_all_namespaces_they_are_these() {
    let (home, elsewhere) = (namespace("home").await, namespace("elsewhere").await);
    install(&home, &[]);
    assert_eq!(rights(&home, &elsewhere), expand(&AMONG_CHATCLUSTERS));
    let all = [&AMONG_CHATCLUSTERS[..], &AT_HOME[..]].concat();
    assert_eq!(rights(&home, &home), expand(&all));
}

#[tokio::test]
async fn of_some_namespaces_there_are_none_elsewhere() {
    let (home, watched) = (namespace("home").await, namespace("watched").await);
    let elsewhere = namespace("elsewhere").await;
    install(&home, &[]);
    // Those of before go with an upgrade.
    let some = format!("--set=watchNamespaces={{{}}}", watched.name());
    helm(&home, &["upgrade", NAME, CHART, IMAGE, "--set=crds.enabled=false", &some]).unwrap();
    assert_eq!(rights(&home, &watched), expand(&AMONG_CHATCLUSTERS));
    assert_eq!(rights(&home, &home), expand(&AT_HOME));
    // A right in the whole cluster would be one here.
    assert_eq!(rights(&home, &elsewhere), BTreeSet::new());
}

#[tokio::test]
async fn an_account_that_exists_gets_them() {
    let home = namespace("home").await;
    kubectl(&["create", "serviceaccount", "mine", "--namespace", home.name()]).unwrap();
    install(&home, &["--set=serviceAccount.create=false,serviceAccount.name=mine"]);
    let mine = format!("--as=system:serviceaccount:{}:mine", home.name());
    let ask = ["auth", "can-i", "list", "pods", "--all-namespaces", &mine];
    assert_eq!(kubectl(&ask).as_deref(), Ok("yes\n"));
}

#[tokio::test]
async fn who_may_view_or_edit_a_namespace_may_so_with_its_chatclusters() {
    let home = namespace("home").await;
    install(&home, &[]);
    let see = [
        ("chatcluster.io", "chatclusters", "get list watch"),
        ("chatcluster.io", "chatclusters/status", "get list watch"),
        ("chatcluster.io", "chatclusters/scale", "get list watch"),
    ];
    // Status is the operator's word.
    let change = [
        ("chatcluster.io", "chatclusters", "create update patch delete deletecollection"),
        ("chatcluster.io", "chatclusters/scale", "update patch"),
    ];
    let (see, both) = (expand(&see), expand(&[&see[..], &change[..]].concat()));
    for (role, expected) in [("view", &see), ("edit", &both), ("admin", &both)] {
        let user = format!("{role}-user");
        let grant = ["create", "rolebinding", &user, "--namespace", home.name()];
        let what = [&format!("--clusterrole={role}")[..], &format!("--user={user}")[..]];
        kubectl(&[&grant[..], &what[..]].concat()).unwrap();
        // A controller adds the rules to Kubernetes' own roles.
        wait_until(&format!("{role} has {expected:?}"), SOON, async || {
            let mut rights = reviewed(&user, home.name());
            rights.retain(|right| right.ends_with(".chatcluster.io"));
            rights == *expected
        })
        .await;
    }
}

async fn namespace(purpose: &str) -> Namespace {
    ApiServer::shared().namespace(purpose).await
}

/// What the operator of a namespace may do in a namespace, beyond what any account may.
fn rights(home: &Namespace, there: &Namespace) -> BTreeSet<String> {
    let of = |account: &str| {
        reviewed(&format!("system:serviceaccount:{}:{account}", home.name()), there.name())
    };
    &of(NAME) - &of("default")
}

/// All that the API server lets a user do in a namespace.
fn reviewed(user: &str, namespace: &str) -> BTreeSet<String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace },
    });
    // Not validated by kubectl, which asks for more than this user may see.
    let ask = ["create", "--validate=false", "-f-", "-ojson", &format!("--as={user}")];
    let Output { status, stdout, stderr } = fed(&ask, &review);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let review: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(review["status"]["incomplete"], false, "{review:#}");
    let mut rights = BTreeSet::new();
    for rule in review["status"]["resourceRules"].as_array().unwrap() {
        let texts = |name: &str| -> Vec<String> {
            let texts = rule[name].as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let only = texts("resourceNames").join(",");
        for (group, resource, verb) in
            product(&texts("apiGroups"), &texts("resources"), &texts("verbs"))
        {
            rights.insert(right(&group, &resource, &verb) + &only);
        }
    }
    rights
}

fn product(
    groups: &[String],
    resources: &[String],
    verbs: &[String],
) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for group in groups {
        for resource in resources {
            all.extend(verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
        }
    }
    all
}

fn expand(rules: &[(&str, &str, &str)]) -> BTreeSet<String> {
    let expanded = rules.iter().flat_map(|(group, resource, verbs)| {
        verbs.split(' ').map(move |verb| right(group, resource, verb))
    });
    expanded.collect()
}

fn right(group: &str, resource: &str, verb: &str) -> String {
    format!("{verb} {resource}.{group}")
}

/// What kubectl makes of an object.
fn fed(arguments: &[&str], object: &Value) -> Output {
    let mut kubectl = ApiServer::shared().kubectl();
    kubectl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut kubectl = kubectl.spawn().unwrap();
    let mut stdin = kubectl.stdin.take().unwrap();
    stdin.write_all(object.to_string().as_bytes()).unwrap();
    drop(stdin);
    kubectl.wait_with_output().unwrap()
}
