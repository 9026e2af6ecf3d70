//! Devices over HTTP, and those that nobody uses.

use std::time::Duration;

use chatcluster_messages::devices;
use chatcluster_protocol::id::DeviceId;
use messages_core::repository::{InboxCursor, Repository};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{harness::*, http::Service};

impl Service {
    async fn register(&self, name: &str, of: &str) -> bool {
        self.repository
            .register(user(name), DeviceId::new(of).unwrap(), u64::MAX)
            .await
            .unwrap()
            .created
    }

    async fn waiting(&self, name: &str, of: &str) -> usize {
        let of = DeviceId::new(of).unwrap();
        let page = self.repository.inbox(user(name), of, InboxCursor::Start, 1000, usize::MAX);
        page.await.unwrap().messages.len()
    }

    async fn delete(&self, path: &str) -> Answer {
        delete(self.port, path, &good_token()).await
    }
}

#[tokio::test]
async fn a_users_devices_are_listed_and_one_is_removed_with_what_waits_for_it() {
    let service = Service::start().await;
    for of in ["phone", "laptop"] {
        service.register("bob", of).await;
    }
    service.said(&["alice>bob", "alice>bob"]).await;
    let listed = service.get("/v1/users/bob/devices").await;
    let known = |device| json!({ "device": device, "registered_at": NOW, "last_seen": NOW });
    let all = json!({ "devices": [known("laptop"), known("phone")] });
    assert_eq!((listed.status, listed.json), (200, all));

    let removed = service.delete("/v1/users/bob/devices/phone").await;
    assert_eq!((removed.status, removed.json), (204, json!(null)));
    let listed = service.get("/v1/users/bob/devices").await.json;
    assert_eq!(listed, json!({ "devices": [known("laptop")] }));
    assert_eq!(service.waiting("bob", "phone").await, 0);
    assert_eq!(service.waiting("bob", "laptop").await, 2);
    assert!(service.register("bob", "phone").await, "it is new");
    assert_eq!(service.get("/v1/users/bob/messages").await.json["messages"][1]["from"], "alice");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_about_devices_is_said() {
    let service = Service::start().await;
    service.register("bob", "phone").await;
    let long = "x".repeat(65);
    for (method, path, status, code, field) in [
        ("GET", "/v1/users/nobody/devices", 404, "not_found", None),
        ("DELETE", "/v1/users/nobody/devices/phone", 404, "not_found", None),
        ("DELETE", "/v1/users/bob/devices/laptop", 404, "not_found", None),
        ("GET", "/v1/users/a%20b/devices", 400, "bad_parameter", Some("user")),
        ("DELETE", "/v1/users/a%20b/devices/phone", 400, "bad_parameter", Some("user")),
        ("GET", "/v1/users/bob/devices?limit=1", 400, "bad_parameter", Some("limit")),
        ("DELETE", "/v1/users/bob/devices/phone?x=1", 400, "bad_parameter", Some("x")),
        ("DELETE", &format!("/v1/users/bob/devices/{long}"), 400, "bad_parameter", Some("device")),
        ("GET", "/v1/users/bob/devices/phone", 405, "method_not_allowed", None),
        ("DELETE", "/v1/users/bob/devices", 405, "method_not_allowed", None),
    ] {
        let answer = match method {
            "GET" => service.get(path).await,
            _ => service.delete(path).await,
        };
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.json["code"], code, "{method} {path}");
        assert_eq!(answer.json["field"].as_str(), field, "{method} {path}");
    }
    assert_eq!(service.get("/v1/users/bob/devices").await.status, 200);
}

#[tokio::test]
async fn reading_and_removing_need_scopes_of_their_own() {
    let service = Service::start().await;
    service.register("bob", "phone").await;
    let with = |scope: &str| {
        let mut claims = good_claims();
        claims["scope"] = json!(scope);
        token(SECRET, &claims)
    };
    let (list, one) = ("/v1/users/bob/devices", "/v1/users/bob/devices/phone");
    let refused = [
        (delete(service.port, one, &with("messages:read")).await, "devices:write"),
        (get(service.port, list, &with("devices:write")).await, "messages:read"),
    ];
    for (answer, scope) in refused {
        assert_eq!((answer.status, &answer.json["code"]), (403, &json!("forbidden")));
        let challenge =
            format!("www-authenticate: bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert!(answer.head.contains(&challenge), "{}", answer.head);
        assert!(answer.json["text"].as_str().unwrap().contains(scope));
    }
    assert_eq!(get(service.port, list, &with("messages:read")).await.status, 200);
    assert_eq!(delete(service.port, one, &with("devices:write")).await.status, 204);
}

#[tokio::test]
async fn devices_that_nobody_used_go_by_themselves() {
    let service = Service::start().await;
    for n in 0..300 {
        service.register(&format!("user{n}"), "phone").await;
    }
    let (clock, figures, stop) = (SetClock::new(), metrics(), CancellationToken::new());
    const DAY: u64 = 24 * 3_600_000;
    clock.set(NOW + DAY);
    let sweep = || {
        devices::sweep(
            service.repository.clone(),
            Duration::from_millis(DAY),
            clock.clock(),
            figures.clone(),
            stop.clone(),
        )
    };
    tokio::select! {
        () = sweep() => {}
        () = tokio::time::sleep(Duration::from_millis(500)) => {}
    }
    assert_eq!(figures.devices_expired.get(), 0, "a day is not more than a day");
    clock.set(NOW + DAY + 1);
    let sweep = tokio::spawn(sweep());
    eventually("the expiry", || async { (figures.devices_expired.get() == 300).then_some(()) })
        .await;
    let left = service.get("/v1/users/user299/devices").await;
    assert_eq!((left.status, left.json), (200, json!({ "devices": [] })));
    stop.cancel();
    sweep.await.unwrap();
}
