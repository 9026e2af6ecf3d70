//! The keys that verify tokens, read from their files and read again when the files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use chatcluster_config::{JwtAlgorithm, JwtKey};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. A key that leaks has to go soon; a `stat` costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Shortest HS256 secret: as long as the hash, as RFC 7518, section 3.2, requires.
const SECRET_MIN: usize = 32;

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key at all: nobody could ever log in.
    #[error("auth.keys must name at least one key")]
    None,
    /// The file cannot be read.
    #[error("cannot read token key {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The secret is too short to be one.
    #[error("token key {} must have at least {SECRET_MIN} bytes for HS256", .0.display())]
    TooShort(PathBuf),
    /// The file holds no public key of this kind.
    #[error("token key {} is not a public key in PEM for {algorithm:?}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The algorithm of the key.
        algorithm: JwtAlgorithm,
        /// Why.
        reason: String,
    },
}

/// One key, ready to verify.
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
    /// Names the key's one algorithm; what a token's header says is only compared to it.
    pub(super) validation: Validation,
}

/// All keys of the configuration, as their files were last read.
pub struct Keyring {
    config: Vec<JwtKey>,
    keys: ArcSwap<Vec<Key>>,
}

impl Keyring {
    /// Reads all keys.
    ///
    /// # Errors
    /// When there is none, or one cannot be used.
    pub fn read(config: &[JwtKey]) -> Result<Self, KeyError> {
        let keys = read_all(config)?;
        Ok(Self { config: config.to_vec(), keys: ArcSwap::from_pointee(keys) })
    }

    pub(super) fn current(&self) -> Arc<Vec<Key>> {
        self.keys.load_full()
    }

    /// Reads all files again. Keys that cannot be used leave the old ones in place.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn reload(&self) -> Result<(), KeyError> {
        self.keys.store(Arc::new(read_all(&self.config)?));
        Ok(())
    }

    /// Watches the files until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.fingerprint();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let now = self.fingerprint();
            if now == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!("token keys changed and were read again"),
                Err(error) => tracing::error!(%error, "the old token keys stay in use"),
            }
            seen = now;
        }
    }

    fn fingerprint(&self) -> Vec<Option<(u64, SystemTime)>> {
        let look = |path: &Path| fs::metadata(path).and_then(|m| Ok((m.len(), m.modified()?))).ok();
        self.config.iter().map(|key| look(&key.file)).collect()
    }
}

fn read_all(config: &[JwtKey]) -> Result<Vec<Key>, KeyError> {
    if config.is_empty() {
        return Err(KeyError::None);
    }
    config.iter().map(read_one).collect()
}

fn read_one(config: &JwtKey) -> Result<Key, KeyError> {
    let path = || config.file.clone();
    let bytes = fs::read(&config.file).map_err(|error| KeyError::Read { path: path(), error })?;
    let (algorithm, key) = match config.algorithm {
        JwtAlgorithm::HS256 if bytes.len() < SECRET_MIN => {
            return Err(KeyError::TooShort(path()));
        }
        JwtAlgorithm::HS256 => (Algorithm::HS256, Ok(DecodingKey::from_secret(&bytes))),
        JwtAlgorithm::RS256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(&bytes)),
        JwtAlgorithm::ES256 => (Algorithm::ES256, DecodingKey::from_ec_pem(&bytes)),
    };
    let key = key.map_err(|error| KeyError::Invalid {
        path: path(),
        algorithm: config.algorithm,
        reason: error.to_string(),
    })?;
    let mut validation = Validation::new(algorithm);
    // Claims are checked by `token`, on the caller's clock and with errors that say more.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    Ok(Key { id: config.id.clone(), key, validation })
}
