//! Reading what nodes answer.

use crate::{
    Slots,
    picture::{Known, NodeId, Role, View},
};

/// An answer is not what a node of Redis 7 says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A line of `CLUSTER NODES`.
    #[error("{0:?} is not a line of CLUSTER NODES")]
    Line(String),
    /// No line is about the node itself.
    #[error("CLUSTER NODES has no line with the flag `myself`")]
    NoMyself,
    /// A field that must be there is not.
    #[error("CLUSTER INFO has no `cluster_state`")]
    NoState,
    /// A field that must be there is not.
    #[error("INFO replication has no `master_repl_offset`")]
    NoOffset,
}

impl View {
    /// Reads a node's answers to `CLUSTER NODES`, `CLUSTER INFO` and `INFO replication`.
    pub fn read(nodes: &str, info: &str, replication: &str) -> Result<Self, Unreadable> {
        let mut me = None;
        let mut known = Vec::new();
        for line in nodes.lines().filter(|line| !line.is_empty()) {
            let (node, myself) =
                read_line(line).ok_or_else(|| Unreadable::Line(line.to_owned()))?;
            if myself {
                me = Some(node.id.clone());
            }
            known.push(node);
        }
        let ok = field(info, "cluster_state:").ok_or(Unreadable::NoState)? == "ok";
        // A replica has both; its own is what it has read of its master's.
        let offset = field(replication, "slave_repl_offset:")
            .or_else(|| field(replication, "master_repl_offset:"))
            .and_then(|offset| offset.parse().ok())
            .ok_or(Unreadable::NoOffset)?;
        Ok(Self { me: me.ok_or(Unreadable::NoMyself)?, ok, offset, known })
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// `id ip:port@bus[,hostname[,…]] flags master ping pong epoch link slots…`, and whether it is the
/// node's own line.
fn read_line(line: &str) -> Option<(Known, bool)> {
    let mut words = line.split_ascii_whitespace();
    let id = NodeId(words.next()?.to_owned());
    let (ip, port, hostname) = read_address(words.next()?)?;
    let flags: Vec<&str> = words.next()?.split(',').collect();
    let has = |flag: &str| flags.contains(&flag);
    let master = words.next()?;
    let role = if has("handshake") {
        Role::Handshake
    } else if has("slave") {
        Role::Replica(NodeId(master.to_owned()))
    } else {
        Role::Master
    };
    let epoch = words.nth(2)?.parse().ok()?;
    let _link = words.next()?;
    let mut slots = Slots::none();
    // In brackets stand slots on the move; the plain ranges have them, too.
    for range in words.filter(|word| !word.starts_with('[')) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        slots.add(first.parse().ok()?..=last.parse().ok()?);
    }
    let failing = has("fail") || has("fail?");
    let displaced = has("noaddr");
    let known = Known { id, ip, port, hostname, role, failing, displaced, epoch, slots };
    Some((known, has("myself")))
}

fn read_address(text: &str) -> Option<(String, u16, Option<String>)> {
    let mut parts = text.split(',');
    let (client, _bus) = parts.next()?.split_once('@')?;
    // From the right: an IPv6 address has colons itself.
    let (ip, port) = client.rsplit_once(':')?;
    let hostname = parts.next().filter(|name| !name.is_empty() && !name.contains('='));
    Some((ip.to_owned(), port.parse().ok()?, hostname.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INFO: &str = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\n";
    const REPLICATION: &str = "role:master\r\nmaster_repl_offset:70\r\n";

    #[test]
    fn what_a_real_node_says_is_read() {
        let nodes = "\
07c37dfeb235213a872192d90877d0cd55635b91 10.0.0.1:6379@16379,redis-0-1.redis slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 ::1:6379@16379 master,fail? - 0 1426238316232 2 disconnected 5461-10922 [93-<-292f]
292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f :0@0,,shard-id=1 master,noaddr,fail - 0 0 3 disconnected
824fe116063bc5fcf9f4ffd895bc17aee7731ac3 10.0.0.9:6379@16379 handshake - 0 0 0 connected
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 10.0.0.2:6379@16379 myself,master - 0 0 1 connected 0-5460 16000
";
        let view = View::read(nodes, INFO, REPLICATION).unwrap();
        assert!(view.ok);
        assert_eq!(view.offset, 70);
        let [replica, suspect, displaced, stranger, me] = &view.known[..] else { panic!() };
        assert_eq!(replica.hostname.as_deref(), Some("redis-0-1.redis"));
        assert_eq!(replica.role, Role::Replica(me.id.clone()));
        assert_eq!((suspect.ip.as_str(), suspect.port, suspect.epoch), ("::1", 6379, 2));
        assert!(suspect.failing && !suspect.displaced);
        assert_eq!(suspect.slots.to_string(), "5461-10922");
        assert!(displaced.displaced && displaced.hostname.is_none() && displaced.ip.is_empty());
        assert_eq!(stranger.role, Role::Handshake);
        assert_eq!(view.myself(), Some(me));
        assert_eq!(me.slots.to_string(), "0-5460 16000");
        assert_eq!(view.of(&stranger.id), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let read = |nodes, info| View::read(nodes, info, REPLICATION);
        assert_eq!(read("", INFO), Err(Unreadable::NoMyself));
        let line = "a 1.2.3.4:1@2 myself,master - 0 0 0 connected";
        assert_eq!(read(line, ""), Err(Unreadable::NoState));
        assert_eq!(View::read(line, INFO, "role:master"), Err(Unreadable::NoOffset));
        let cut = "a 1.2.3.4:1@2 myself,master - 0";
        assert_eq!(read(cut, INFO), Err(Unreadable::Line(cut.to_owned())));
    }

    #[test]
    fn of_a_replica_counts_what_it_has_read() {
        let line = "a 1.2.3.4:1@2 myself,slave b 0 0 0 connected";
        let both = "role:slave\r\nslave_repl_offset:56\r\nmaster_repl_offset:70\r\n";
        assert_eq!(View::read(line, INFO, both).unwrap().offset, 56);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(nodes in "[a-f0-9:@,. \\-\n]{0,200}", info: String) {
            let _ = View::read(&nodes, &info, &info);
        }
    }
}
