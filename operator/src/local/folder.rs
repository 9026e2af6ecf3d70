//! The data folder: made, locked, written to.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::LocalError;

/// A data folder that is ours until this is dropped, or this process ends in whatever way.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Folder {
    /// Makes the folder, for this user alone, if it is not there, and locks it.
    pub(super) fn take(path: &Path) -> Result<Self, LocalError> {
        make(path)?;
        let path = path.canonicalize().map_err(LocalError::file("finding", path))?;
        let lock = path.join("lock");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(LocalError::file("opening", &lock))?;
        let mut locked = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => locked,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(LocalError::file("reading", &lock))?;
                return Err(LocalError::InUse { folder: path, pid: pid.trim().to_owned() });
            }
            Err((_, errno)) => return Err(LocalError::file("locking", lock)(errno.into())),
        };
        let mut write = || {
            locked.set_len(0)?;
            locked.rewind()?;
            writeln!(locked, "{}", std::process::id())
        };
        write().map_err(LocalError::file("writing", &lock))?;
        Ok(Self { path, _lock: locked })
    }

    /// Where it is, as an absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a folder for this user alone, and those above it.
pub(super) fn make(path: &Path) -> Result<(), LocalError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(LocalError::file("making", path))
}

/// Makes a folder, or empties it.
pub(super) fn make_empty(path: &Path) -> Result<(), LocalError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(LocalError::file("emptying", path)(error))
        }
        _ => make(path),
    }
}

/// Writes a file that this user alone may read. It is the old or the new file at any moment, also after
/// a crash.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), LocalError> {
    if let Some(folder) = path.parent() {
        make(folder)?;
    }
    let unfinished = path.with_added_extension("new");
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content.as_ref())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(LocalError::file("writing", path))
}

/// Removes a file; that there is none is fine.
pub(super) fn remove(path: &Path) -> Result<(), LocalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(LocalError::file("removing", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_names_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let taken = Folder::take(&path).unwrap();
        let error = Folder::take(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by pid {}:", std::process::id())), "{error}");
        drop(taken);
        Folder::take(&path).expect("free again");
    }

    #[test]
    fn files_are_for_this_user_alone_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/a.key");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).expect("nothing to remove");
    }
}
