//! The operator's shell on a real API server: owners, garbage collection and RBAC are real.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant, SystemTime},
};

use chatcluster_crds::{ChatCluster, ChatClusterSpec};
use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_operator::kubernetes::keys::{
    JwtKey, Keeper, KeyError, KeyEvent, Keys, RotationPhase, ServerCertificate, WantedKeys,
};
use chatcluster_testkit::wait_until;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Config, Resource,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::world::{accepts, certificate_secrets, certificates, reasons, text, wanted};

const DEADLINE: Duration = Duration::from_secs(60);

/// The API server, with the resource known to it.
fn server() -> &'static ApiServer {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let server = ApiServer::shared();
    INSTALLED.get_or_init(|| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/chatcluster.yaml");
        let crd = "crd/chatclusters.chatcluster.io";
        let kubectl = |arguments: &[&str]| {
            let output = server.kubectl().args(arguments).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(format!("{arguments:?}: {said}")) }
        };
        kubectl(&["apply", "--server-side", "-f", file]).unwrap();
        // Before its status has any conditions, `wait` fails at once.
        let end = Instant::now() + DEADLINE;
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", crd];
        while let Err(error) = kubectl(&wait) {
            assert!(Instant::now() < end, "kubectl {error}");
            thread::sleep(Duration::from_millis(100));
        }
    });
    server
}

/// A ChatCluster in a namespace of its own, and what keeps its keys.
struct Place {
    namespace: Namespace,
    wanted: WantedKeys,
    keeper: Keeper,
}

impl Place {
    async fn new(purpose: &str) -> Self {
        let namespace = server().namespace(purpose).await;
        let cluster = ChatCluster::new("main", ChatClusterSpec::default());
        let clusters: Api<ChatCluster> = namespace.api();
        let cluster = clusters.create(&PostParams::default(), &cluster).await.unwrap();
        let wanted = WantedKeys {
            namespace: namespace.name().into(),
            owner: cluster.controller_owner_ref(&()).unwrap(),
            ..wanted()
        };
        let keeper = Keeper::new(server().client());
        Self { namespace, wanted, keeper }
    }

    async fn ensure(&self) -> Result<Keys, KeyError> {
        self.keeper.ensure(&self.wanted, SystemTime::now()).await
    }

    fn secrets(&self) -> Api<Secret> {
        self.namespace.api()
    }

    async fn secret(&self, name: &str) -> Secret {
        self.secrets().get(name).await.unwrap()
    }

    /// Names and versions of all Secrets.
    async fn versions(&self) -> Vec<(String, String)> {
        let secrets = self.secrets().list(&Default::default()).await.unwrap();
        let version = |secret: Secret| {
            (secret.metadata.name.unwrap(), secret.metadata.resource_version.unwrap())
        };
        secrets.into_iter().map(version).collect()
    }

    async fn create(&self, secret: serde_json::Value) {
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets().create(&PostParams::default(), &secret).await.unwrap();
    }
}

#[tokio::test]
async fn keys_are_made_once_and_go_with_the_chatcluster() {
    let place = Place::new("keys").await;
    place.create(json!({"metadata": {"name": "theirs"}, "stringData": {"key": "theirs"}})).await;
    let keys = place.ensure().await.unwrap();
    assert_eq!(keys.events.len(), 6, "{:?}", keys.events);
    assert!(keys.problems.is_empty());
    for name in certificate_secrets() {
        let secret = place.secret(&name).await;
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
        assert_eq!(text(&secret, "ca.crt"), keys.trust_bundle);
        assert!(accepts(&keys.trust_bundle, &text(&secret, "tls.crt")));
    }
    let before = place.versions().await;
    assert_eq!(before.len(), 7);
    assert_eq!(place.ensure().await.unwrap().events, []);
    assert_eq!(place.versions().await, before, "what is good is not written again");

    let clusters: Api<ChatCluster> = place.namespace.api();
    clusters.delete("main", &DeleteParams::default()).await.unwrap();
    wait_until("only the user's Secret is left", DEADLINE, async || {
        let left = place.versions().await;
        left.len() == 1 && left[0].0 == "theirs"
    })
    .await;
}

#[tokio::test]
async fn operators_that_race_agree_on_one_ca() {
    let place = Place::new("race").await;
    let operators: Vec<_> = (0..4).map(|_| Keeper::new(server().client())).collect();
    let ensured = operators.iter().map(|keeper| keeper.ensure(&place.wanted, SystemTime::now()));
    let ensured: Vec<Keys> = join_all(ensured).await.into_iter().map(Result::unwrap).collect();
    let made = ensured.iter().flat_map(|keys| &keys.events);
    assert_eq!(made.filter(|event| **event == KeyEvent::CaCreated).count(), 1);
    let ca = text(&place.secret("main-ca").await, "ca.crt");
    assert_eq!(certificates(&ca).len(), 1);
    for keys in ensured {
        assert_eq!(keys.trust_bundle, ca);
    }
    for name in certificate_secrets() {
        assert!(accepts(&ca, &text(&place.secret(&name).await, "tls.crt")), "{name}");
    }
    assert_eq!(place.ensure().await.unwrap().events, []);
}

