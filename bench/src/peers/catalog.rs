//! The other servers: how each is started, and what it is told.

use std::path::Path;

/// A server beside ours.
pub(super) struct Peer {
    /// For people.
    pub(super) title: &'static str,
    /// What scripts/peers calls it.
    pub(super) name: &'static str,
    /// Program and arguments. What is not below the folder of what is installed is in PATH; `{file}` stands
    /// for the path of `file`.
    pub(super) command: &'static [&'static str],
    /// Its configuration or its source: name and text, in which `{port}` stands for the port to listen on.
    /// Others find that in their environment.
    pub(super) file: (&'static str, &'static str),
    pub(super) dialect: Dialect,
}

/// What its clients say. Each is one frame.
pub(super) struct Dialect {
    pub(super) path: &'static str,
    pub(super) binary: bool,
    /// After the upgrade; `None` where that is all.
    pub(super) connect: Option<Step>,
    /// To become a member of the room.
    pub(super) join: Step,
    /// What tells all members, the sender too: before the body, and behind it.
    pub(super) publish: (&'static str, &'static str),
}

/// Something to say, and what the answer contains.
pub(super) struct Step {
    pub(super) say: &'static str,
    pub(super) until: &'static str,
}

/// In the order of the table.
pub(super) const PEERS: &[Peer] = &[
    Peer {
        title: "Centrifugo",
        name: "centrifugo",
        command: &["centrifugo", "--config", "{file}"],
        file: ("centrifugo.json", include_str!("../../peers/centrifugo.json")),
        dialect: Dialect {
            path: "/connection/websocket",
            binary: false,
            connect: Some(Step { say: r#"{"id":1,"connect":{}}"#, until: r#""connect":"# }),
            join: Step {
                say: r#"{"id":2,"subscribe":{"channel":"room"}}"#,
                until: r#""subscribe":"#,
            },
            publish: (r#"{"id":3,"publish":{"channel":"room","data":""#, r#""}}"#),
        },
    },
    Peer {
        title: "NATS server",
        name: "nats",
        command: &["nats-server", "--config", "{file}"],
        file: ("nats.conf", include_str!("../../peers/nats.conf")),
        dialect: Dialect {
            path: "/",
            binary: true,
            connect: Some(Step {
                say: "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n",
                until: "PONG",
            }),
            join: Step { say: "SUB room 1\r\nPING\r\n", until: "PONG" },
            publish: ("PUB room 128\r\n", "\r\n"),
        },
    },
    Peer {
        title: "ws on Node.js",
        name: "ws",
        command: &["node", "{file}"],
        file: ("ws.js", include_str!("../../peers/ws.js")),
        dialect: PLAIN,
    },
    Peer {
        title: "socket.io on Node.js",
        name: "socketio",
        command: &["node", "{file}"],
        file: ("socketio.js", include_str!("../../peers/socketio.js")),
        dialect: Dialect {
            path: "/socket.io/?EIO=4&transport=websocket",
            binary: false,
            connect: Some(Step { say: "40", until: r#"40{"sid""# }),
            join: Step { say: r#"42["join"]"#, until: r#"42["joined"]"# },
            publish: (r#"42["say",""#, r#""]"#),
        },
    },
    Peer {
        title: "uWebSockets",
        name: "uwebsockets",
        command: &["python/bin/python", "{file}"],
        file: ("uwebsockets.py", include_str!("../../peers/uwebsockets.py")),
        dialect: PLAIN,
    },
];

/// Of servers that are ours but for the library.
const PLAIN: Dialect = Dialect {
    path: "/",
    binary: false,
    connect: None,
    join: Step { say: "join", until: "joined" },
    publish: ("", ""),
};

impl Peer {
    /// Program and arguments, below the folder of what is installed.
    pub(super) fn words(&self, installed: &Path, file: &Path) -> Vec<String> {
        let mut words: Vec<String> = self
            .command
            .iter()
            .map(|word| word.replace("{file}", &file.display().to_string()))
            .collect();
        let program = installed.join(&words[0]);
        if program.is_file() {
            words[0] = program.display().to_string();
        }
        words
    }
}
