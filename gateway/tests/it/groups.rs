//! Groups, over two gateways.

use serde_json::{Value, json};

use crate::{client::Client, world::World};

const GROUP: &str = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b";

impl Client {
    async fn say(&mut self, reference: &str, body: &str) {
        let to = json!({"group": GROUP});
        let frame = json!({"type": "send", "ref": reference, "to": to, "content": {"body": body}});
        self.request(frame).await;
    }

    async fn change(&mut self, reference: &str, change: &Value) {
        let kind = "application/vnd.chatcluster.group+json";
        let content = json!({"type": kind, "body": change.to_string()});
        let to = json!({"group": GROUP});
        let frame = json!({"type": "send", "ref": reference, "to": to, "content": content});
        self.request(frame).await;
    }

    /// The body of the next message, which is acknowledged.
    async fn body(&mut self) -> String {
        let message = self.until("message").await;
        assert_eq!(message["to"], json!({"group": GROUP}));
        assert_eq!(message["conversation"], json!(GROUP));
        self.ack(&message).await;
        message["content"]["body"].as_str().unwrap().to_owned()
    }

    async fn refused(&mut self) -> (String, String) {
        let error = self.until("error").await;
        let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        (text("code"), text("field"))
    }

    /// What the group is called and who takes part, as the gateway tells.
    async fn group(&mut self) -> Value {
        self.request(json!({"type": "group", "group": GROUP})).await;
        let mut frame = self.next().await;
        frame.as_object_mut().unwrap().remove("id");
        frame
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_in_a_group_reaches_all_members_on_all_gateways() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let mut laptop = world.login(two.client, "alice", "laptop").await;
    let mut bob = world.login(two.client, "bob", "phone").await;
    let mut carol = world.login(one.client, "carol", "phone").await;

    let create = json!({"create": {"name": "Lunch", "members": ["bob"]}});
    alice.change("r-1", &create).await;
    alice.say("r-2", "hello, bob").await;
    for at in [&mut laptop, &mut bob] {
        assert_eq!(at.body().await, create.to_string());
        assert_eq!(at.body().await, "hello, bob");
    }
    assert_eq!(alice.until("sent").await["conversation"], json!(GROUP));
    alice.until("sent").await;

    // Of a group of others nobody is told even that it is there.
    carol.say("r-1", "may I?").await;
    assert_eq!(carol.refused().await, ("forbidden".into(), String::new()));
    assert_eq!(carol.group().await["code"], "forbidden");
    bob.change("r-1", &json!({"add": ["carol"]})).await;
    assert_eq!(bob.refused().await.0, "forbidden");
    bob.change("r-2", &json!({"add": ["c r"]})).await;
    assert_eq!(bob.refused().await, ("bad_field".into(), "content.body.add[0]".into()));

    let add = json!({"add": ["carol"]});
    alice.change("r-3", &add).await;
    assert_eq!(carol.body().await, add.to_string());
    assert_eq!(
        carol.group().await,
        json!({"type": "group", "group": GROUP, "name": "Lunch", "members": [
            {"user": "alice", "role": "owner"},
            {"user": "bob", "role": "member"},
            {"user": "carol", "role": "member"},
        ]})
    );
    carol.say("r-2", "thank you").await;
    carol.until("sent").await;
    for at in [&mut alice, &mut laptop, &mut bob] {
        while at.body().await != "thank you" {}
    }

    // Who came later finds what was said since; who goes is told so, and of nothing more.
    carol.request(json!({"type": "history", "conversation": GROUP, "limit": 10})).await;
    let page = carol.until("history").await;
    let bodies = page["messages"].as_array().unwrap().iter();
    let bodies: Vec<_> = bodies.map(|message| message["content"]["body"].clone()).collect();
    assert_eq!(bodies, [json!("thank you"), json!(add.to_string())]);
    bob.change("r-3", &json!({"leave": {}})).await;
    bob.until("sent").await;
    alice.say("r-4", "he is gone").await;
    while carol.body().await != "he is gone" {}
    bob.quiet().await;
    bob.say("r-4", "am I?").await;
    assert_eq!(bob.refused().await.0, "forbidden");
    // No receipts come of what many have received. Her answer may come before bob's farewell.
    let (mut answered, mut left) = (false, false);
    while !(answered && left) {
        let frame = alice.next().await;
        answered |= frame["type"] == "sent" && frame["ref"] == "r-4";
        if frame["type"] == "message" {
            alice.ack(&frame).await;
            left |= frame["content"]["body"] == r#"{"leave":{}}"#;
        }
    }
    alice.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_many_is_one_frame_for_each_gateway() {
    let world = World::new().await;
    let (one, two) = (world.gateway("one").await, world.gateway("two").await);
    let mut alice = world.login(one.client, "alice", "phone").await;
    let names: Vec<String> = (0..40).map(|n| format!("user-{n}")).collect();
    let mut members = Vec::new();
    for name in &names {
        members.push(world.login(two.client, name, "phone").await);
    }
    alice.change("r-1", &json!({"create": {"name": "Many", "members": names}})).await;
    for member in &mut members {
        member.body().await;
    }
    // A body of 32 KiB for each of 40 devices would be more than may wait for a link.
    let large = "x".repeat(32 * 1024);
    for n in 0..8 {
        alice.say(&format!("big-{n}"), &large).await;
    }
    for member in &mut members {
        for _ in 0..8 {
            assert_eq!(member.body().await, large);
        }
    }
    assert_eq!(one.figure("deliveries_total{kind=\"peer_full\"}").await, 0.0);
}
