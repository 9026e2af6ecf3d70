//! The configuration files as the programs read them.

use chatcluster_config::{Drain, GatewayConfig, Limits, ManagerHome, MessagesConfig, from_yaml};

const GATEWAY: &str = "\
name: gateway-0
client: {listen: '127.0.0.1:8443', tls: {certificate: server.pem, key: server.key}}
peer:
  listen: 127.0.0.1:8444
  host: 127.0.0.1
  tls: {certificate: a.pem, key: a.key, ca: ca.pem, identity: 'spiffe://local/ns/a/chatcluster/b'}
admin: 127.0.0.1:9090
manager: {type: Redis, nodes: ['127.0.0.1:6379']}
messages: {address: '127.0.0.1:7443'}
auth: {keys: [{algorithm: HS256, file: user-token.key}]}
";

#[test]
fn a_short_gateway_file_gets_the_defaults() {
    let config: GatewayConfig = from_yaml(GATEWAY).unwrap();
    assert_eq!(config.drain, Drain::default());
    assert_eq!(config.client.connections, 10_000);
    assert_eq!((config.limits.sends_per_second, config.limits.send_burst), (20, 200));
    assert_eq!(config.limits.connections_per_second_per_address, 0);
    let some = format!("{GATEWAY}limits: {{sendsPerSecond: 3, connectionBurst: 7}}\n");
    let limits = from_yaml::<GatewayConfig>(&some).unwrap().limits;
    assert_eq!(limits, Limits { sends_per_second: 3, connection_burst: 7, ..Limits::default() });
    assert_eq!(config.manager, ManagerHome::Redis { nodes: vec!["127.0.0.1:6379".into()] });
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let config: GatewayConfig = from_yaml(GATEWAY).unwrap();
    assert_eq!(from_yaml::<GatewayConfig>(&serde_yaml::to_string(&config).unwrap()), Ok(config));
}

#[test]
fn mistakes_name_their_field_and_line() {
    let wrong = |from: &str, to: &str| {
        from_yaml::<GatewayConfig>(&GATEWAY.replace(from, to)).unwrap_err().to_string()
    };
    assert_eq!(
        wrong("  host:", "  hots: a\n  host:"),
        "line 5: peer.hots: unknown field; there are listen, host, port, tls"
    );
    assert_eq!(
        wrong("nodes:", "password: a, nodes:"),
        "line 8: manager: unknown field `password`, expected `nodes`"
    );
    assert!(wrong("127.0.0.1:9090", "localhost").starts_with("line 7: admin: "));
}

#[test]
fn a_message_service_file_is_read() {
    let text = "\
grpc:
  listen: 127.0.0.1:7443
  tls: {certificate: a.pem, key: a.key, ca: ca.pem, identity: 'spiffe://local/ns/a/chatcluster/b'}
http: {listen: '127.0.0.1:8081', tokenKey: service-token.key}
admin: 127.0.0.1:9090
storage: {type: Embedded, path: messages.redb}
";
    let config: MessagesConfig = from_yaml(text).unwrap();
    assert_eq!(config.http.audience, "chatcluster-messages");
    assert!(from_yaml::<MessagesConfig>(&text.replace("Embedded", "Mnesia")).is_err());
    assert_eq!(config.devices.unused_after.to_string(), "1440h");
    let unused_after = |duration: &str| {
        from_yaml::<MessagesConfig>(&format!("{text}devices: {{unusedAfter: {duration}}}\n"))
    };
    assert_eq!(unused_after("24h").unwrap().devices.unused_after.to_string(), "24h");
    let error = unused_after("23h59m").unwrap_err().to_string();
    assert_eq!(error, "line 7: devices.unusedAfter: must be at least 24h");
}
