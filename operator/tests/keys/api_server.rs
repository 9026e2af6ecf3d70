//! The operator's shell on a real API server: owners, garbage collection and RBAC are real.

use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use chatcluster_crds::{ChatCluster, ChatClusterSpec};
use chatcluster_e2e::{ApiServer, Namespace};
use chatcluster_operator::kubernetes::keys::{
    Keeper, KeyError, KeyEvent, Keys, RotationPhase, WantedKeys,
};
use chatcluster_testkit::wait_until;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::world::{accepts, certificate_secrets, certificates, text, wanted};

const DEADLINE: Duration = Duration::from_secs(60);

/// The API server, with the resource known to it.
fn server() -> &'static ApiServer {
    static INSTALLED: OnceLock<String> = OnceLock::new();
    let server = ApiServer::shared();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/chatcluster.yaml");
    INSTALLED.get_or_init(|| server.install(&file, "chatclusters"));
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

    let mut phases = Vec::new();
    let end = Instant::now() + DEADLINE;
    while phases.last() != Some(&RotationPhase::Steady) {
        assert!(Instant::now() < end, "{phases:?}");
        let keys = place.ensure().await.unwrap();
        if phases.last() != Some(&keys.phase) {
            phases.push(keys.phase);
            // Another operator, with a pause that has only begun, goes no further.
            let next = Keeper::new(server().client());
            let seen = next.ensure(&place.wanted, SystemTime::now()).await.unwrap();
            assert_eq!(seen.phase, keys.phase);
        }
    }
    assert_eq!(phases, [RotationPhase::TrustBoth, RotationPhase::Reissue, RotationPhase::Steady]);
    let new = text(&place.secret("main-ca").await, "ca.crt");
    assert_ne!(new, old);
    for name in certificate_secrets() {
        let secret = place.secret(&name).await;
        assert_eq!(text(&secret, "ca.crt"), new, "{name} trusts the new one alone");
        assert!(accepts(&new, &text(&secret, "tls.crt")), "{name}");
    }
}
