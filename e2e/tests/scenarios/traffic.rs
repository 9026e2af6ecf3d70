//! Users who talk through the gateways' Service, in a pod; what came of it is checked by an oracle in
//! that pod (e2e/traffic).

use std::time::Duration;

use chatcluster_testkit::wait_until;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cluster::{Chat, NAME},
    images::{image, restricted},
    world::SOON,
};

/// What came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    pub(crate) acknowledged: u64,
    pub(crate) received: u64,
    pub(crate) reconnects: u64,
    pub(crate) longest_gap_ms: u64,
    pub(crate) sent_p50_ms: f64,
    pub(crate) sent_p99_ms: f64,
}

/// Users who talk.
pub(crate) struct Traffic<'a> {
    chat: &'a Chat<'a>,
    pod: String,
}

impl<'a> Traffic<'a> {
    /// Starts it, and returns when messages are acknowledged.
    pub(crate) async fn start(chat: &'a Chat<'a>, name: &str, arguments: &[&str]) -> Self {
        Self::start_on(chat, name, arguments, None).await
    }

    /// The same on a certain node.
    pub(crate) async fn start_on(
        chat: &'a Chat<'a>,
        name: &str,
        arguments: &[&str],
        node: Option<&str>,
    ) -> Self {
        let namespace = chat.world.namespace.name();
        let url = format!("--url=wss://{NAME}-gateway.{namespace}.svc:8443");
        let fixed = [url.as_str(), "--ca=/trust/ca.crt", "--jwt-key=/jwt/key"];
        let mut pod = restricted(name, &image("traffic"));
        pod["spec"]["containers"][0]["args"] = json!([&fixed[..], arguments].concat());
        pod["spec"]["containers"][0]["volumeMounts"] = json!([
            { "name": "trust", "mountPath": "/trust" },
            { "name": "jwt", "mountPath": "/jwt" },
        ]);
        if let Some(node) = node {
            pod["spec"]["nodeName"] = json!(node);
        }
        // It may read Secrets, which are for their group alone.
        pod["spec"]["securityContext"]["fsGroup"] = json!(65532);
        // Sends may be under way when it is told to stop.
        pod["spec"]["terminationGracePeriodSeconds"] = json!(120);
        pod["spec"]["volumes"] = json!([
            { "name": "trust", "configMap": { "name": format!("{NAME}-trust") } },
            { "name": "jwt", "secret": { "secretName": format!("{NAME}-jwt"), "defaultMode": 288 } },
        ]);
        chat.world.create::<Pod>(pod).await;
        let traffic = Self { chat, pod: name.to_owned() };
        wait_until(&format!("{name} talks"), SOON, async || {
            let log = traffic.log().await;
            log.lines()
                .any(|line| line.contains("acknowledged") && !line.contains("acknowledged 0,"))
        })
        .await;
        traffic
    }

    /// Waits until it has ended by itself, and checks what came of it.
    pub(crate) async fn end(self, within: Duration) -> Report {
        let pods = self.chat.world.namespace.api::<Pod>();
        wait_until(&format!("{} has ended", self.pod), within, async || {
            let phase = pods.get(&self.pod).await.unwrap().status.and_then(|status| status.phase);
            phase.is_some_and(|phase| phase == "Succeeded" || phase == "Failed")
        })
        .await;
        let log = self.log().await;
        let last = log.lines().rev().find(|line| line.starts_with('{'));
        let report: Report = serde_json::from_str(last.unwrap_or_else(|| panic!("{log}"))).unwrap();
        assert!(report.ok, "{last:?}\n{log}");
        println!(
            "    {}: {} messages acknowledged, {} received, none lost, doubled or out of order; {} \
             reconnects, longest gap {} ms, sent p50 {:.1} ms, p99 {:.1} ms",
            self.pod,
            report.acknowledged,
            report.received,
            report.reconnects,
            report.longest_gap_ms,
            report.sent_p50_ms,
            report.sent_p99_ms,
        );
        pods.delete(&self.pod, &DeleteParams::default().grace_period(0)).await.unwrap();
        report
    }

    async fn log(&self) -> String {
        let pods = self.chat.world.namespace.api::<Pod>();
        pods.logs(&self.pod, &LogParams::default()).await.unwrap_or_default()
    }
}
