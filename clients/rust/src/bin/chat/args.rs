//! The command line.

use std::{path::PathBuf, str::FromStr, time::Duration};

use chatcluster_client::protocol::{
    Millis,
    client::{GroupName, MediaRange, Recipient, Role},
    id::{DeviceId, GroupId, MessageId, Reference, UserId},
    limits::TIME,
};
use chatcluster_config::GoDuration;
use clap::{Parser, Subcommand};

/// Talk over ChatCluster. Without a command: interactively.
#[derive(Debug, Parser)]
#[command(name = "chat", version, after_long_help = AFTER)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Who to talk to; asked for if absent
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<UserId>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const AFTER: &str = "\
Exit codes:
  0  done
  1  refused by the servers, or a file or pipe failed
  2  wrong usage: an argument, no local cluster, no token
  3  no answer in time; for `send` the outcome is unknown, and repeating it with
     the same --ref is safe for 7 days
  4  something must change first: the token, the certificate, the device in use

Environment:
  CHATCLUSTER_DATA   like --data
  CHATCLUSTER_TOKEN  the token, where there is no --token-file
  CHATCLUSTER_LOG    what to log to standard error, such as debug
  NO_COLOR           no colours

Each device keeps what it needs to go on (an id, and what it has seen) in
$XDG_STATE_HOME/chatcluster, by default ~/.local/state/chatcluster.";

/// Where to connect, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TargetArgs {
    /// Data folder of a local cluster, as started by `chatcluster-operator local`
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "CHATCLUSTER_DATA",
        default_value = "chatcluster-data"
    )]
    pub(crate) data: PathBuf,
    /// Who you are. In a local cluster this is enough: a token is made with the cluster's own key
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) user: Option<UserId>,
    /// Gateway of a local cluster to try first, by its name in endpoints.yaml
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "url")]
    pub(crate) gateway: Option<String>,
    /// Gateway to connect to, wss://HOST:PORT, instead of a local cluster; repeat it for more of them
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// PEM file with the authority of the gateway's certificate; by default the system's authorities
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// File with the token; it is read again for every connection
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Which of your devices this is; by default one that this machine remembers
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) device: Option<DeviceId>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send one message and wait until it is stored; prints its id
    Send(SendArgs),
    /// Print what arrives, until Ctrl-C
    Listen(ListenArgs),
    /// Print what was said, the oldest first
    History(HistoryArgs),
    /// Make a group, change it, or show who takes part
    Group(GroupArgs),
    /// Print who has received and read a message of yours
    Receipts(ReceiptsArgs),
    /// Make a token for a user: of a local cluster, or with the key of any other
    Token(TokenArgs),
    /// Watch a short conversation between two users on two gateways of a local cluster
    Demo,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) to: To,
    /// What to say; - reads it from standard input
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: String,
    /// Your own name for this message: repeating it never sends a second one (within 7 days, from
    /// the same device)
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<Reference>,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print the gateway's answer as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who gets it: one of the two.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct To {
    /// To whom
    #[arg(long, value_name = "NAME")]
    to: Option<UserId>,
    /// To everybody in this group
    #[arg(long, value_name = "ID")]
    group: Option<GroupId>,
}

impl From<To> for Recipient {
    fn from(To { to, group }: To) -> Self {
        either(to, group)
    }
}

/// Which conversation: one of the two.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Of {
    /// The other side of the conversation
    #[arg(long, value_name = "NAME")]
    with: Option<UserId>,
    /// The group whose conversation it is
    #[arg(long, value_name = "ID")]
    group: Option<GroupId>,
}

impl From<Of> for Recipient {
    fn from(Of { with, group }: Of) -> Self {
        either(with, group)
    }
}

