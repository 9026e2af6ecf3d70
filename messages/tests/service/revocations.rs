//! Revoking tokens over HTTP, and what gateways hear of it.

use chatcluster_protocol::id::DeviceId;
use messages_core::repository::Repository;
use serde_json::json;

use crate::{harness::*, http::Service};

/// The clock of the service.
const AT: u64 = NOW + 120_000;

impl Service {
    async fn revoke(&self, name: &str, body: &str) -> Answer {
        let path = format!("/v1/users/{name}/revocations");
        post(self.port, &path, body, &good_token()).await
    }

    async fn revoked(&self, name: &str, of: &str) -> Option<u64> {
        let of = DeviceId::new(of).unwrap();
        self.repository.register(user(name), of, u64::MAX).await.unwrap().revoked_before
    }

    async fn feed(&self) -> Vec<(String, Option<String>, u64)> {
        let page = self.repository.revocations(Vec::new(), 100, AT).await.unwrap();
        let one = |one: messages_core::repository::Revocation| {
            (one.user.to_string(), one.device.map(|device| device.to_string()), one.before)
        };
        page.revocations.into_iter().map(one).collect()
    }
}

#[tokio::test]
async fn the_tokens_of_a_user_or_of_one_device_are_revoked() {
    let service = Service::start().await;
    let one = service.revoke("bob", r#"{"device":"phone"}"#).await;
    assert_eq!(
        (one.status, one.json),
        (200, json!({"user": "bob", "device": "phone", "before": AT}))
    );
    assert_eq!(service.revoked("bob", "phone").await, Some(AT));
    assert_eq!(service.revoked("bob", "laptop").await, None);
    for body in ["", "{}"] {
        let all = service.revoke("alice", body).await;
        assert_eq!((all.status, all.json), (200, json!({"user": "alice", "before": AT})));
    }
    assert_eq!(service.revoked("alice", "laptop").await, Some(AT));
    let all = [("alice".into(), None, AT), ("bob".into(), Some("phone".into()), AT)];
    assert_eq!(service.feed().await, all);
}

#[tokio::test]
async fn removing_a_device_revokes_its_tokens() {
    let service = Service::start().await;
    assert_eq!(service.revoked("bob", "phone").await, None);
    assert_eq!(
        delete(service.port, "/v1/users/bob/devices/laptop", &good_token()).await.status,
        404
    );
    assert_eq!(service.feed().await, []);
    let path = "/v1/users/bob/devices/phone";
    assert_eq!(delete(service.port, path, &good_token()).await.status, 204);
    // Before it, by the service's clock, and in the step that removes it, by the replica's: that one is behind, and
    // what was revoked stays so.
    let one = || ("bob".to_owned(), Some("phone".to_owned()), AT);
    assert_eq!(service.feed().await, [one(), one()]);
    assert_eq!(service.revoked("bob", "phone").await, Some(AT));
}

#[tokio::test]
async fn what_is_wrong_with_a_revocation_is_said() {
    let service = Service::start().await;
    for (name, body, status, field) in [
        ("a%20b", "", 400, "user"),
        ("bob", "nonsense", 400, "body"),
        ("bob", "[]", 400, "body"),
        ("bob", r#"{"device":5}"#, 400, "device"),
        ("bob", r#"{"device":null}"#, 400, "device"),
        ("bob", r#"{"device":"a b"}"#, 400, "device"),
        ("bob", r#"{"devise":"phone"}"#, 400, "devise"),
    ] {
        let answer = service.revoke(name, body).await;
        assert_eq!(answer.status, status, "{name} {body}: {answer:?}");
        assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{name} {body}");
    }
    let large = service.revoke("bob", &" ".repeat(5000)).await;
    assert_eq!((large.status, &large.json["code"]), (413, &json!("too_large")));
    let mut claims = good_claims();
    claims["scope"] = json!("messages:read devices:write");
    let token = token(SECRET, &claims);
    let answer = post(service.port, "/v1/users/bob/revocations", "", &token).await;
    assert_eq!(answer.status, 403);
    assert!(answer.head.contains("scope=\"sessions:write\""), "{}", answer.head);
    assert_eq!(service.feed().await, []);
}
