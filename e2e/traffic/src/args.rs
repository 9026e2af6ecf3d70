//! What the command line may say.

use std::path::PathBuf;

use chatcluster_config::GoDuration;
use clap::{Parser, value_parser};

/// Let users talk in pairs, and fail unless every message that was answered with `sent` is shown once
/// and in order.
#[derive(Debug, Parser)]
#[command(name = "traffic", version)]
#[command(group(clap::ArgGroup::new("end").required(true).args(["count", "duration"])))]
pub(crate) struct Args {
    /// A gateway or the Service of all, wss://HOST:PORT. With several, the users of a pair start on
    /// different ones.
    #[arg(long, required = true)]
    pub(crate) url: Vec<String>,
    /// The authority that signed the gateways' certificates, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: PathBuf,
    /// The secret that the gateways check users' tokens with (HS256).
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_key: PathBuf,
    /// The audience that tokens must name.
    #[arg(long, default_value = "chatcluster")]
    pub(crate) audience: String,
    /// Users; each two of them talk to each other. One more makes it even.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u16).range(2..=1000))]
    pub(crate) users: u16,
    /// Messages a second, over all users. Where answers take long it is less, and one user sends at
    /// most some hundred.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=20_000))]
    pub(crate) rate: u32,
    /// End after so many messages, over all users.
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(crate) count: Option<u32>,
    /// End after this time, like 90s or 10m. SIGTERM ends the sending, too, and then what was sent may
    /// still arrive.
    #[arg(long)]
    pub(crate) duration: Option<GoDuration>,
    /// How long all users may take to connect.
    #[arg(long, default_value = "60s")]
    pub(crate) start: GoDuration,
    /// How long what was sent may take to be answered and to arrive, after the last send.
    #[arg(long, default_value = "60s")]
    pub(crate) settle: GoDuration,
}
