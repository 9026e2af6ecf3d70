//! What the tests of this folder share: the document, the schemas, and a cluster that speaks the protocol.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    client::{Client, Door, Refusal},
    cluster::Cluster,
    document::Document,
    schemas::Schemas,
};

/// Longer than any test.
const VALID: &str = "1h";

pub(crate) struct World {
    pub(crate) document: Document,
    pub(crate) schemas: Rc<Schemas>,
    pub(crate) cluster: Cluster,
    subprotocol: String,
}

impl World {
    pub(crate) async fn up() -> Self {
        let document = Document::read();
        let subprotocol = document.quoted_after("with the subprotocol ");
        let (schemas, cluster) = (Rc::new(Schemas::read()), Cluster::up().await);
        Self { document, schemas, cluster, subprotocol }
    }

    /// What an honest client asks at the door.
    pub(crate) fn door(&self) -> Door<'_> {
        Door { path: "/", subprotocol: Some(&self.subprotocol), origin: None }
    }

    /// A client at the door of a gateway.
    pub(crate) async fn knock(
        &self,
        gateway: usize,
        door: Door<'_>,
    ) -> Result<Result<Client, Refusal>, String> {
        Client::knock(&self.cluster, &self.schemas, gateway, door).await
    }

    /// A WebSocket that has said nothing.
    pub(crate) async fn connect(&self, gateway: usize) -> Result<Client, String> {
        let refused = |answer: Refusal| format!("gateway-{gateway} answers {}", answer.status());
        self.knock(gateway, self.door()).await?.map_err(refused)
    }

    /// The documented `hello` of another user and device.
    pub(crate) fn hello(&self, user: &str, device: &str) -> Value {
        let mut hello = self.document.request("hello");
        hello["token"] = self.token(user).into();
        hello["device"] = device.into();
        hello
    }

    /// A session past its `caught_up`.
    pub(crate) async fn session(
        &self,
        gateway: usize,
        user: &str,
        device: &str,
    ) -> Result<Client, String> {
        let mut client = self.connect(gateway).await?;
        client.send(&self.hello(user, device)).await?;
        client.expect("welcome").await?;
        client.expect("caught_up").await?;
        Ok(client)
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.cluster.token(user, VALID)
    }
}
