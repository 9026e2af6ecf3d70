//! ChatClusters that are refused, and what the answer has to name: the field, and what would be right.

use serde_json::{Value, json};

/// One mistake.
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    pub(crate) spec: Value,
    /// What the API server's answer contains.
    pub(crate) says: &'static [&'static str],
}

const REPLICAS: &str = "spec.gateways.replicas";
const CONNECTIONS: &str = "spec.gateways.connectionsPerPod";
const RATE: &str = "spec.gateways.drain.ratePerSecond";
const TIMEOUT: &str = "spec.gateways.drain.timeout";
const SENDS: &str = "spec.gateways.limits.sendsPerSecond";
const BURST: &str = "spec.gateways.limits.sendBurst";
const SERVICE: &str = "spec.gateways.service.type";
const POLICY: &str = "spec.gateways.service.externalTrafficPolicy";
const SIZE: &str = "spec.messages.embedded.storage.size";
const UNUSED_AFTER: &str = "spec.messages.devices.unusedAfter";
const SHARDS: &str = "spec.manager.managed.shards";
const PER_SHARD: &str = "spec.manager.managed.replicasPerShard";
const URL: &str = "spec.gateways.webhook.url";
const ISSUER: &str = "spec.auth.jwt.issuer";
const AUDIENCE: &str = "spec.auth.jwt.audience";
const UP_TO_1H: &str = "must be hours, minutes and seconds as in 1h30m, at most 1h in all";
const FROM_1D: &str =
    "must be hours, minutes and seconds as in 720h, at least 24h and at most 876000h in all";
const NAME: &str = "metadata.name must be 1 to 40 lower-case letters, digits or inner hyphens";

