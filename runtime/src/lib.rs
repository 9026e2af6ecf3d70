//! What every ChatCluster program has around its own job: configuration file, certificates, admin port,
//! logs, shutdown, and the last words. A program's `main` puts these together; nothing here starts on
//! its own.

pub mod admin;
#[cfg(feature = "backend")]
pub mod backend;
mod backlog;
mod config_file;
mod exit;
pub mod logs;
mod open_files;
pub mod signals;
pub mod tls;

pub use backlog::Backlog;
pub use config_file::{ConfigFileError, read_config};
pub use exit::exit_code;
pub use open_files::raise_nofile;