fn either(user: Option<UserId>, group: Option<GroupId>) -> Recipient {
    let user = user.map(Recipient::User);
    let recipient = user.or(group.map(Recipient::Group));
    recipient.unwrap_or_else(|| unreachable!("clap requires one of the two"))
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReceiptsArgs {
    /// The message, by the id that `send` prints
    #[arg(value_name = "ID")]
    pub(crate) message: MessageId,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print the gateway's answer as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GroupArgs {
    /// How long to wait for an answer
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Show the group as one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: GroupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group and print its id; you own it
    Create {
        /// What it is called
        #[arg(value_name = "TITLE", value_parser = group_name)]
        name: GroupName,
        /// Who takes part from the beginning, beside you
        #[arg(value_name = "MEMBER")]
        members: Vec<UserId>,
    },
    /// Add users
    Add {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
        /// Whom
        #[arg(value_name = "MEMBER", required = true)]
        users: Vec<UserId>,
    },
    /// Remove users
    Remove {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
        /// Whom
        #[arg(value_name = "MEMBER", required = true)]
        users: Vec<UserId>,
    },
    /// Take part no more
    Leave {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
    },
    /// Call it something else
    Rename {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
        /// What it is called from now on
        #[arg(value_name = "TITLE", value_parser = group_name)]
        name: GroupName,
    },
    /// Give a member a role
    Role {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
        /// Whom
        #[arg(value_name = "MEMBER")]
        user: UserId,
        /// Owner makes you an admin
        #[arg(value_name = "ROLE")]
        role: RoleName,
    },
    /// Print what it is called and who takes part
    Show {
        /// The group
        #[arg(value_name = "ID")]
        group: GroupId,
    },
}

/// A role, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RoleName {
    Member,
    Admin,
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
        }
    }
}

fn group_name(text: &str) -> Result<GroupName, String> {
    GroupName::new(text).map_err(|error| error.to_string())
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// One JSON object a line: the frames message, receipt and caught_up of the protocol, and
    /// connected and disconnected
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) of: Of,
    /// Most messages, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Only what this user has sent
    #[arg(long, value_name = "NAME")]
    pub(crate) sender: Option<UserId>,
    /// Only content of this type, such as text/plain, or image/* for all of a family
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<MediaRange>,
    /// Only from this time on: how long ago, such as 24h, or milliseconds since 1970 UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<When>,
    /// Only before this time, likewise
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<When>,
    /// One JSON object a line, each a message of the protocol
    #[arg(long)]
    pub(crate) json: bool,
    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// File with the key that signs tokens (HS256), in place of a local cluster's
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The `aud` of the token, with --key
    #[arg(long, value_name = "TEXT", default_value = "chatcluster", requires = "key")]
    pub(crate) audience: String,
    /// The `iss` of the token, with --key
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) issuer: Option<String>,
}

/// A point in time, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Milliseconds since 1970 UTC, as the messages of `--json` have them.
    At(Millis),
    /// That long before now.
    Ago(Duration),
}

impl When {
    /// In milliseconds since 1970 UTC.
    pub(crate) fn millis(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago.as_millis() as Millis),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.parse().ok().filter(|at| *at <= TIME).map(Self::At);
        let ago = || GoDuration::from_str(text).ok().map(|ago| Self::Ago(*ago));
        let right = format!("must be a duration such as 24h, or milliseconds from 0 to {TIME}");
        at.or_else(ago).ok_or(right)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = *GoDuration::from_str(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0s".into()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const GROUP: &str = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b";

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_of_the_target_may_stand_after_the_command() {
        let args = Args::parse_from(["chat", "send", "--user", "alice", "--to", "bob", "-"]);
        assert_eq!(args.target.user.unwrap().as_str(), "alice");
    }

    #[test]
    fn a_wrong_value_of_a_command_is_wrong_usage() {
        for wrong in [
            &["send", "--to", "bob", "--timeout", "0s", "hi"][..],
            &["history", "--with", "bob", "--limit", "0"],
            &["token", "--ttl", "0"],
            &["history", "--with", "bob", "--type", "image"],
            &["history", "--with", "bob", "--since", "yesterday"],
            &["history"],
            &["send", "--to", "bob", "--group", GROUP, "hi"],
            &["group", "create", ""],
            &["group", "add", GROUP],
            &["group", "role", GROUP, "bob", "king"],
            &["group", "show", "884a4521-52d3-8f04-8cc0-51df8f708aff"],
            &["history", "--with", "bob", "--until", "281474976710656"],
        ] {
            let error = Args::try_parse_from([&["chat"], wrong].concat()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }

    #[test]
    fn a_time_is_milliseconds_or_a_while_ago() {
        let millis = |text: &str| When::from_str(text).unwrap().millis(10_000_000);
        assert_eq!(["0", "1700000000000"].map(millis), [0, 1_700_000_000_000]);
        assert_eq!(["1h", "1500ms", "24h"].map(millis), [6_400_000, 9_998_500, 0]);
    }

    #[test]
    fn a_wrong_name_is_refused_with_what_would_be_right() {
        let error = Args::try_parse_from(["chat", "--user", "al ice"]).unwrap_err().to_string();
        assert!(error.contains("1 to 128 characters of"), "{error}");
    }
}
