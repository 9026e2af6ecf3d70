//! A client of ChatCluster: one device of one user, kept connected.
//!
//! ```no_run
//! use chatcluster_client::{Client, Config, Event, TokenSource, Trust, protocol::client::{Content, Recipient}};
//!
//! # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::new(
//!     vec!["wss://chat.example.com".into()],
//!     "laptop".parse()?,
//!     TokenSource::fixed(token),
//! );
//! config.trust = Trust::CaFile("ca.pem".into());
//! let (client, mut events) = Client::connect(config)?;
//!
//! let ticket = client.send(Recipient::User("bob".parse()?), Content::text("hello")?).await;
//! let sent = ticket.await?; // stored in the inbox of every device of bob
//! println!("sent as {}", sent.message);
//!
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.from, message.content.body.as_str());
//!     } // asking for the next event acknowledges this one
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The client connects again by itself, with full jitter, to the next of its endpoints. What had no
//! answer is sent again under the same reference and in the same order, so it arrives once. What
//! comes twice is shown once. Close codes 4200 to 4299 end the client with [`Event::Fatal`], which
//! says what must change. A token that expires soon is replaced in the open session, where there is a
//! source of others ([`TokenSource::from_fn`]).
//!
//! Every queue is bounded: the outbox ([`Config::outbox`]; [`Client::send`] waits), the events
//! (reading stops, the gateway keeps the rest in the inbox), the requests for history
//! ([`QueryError::Full`]) and for the setting ([`PrivacyError::Full`]).

mod client;
mod config;
mod core;
mod error;
mod event;
mod history;
mod resume;
mod shell;

pub use chatcluster_protocol as protocol;

pub use self::{
    client::{Client, Events, SendTicket},
    config::{Acks, Config, TokenSource, Trust},
    core::Backoff,
    error::{ConfigError, PrivacyError, QueryError, SendError, TooManyWatched},
    event::{Cause, Event, Fatal, Session},
    history::HistoryQuery,
    resume::Resume,
};
