//! The client's hands: sockets, time and channels. It decides nothing; the core does.

mod dial;
mod driver;
mod endpoint;
mod line;
mod socket;
mod trust;

use std::collections::HashMap;

pub(crate) use driver::{Channels, Command, Driver, Sending};

use self::{dial::Dialer, endpoint::Endpoint};
use crate::{config::Config, error::ConfigError};

/// Resolves what can be wrong with a configuration, before anything is opened.
pub(crate) fn dialer(config: &Config) -> Result<Dialer, ConfigError> {
    if config.endpoints.is_empty() {
        return Err(ConfigError::NoEndpoint);
    }
    let endpoint = |url: &String| Ok((url.clone(), Endpoint::parse(url)?));
    let endpoints: HashMap<_, _> =
        config.endpoints.iter().map(endpoint).collect::<Result<_, ConfigError>>()?;
    let connector = trust::connector(&config.trust)?;
    Ok(Dialer { endpoints, connector, token: config.token.clone() })
}
