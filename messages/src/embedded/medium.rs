//! Where a database lies.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, backends::FileBackend};

use super::Frozen;

/// Memory for pages. Enough that a demo's whole database stays in it, little enough for a laptop.
const CACHE: usize = 64 * 1024 * 1024;

/// Opens a database, again and again.
pub trait Medium: Send + Sync + 'static {
    /// To read and write.
    fn open(&self) -> Result<Database, DatabaseError>;

    /// To read what was written last, when it cannot be written.
    fn open_frozen(&self) -> Result<Database, DatabaseError>;

    /// What it is, for errors.
    fn name(&self) -> String;
}

/// A file.
#[derive(Debug)]
pub struct FileMedium {
    path: PathBuf,
}

impl FileMedium {
    /// The file at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Medium for FileMedium {
    fn open(&self) -> Result<Database, DatabaseError> {
        let new = !self.path.exists();
        let database = Database::builder().set_cache_size(CACHE).create(&self.path)?;
        if new {
            sync_folder(&self.path).map_err(|error| DatabaseError::Storage(error.into()))?;
        }
        Ok(database)
    }

    fn open_frozen(&self) -> Result<Database, DatabaseError> {
        let file = File::options().read(true).write(true).open(&self.path);
        let file = file.map_err(|error| DatabaseError::Storage(error.into()))?;
        let frozen = Frozen::new(FileBackend::new(file)?);
        let frozen = frozen.map_err(|error| DatabaseError::Storage(error.into()))?;
        Database::builder().set_cache_size(CACHE).create_with_backend(frozen)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// A new file's name is on disk only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