/// Values that a rule or a type forbids.
pub(crate) fn values() -> Vec<Wrong> {
    let gateways = |says: &'static [&'static str], gateways: Value| {
        wrong(says, json!({ "gateways": gateways }))
    };
    let drain =
        |says: &'static [&'static str], drain: Value| gateways(says, json!({ "drain": drain }));
    let limits =
        |says: &'static [&'static str], limits: Value| gateways(says, json!({ "limits": limits }));
    let webhook = |says: &'static [&'static str], webhook: Value| {
        gateways(says, json!({ "webhook": webhook }))
    };
    let manager =
        |says: &'static [&'static str], manager: Value| wrong(says, json!({ "manager": manager }));
    let managed = |says: &'static [&'static str], managed: Value| {
        manager(says, json!({ "managed": managed }))
    };
    let service = |says: &'static [&'static str], service: Value| {
        gateways(says, json!({ "service": service }))
    };
    let tls = |says: &'static [&'static str], tls: Value| gateways(says, json!({ "tls": tls }));
    let storage = |says: &'static [&'static str], storage: Value| {
        wrong(says, json!({ "messages": { "embedded": { "storage": storage } } }))
    };
    let unused_after = |says: &'static [&'static str], unused_after: Value| {
        wrong(says, json!({ "messages": { "devices": { "unusedAfter": unused_after } } }))
    };
    let jwt =
        |says: &'static [&'static str], jwt: Value| wrong(says, json!({ "auth": { "jwt": jwt } }));
    let long = "a".repeat(257);
    vec![
        gateways(&[REPLICAS, "greater than or equal to 1"], json!({ "replicas": 0 })),
        gateways(&[REPLICAS, "greater than or equal to 1"], json!({ "replicas": -1 })),
        gateways(&[REPLICAS, "less than or equal to 1000"], json!({ "replicas": 1001 })),
        gateways(&[REPLICAS, "must be of type integer"], json!({ "replicas": "two" })),
        gateways(&[REPLICAS, "must be of type integer"], json!({ "replicas": 2.5 })),
        gateways(&[CONNECTIONS, "greater than or equal to 1"], json!({ "connectionsPerPod": 0 })),
        gateways(
            &[CONNECTIONS, "less than or equal to 1000000"],
            json!({ "connectionsPerPod": 1_000_001 }),
        ),
        gateways(&["spec.gateways", "must be of type object"], json!([2])),
        limits(&[SENDS, "less than or equal to 10000"], json!({ "sendsPerSecond": 10_001 })),
        limits(&[SENDS, "greater than or equal to 0"], json!({ "sendsPerSecond": -1 })),
        limits(&[BURST, "greater than or equal to 1"], json!({ "sendBurst": 0 })),
        limits(&[BURST, "less than or equal to 100000"], json!({ "sendBurst": 100_001 })),
        gateways(
            &["spec.gateways", "cannot work with tls.type Terminated"],
            json!({
                "tls": { "type": "Terminated" },
                "limits": { "connectionsPerSecondPerAddress": 5 },
            }),
        ),
        gateways(
            &["spec.gateways", "needs the clients' addresses"],
            json!({
                "service": { "type": "LoadBalancer", "externalTrafficPolicy": "Cluster" },
                "limits": { "connectionsPerSecondPerAddress": 5 },
            }),
        ),
        webhook(&[URL, "must be an http:// or https:// URL"], json!({ "url": "ftp://a.example" })),
        webhook(&[URL, "must be an http:// or https:// URL"], json!({ "url": "https:///waiting" })),
        webhook(&["spec.gateways.webhook.url"], json!({})),
        webhook(
            &["spec.gateways.webhook.caBundle", "must be certificates in PEM"],
            json!({ "url": "https://a.example", "caBundle": "mine" }),
        ),
        webhook(
            &["spec.gateways.webhook", "for an https:// URL alone"],
            json!({ "url": "http://a.example", "caBundle": "-----BEGIN CERTIFICATE-----" }),
        ),
        drain(&[RATE, "greater than or equal to 1"], json!({ "ratePerSecond": 0 })),
        drain(&[RATE, "less than or equal to 100000"], json!({ "ratePerSecond": 100_001 })),
        drain(&[TIMEOUT, UP_TO_1H], json!({ "timeout": "30d" })),
        drain(&[TIMEOUT, UP_TO_1H], json!({ "timeout": "2h" })),
        drain(&[TIMEOUT, UP_TO_1H], json!({ "timeout": "1h1ms" })),
        drain(&[TIMEOUT, UP_TO_1H], json!({ "timeout": "-5m" })),
        drain(&[TIMEOUT, UP_TO_1H], json!({ "timeout": "" })),
        drain(&[TIMEOUT, "must be of type string"], json!({ "timeout": 600 })),
        drain(
            &[TIMEOUT, "Too long: may not be more than 32"],
            json!({ "timeout": "1ms".repeat(11) }),
        ),
        unused_after(&[UNUSED_AFTER, FROM_1D], json!("23h59m")),
        unused_after(&[UNUSED_AFTER, FROM_1D], json!("60d")),
        unused_after(&[UNUSED_AFTER, FROM_1D], json!("0")),
        unused_after(&[UNUSED_AFTER, FROM_1D], json!("876000h1s")),
        unused_after(&[UNUSED_AFTER, "must be of type string"], json!(60)),
        gateways(
            &[SERVICE, "\"ClusterIP\", \"NodePort\", \"LoadBalancer\""],
            json!({ "service": { "type": "Public" } }),
        ),
        service(
            &["loadBalancerClass is for type LoadBalancer"],
            json!({ "loadBalancerClass": "a" }),
        ),
        service(
            &["externalTrafficPolicy is for types NodePort and LoadBalancer"],
            json!({ "externalTrafficPolicy": "Local" }),
        ),
        service(
            &[POLICY, "\"Cluster\", \"Local\""],
            json!({ "type": "NodePort", "externalTrafficPolicy": "Global" }),
        ),
        tls(&["spec.gateways.tls", "type SecretRef needs it"], json!({ "type": "SecretRef" })),
        tls(
            &["spec.gateways.tls", "secretRef goes with type SecretRef"],
            json!({ "secretRef": { "name": "a" } }),
        ),
        tls(
            &["spec.gateways.tls", "hosts are for type SelfSigned alone"],
            json!({ "type": "Terminated", "hosts": ["chat.example.com"] }),
        ),
        tls(
            &["spec.gateways.tls.type", "\"SelfSigned\", \"SecretRef\", \"Terminated\""],
            json!({ "type": "None" }),
        ),
        gateways(&["spec.gateways.origins[0]", "at least 1 chars"], json!({ "origins": [""] })),
        gateways(
            &["spec.gateways.pod.resources.requests.cpu", "should match"],
            json!({ "pod": { "resources": { "requests": { "cpu": "two" } } } }),
        ),
        gateways(
            &["spec.gateways.pod.tolerations", "must be of type array"],
            json!({ "pod": { "tolerations": {} } }),
        ),
        storage(&[SIZE, "must be a size of at least 1Mi"], json!({ "size": "ten" })),
        storage(&[SIZE, "must be a size of at least 1Mi"], json!({ "size": "0" })),
        storage(
            &["storage.whenDeleted", "\"Retain\", \"Delete\""],
            json!({ "whenDeleted": "Keep" }),
        ),
        wrong(&["spec.image", "at least 1 chars"], json!({ "image": "" })),
        wrong(&["spec.paused", "must be of type boolean"], json!({ "paused": "yes" })),
        jwt(
            &["spec.auth.jwt", "secretRef must name the Secret with the public key"],
            json!({ "algorithm": "ES256" }),
        ),
        jwt(
            &["spec.auth.jwt.algorithm", "\"HS256\", \"RS256\", \"ES256\""],
            json!({ "algorithm": "none" }),
        ),
        jwt(&["spec.auth.jwt.secretRef.key", "Required"], json!({ "secretRef": { "name": "a" } })),
        manager(
            &["spec.manager.type", "supported values: \"Managed\""],
            json!({ "type": "Memcached" }),
        ),
        managed(&[SHARDS, "greater than or equal to 3"], json!({ "shards": 2 })),
        managed(&[SHARDS, "less than or equal to 100"], json!({ "shards": 101 })),
        managed(&[PER_SHARD, "greater than or equal to 0"], json!({ "replicasPerShard": -1 })),
        managed(&[PER_SHARD, "less than or equal to 5"], json!({ "replicasPerShard": 6 })),
        wrong(
            &["spec.messages.engine", "supported values: \"Embedded\""],
            json!({ "messages": { "engine": "Cassandra" } }),
        ),
        jwt(&[ISSUER, "at least 1 chars"], json!({ "issuer": "" })),
        jwt(&[ISSUER, "Too long: may not be more than 256"], json!({ "issuer": long })),
        jwt(&[AUDIENCE, "at least 1 chars"], json!({ "audience": "" })),
        jwt(&[AUDIENCE, "Too long: may not be more than 256"], json!({ "audience": long })),
        Wrong { name: "a-name-of-41-letters-is-one-letter-longer", ..wrong(&[NAME], json!({})) },
        Wrong { name: "dots.in.it", ..wrong(&[NAME], json!({})) },
    ]
}

/// Fields that are not there. Local mode finds them where it reads the file.
pub(crate) fn unknown_fields() -> Vec<Wrong> {
    vec![
        wrong(&["unknown field \"spec.gateway\""], json!({ "gateway": {} })),
        wrong(
            &["unknown field \"spec.gateways.replicass\""],
            json!({ "gateways": { "replicass": 3 } }),
        ),
        wrong(
            &["unknown field \"spec.manager.managed.size\""],
            json!({ "manager": { "managed": { "size": 3 } } }),
        ),
    ]
}

fn wrong(says: &'static [&'static str], spec: Value) -> Wrong {
    Wrong { name: "main", spec, says }
}
