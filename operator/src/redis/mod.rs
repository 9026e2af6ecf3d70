//! Redis nodes: asks all of them for a picture, and carries out a step of the plan. What to do is
//! `operator-plan`'s decision alone; which nodes there should be is for the two shells to say, processes
//! and pods.

mod carry_out;
mod look;
mod summary;
mod tend;

use std::{net::IpAddr, time::Duration};

use ::redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
pub use carry_out::{NotDone, carry_out};
pub use look::look;
use operator_plan::Place;
pub use summary::Summary;
pub use tend::{Tended, tend};

/// A node answers at once, or hangs, or is cut off. This is for everything that it is asked at a time,
/// the connection included.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node that there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The name of its pod or process.
    pub name: String,
    /// The shard it was made for, counted from 0.
    pub shard: usize,
    /// Where it runs, or would; the IP address is empty if there is none.
    pub place: Place,
    /// Whether something may run there and not answer. If not, what does not answer is not there.
    pub may_run: bool,
}

async fn connect(place: &Place) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let host = match place.ip.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => place.ip.clone(),
    };
    let client = Client::open((host, place.port))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}