#[tokio::test]
async fn a_rotation_ends_with_another_ca_also_when_operators_take_turns() {
    let mut place = Place::new("rotation").await;
    place.ensure().await.unwrap();
    let old = text(&place.secret("main-ca").await, "ca.crt");
    place.wanted.rotate = Some("now".into());
    place.wanted.pause = Duration::from_millis(300);

    let (mut phases, mut told) = (Vec::new(), Vec::new());
    wait_until("the rotation is over", DEADLINE, async || {
        let keys = place.ensure().await.unwrap();
        told.extend(reasons(&keys.events));
        told.retain(|reason| reason.starts_with("Ca"));
        if phases.last() != Some(&keys.phase) {
            phases.push(keys.phase);
            // One that has just begun cannot know how long this has been so.
            place.keeper = Keeper::new(server().client());
            assert_eq!(place.ensure().await.unwrap().events, []);
        }
        keys.phase == RotationPhase::Steady
    })
    .await;
    assert_eq!(phases, [RotationPhase::TrustBoth, RotationPhase::Reissue, RotationPhase::Steady]);
    assert_eq!(told, ["CaRotationBegan", "CaChanged", "CaRotationEnded"]);

    let ca = place.secret("main-ca").await;
    let new = text(&ca, "ca.crt");
    assert_ne!(new, old);
    assert_eq!(ca.data.unwrap().into_keys().collect::<Vec<_>>(), ["ca.crt", "ca.key"]);
    for name in certificate_secrets() {
        let secret = place.secret(&name).await;
        assert_eq!(text(&secret, "ca.crt"), new, "{name} trusts the new one alone");
        assert!(accepts(&new, &text(&secret, "tls.crt")), "{name}");
    }
}

#[tokio::test]
async fn the_users_own_secrets_are_waited_for_and_left_as_they_are() {
    let mut place = Place::new("users").await;
    place.wanted.server = ServerCertificate::UserSecret { name: "theirs".into() };
    place.wanted.jwt = JwtKey::UserSecret { name: "theirs".into(), key: "hs256".into() };
    assert_eq!(place.ensure().await.unwrap().problems.len(), 2);

    let data = json!({"tls.crt": "c", "tls.key": "k", "hs256": "s"});
    place.create(json!({"metadata": {"name": "theirs"}, "stringData": data})).await;
    let theirs = place.secret("theirs").await;
    let keys = place.ensure().await.unwrap();
    assert!(keys.problems.is_empty() && keys.events.is_empty(), "{keys:?}");
    assert_eq!(place.secret("theirs").await, theirs);
    let names: Vec<_> = place.versions().await.into_iter().map(|(name, _)| name).collect();
    let made = ["main-ca", "main-gateway-tls", "main-messages-tls", "main-service-token"];
    assert_eq!(names, [&made[..], &["theirs"]].concat());
}

#[tokio::test]
async fn get_create_and_update_on_secrets_are_all_that_it_needs() {
    let mut place = Place::new("rights").await;
    let namespace = place.namespace.name();
    for arguments in [
        "create role keeper --verb=get,create,update --resource=secrets",
        "create rolebinding keeper --role=keeper --user=keeper",
    ] {
        let mut kubectl = server().kubectl();
        kubectl.args(arguments.split(' ')).args(["--namespace", namespace]);
        assert!(kubectl.output().unwrap().status.success(), "{arguments}");
    }
    place.keeper = Keeper::new(client_as("keeper").await);
    place.wanted.pause = Duration::ZERO;
    assert_eq!(place.ensure().await.unwrap().events.len(), 6);
    place.wanted.rotate = Some("now".into());
    let keys = place.ensure().await.unwrap();
    assert_eq!(reasons(&keys.events).last(), Some(&"TrustChanged"));
    assert_eq!(keys.events.len(), 12, "a whole rotation: {:?}", keys.events);

    place.keeper = Keeper::new(client_as("nobody").await);
    let error = place.ensure().await.unwrap_err().to_string();
    let start = format!("reading Secret {}/main-", place.namespace.name());
    assert!(error.starts_with(&start) && error.contains("forbidden"), "{error}");
}

/// A client of the API server as another user.
async fn client_as(user: &str) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(server().kubeconfig()).unwrap();
    let admin = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
    admin.impersonate = Some(user.to_owned());
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}
