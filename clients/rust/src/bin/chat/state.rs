//! What a device keeps between runs: its id, and what it has seen. One file a device, one program a
//! device at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chatcluster_client::{
    Resume,
    protocol::id::{DeviceId, UserId},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::failure::Failure;

/// Programs of one user that may send or read history at the same time on this machine.
const SIDES: usize = 8;

/// A device that this process holds.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) resume: Resume,
    file: PathBuf,
    /// Held as long as the device is in use; the system releases it whatever happens.
    _lock: File,
}

/// What the command does with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It takes messages: this must be the device itself.
    Take,
    /// It only sends or reads. While the device is in use it can be another one beside it, which
    /// leaves messages to the first.
    Beside,
}

impl Device {
    /// Opens the device of this id, or the one that this machine remembers for the user.
    pub(crate) fn open(
        scope: &str,
        user: &UserId,
        id: Option<DeviceId>,
        purpose: Use,
    ) -> Result<Self, Failure> {
        let folder = folder(scope, user)?;
        let failed = |error: io::Error| Failure::Failed(format!("{}: {error}", folder.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let chosen = id.is_some();
        let id = id.map_or_else(|| remembered(&folder), Ok).map_err(failed)?;
        if let Some(device) = Self::hold(&folder, id.clone()).map_err(failed)? {
            return Ok(device);
        }
        let sides = if chosen || purpose == Use::Take { 0 } else { SIDES };
        for side in 1..=sides {
            let Ok(side) = DeviceId::new(format!("{id}.{side}")) else { break };
            if let Some(device) = Self::hold(&folder, side).map_err(failed)? {
                return Ok(device);
            }
        }
        Err(Failure::Change(format!(
            "device {id} of {user} is in use by another program on this machine: end that one, or \
             name another device with --device ID"
        )))
    }

    fn hold(folder: &Path, id: DeviceId) -> io::Result<Option<Self>> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join(format!("device-{id}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let file = folder.join(format!("device-{id}.json"));
        let resume = match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_else(|error| {
                // Without it messages may be shown again, and none is lost.
                tracing::warn!(%error, file = %file.display(), "ignored a damaged device state");
                Resume::default()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Resume::default(),
            Err(error) => return Err(error),
        };
        Ok(Some(Self { id, resume, file, _lock: lock }))
    }

    /// Keeps what the device has seen.
    pub(crate) fn save(&self, resume: &Resume) -> io::Result<()> {
        let json = serde_json::to_vec(resume).map_err(io::Error::other)?;
        replace(&self.file, &json)
    }
}

fn folder(scope: &str, user: &UserId) -> Result<PathBuf, Failure> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| Failure::Usage("neither XDG_STATE_HOME nor HOME names a folder".into()))?;
    let hash = Sha256::digest(scope.as_bytes());
    let cluster: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // The prefix keeps a user called ".." where it belongs.
    Ok(state.join("chatcluster").join(cluster).join(format!("user-{user}")))
}

/// The device id of this machine, made at its first use.
fn remembered(folder: &Path) -> io::Result<DeviceId> {
    let file = folder.join("default-device");
    let made = format!("chat-{}", &Uuid::new_v4().simple().to_string()[..8]);
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file) {
        Ok(mut new) => new.write_all(made.as_bytes())?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let id = fs::read_to_string(&file)?;
    DeviceId::new(id.trim())
        .map_err(|error| io::Error::other(format!("{}: {error}; remove it", file.display())))
}

/// Writes a file so that it is there in its old or its new form, whatever happens.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut out =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    out.write_all(content)?;
    out.sync_all()?;
    fs::rename(new, file)
}
