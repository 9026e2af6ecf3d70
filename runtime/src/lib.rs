//! What every ChatCluster program has around its own job: configuration file, certificates, admin port,
//! logs, shutdown. A program's `main` puts these together; nothing here starts on its own.

pub mod admin;
mod config_file;
pub mod logs;
mod open_files;
pub mod signals;
pub mod tls;

pub use config_file::{ConfigFileError, read_config};
pub use open_files::raise_nofile;
