//! The scripts. Each touches exactly one key, so that a cluster can run it.

use std::sync::LazyLock;

use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind, ToRedisArgs,
    cluster_async::ClusterConnection,
};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<OneKey> =
            LazyLock::new(|| OneKey::new(include_str!(concat!("lua/", $file))));)*
    };
}

scripts! {
    CLAIM = "claim.lua";
    TOUCH = "touch.lua";
    RELEASE = "release.lua";
    PRESENCE = "presence.lua";
    RENEW = "renew.lua";
    LIST = "list.lua";
    DRAIN = "drain.lua";
}

/// A script over one key.
pub(super) struct OneKey {
    code: &'static str,
    hash: String,
}

impl OneKey {
    fn new(code: &'static str) -> Self {
        Self { code, hash: Script::new(code).get_hash().to_owned() }
    }

    /// Runs the script by its hash, or by its text at a node that does not know it yet and so learns
    /// it. (The redis crate would load it on all masters instead, which fails when one is down.)
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut ClusterConnection,
        key: &str,
        arguments: impl ToRedisArgs + Copy,
    ) -> RedisResult<T> {
        let command = |name: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(script).arg(1).arg(key).arg(arguments);
            command
        };
        match command("EVALSHA", &self.hash).query_async(connection).await {
            Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.code).query_async(connection).await
            }
            answer => answer,
        }
    }
}
