//! However often the operator dies, what it makes is the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{self, Poll},
};

use chatcluster_testkit::wait_until;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::world::{SOON, World, server};

/// How many objects an empty spec makes: the gateways' ReplicaSet, 4 StatefulSets, 4 Services, 4
/// ConfigMaps, 6 Secrets, 2 budgets, 3 policies.
const OBJECTS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_after_every_single_step_makes_the_same() {
    let (calm, stormy) = tokio::join!(World::new("calm"), World::new("stormy"));
    for world in [&calm, &stormy] {
        world.create("main", json!({})).await;
    }
    let operator = calm.operator(&[]);
    wait_until("all objects are there", SOON, async || calm.objects().await.len() == OBJECTS).await;
    calm.until("main", "Progressing", "TendingManager").await;

    let mut killed = 0;
    while killed < 200 && stormy.objects().await.len() < OBJECTS {
        let (dies, layer) = Mortal::after(1);
        let client = ClientBuilder::try_from(server().config_of(&stormy.user)).unwrap();
        let mortal = stormy.operator_with(client.with_layer(&layer).build(), &[]);
        assert!(
            timeout(SOON, dies.cancelled()).await.is_ok(),
            "nothing more is done: {:?}",
            stormy.objects().await
        );
        mortal.kill().await;
        killed += 1;
    }
    assert!(killed >= OBJECTS - 1, "{killed} steps");
    let last = stormy.operator(&[]);
    stormy.until("main", "Progressing", "TendingManager").await;
    assert_eq!(stormy.objects().await, calm.objects().await);
    println!("killed {killed} times");
    operator.stop().await;
    last.stop().await;
}

/// Lets so many changes through, and nothing at all after that: whoever has this client is as good as
/// dead, after a change was done and before it is known.
#[derive(Clone)]
struct Mortal {
    left: Arc<AtomicI64>,
    dies: CancellationToken,
}

impl Mortal {
    fn after(changes: i64) -> (CancellationToken, Self) {
        let dies = CancellationToken::new();
        (dies.clone(), Self { left: Arc::new(changes.into()), dies })
    }
}

impl<S> Layer<S> for Mortal {
    type Service = MortalService<S>;

    fn layer(&self, inner: S) -> MortalService<S> {
        MortalService { inner, mortal: self.clone() }
    }
}

#[derive(Clone)]
struct MortalService<S> {
    inner: S,
    mortal: Mortal,
}

impl<S> Service<Request<Body>> for MortalService<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        // The lease and events are beside the work.
        let beside = path.contains("/leases") || path.contains("/events");
        let changes = request.method() != Method::GET && !beside;
        let mortal = self.mortal.clone();
        if mortal.dies.is_cancelled() {
            return std::future::pending().boxed();
        }
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            if changes && mortal.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
                mortal.dies.cancel();
                std::future::pending::<()>().await;
            }
            answer
        }
        .boxed()
    }
}
