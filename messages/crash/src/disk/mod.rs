//! Disks of which the power is cut.
//!
//! A process is started with a library that writes down what it does to the files below a folder (`journal.c`). From
//! that follows what a disk may hold when the power is cut: all that was synced, and of the rest whatever came to it
//! by chance, page by page. A file's name is synced with its folder, and names come to a disk in their order.

mod image;
mod record;

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::Chance;

const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/journal.so"));

/// A disk with one folder, which goes away with this.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    /// Where the folder is, and what the library needs.
    around: TempDir,
    /// What was in it when the process was started.
    before: Vec<(u64, PathBuf, Vec<u8>)>,
}

impl Disk {
    /// A disk whose folder is empty.
    pub(crate) fn new() -> io::Result<Self> {
        let around = tempfile::tempdir()?;
        let folder = around.path().canonicalize()?.join("data");
        fs::create_dir(&folder)?;
        let disk = Self { folder, around, before: Vec::new() };
        fs::write(disk.beside("journal.so"), LIBRARY)?;
        Ok(disk)
    }

    /// What a process has to have in its environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.beside("journal.so").into()),
            ("CRASH_FOLDER", self.folder.clone().into()),
            ("CRASH_JOURNAL", self.beside("journal").into()),
            ("CRASH_FULL", self.beside("full").into()),
            ("CRASH_LIES", self.beside("lies").into()),
        ]
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.around.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All that was there is gone.
    pub(crate) fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// From now on nothing can be written, or it can again.
    pub(crate) fn set_full(&self, full: bool) -> io::Result<()> {
        let file = self.beside("full");
        if full { fs::write(file, []) } else { fs::remove_file(file) }
    }

    /// From now on nothing is synced, and nobody is told.
    pub(crate) fn lie(&self) -> io::Result<()> {
        fs::write(self.beside("lies"), [])
    }

    /// Before a process is started: what is there now is on the disk.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        fs::write(self.beside("journal"), [])?;
        self.before.clear();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            self.before.push((entry.metadata()?.ino(), entry.path(), fs::read(entry.path())?));
        }
        Ok(())
    }

    /// The process has been killed, and what was not on the disk is gone.
    pub(crate) fn cut_power(&self, chance: &mut Chance) -> io::Result<()> {
        let records = record::read(&fs::read(self.beside("journal"))?);
        let folder = fs::metadata(&self.folder)?.ino();
        let left = image::left(folder, self.before.clone(), records, chance);
        self.empty()?;
        left.into_iter().try_for_each(|(path, bytes)| fs::write(path, bytes))
    }
}
