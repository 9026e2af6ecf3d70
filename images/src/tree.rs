//! The files of an image, before they are packed. The contents stay where they are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// Files, folders and links by their path in the image, without a leading slash. A folder comes before
/// what is in it.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// One of them. Owners, times and most of the mode are not kept: all is root's, and the rest would
/// make other bytes of the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    File { source: PathBuf, executable: bool },
    Link { target: PathBuf },
}

impl Tree {
    /// Adds a file to be read from `source`, and the folders above it. What was there gives way.
    pub fn add_file(&mut self, path: &str, source: &Path, executable: bool) -> Result<()> {
        self.add(path, Entry::File { source: source.to_owned(), executable })
    }

    /// Adds an entry and the folders above it. A file gives way to another file, a folder stays.
    pub(crate) fn add(&mut self, path: &str, entry: Entry) -> Result<()> {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.place(&path[..at], Entry::Folder)?;
        }
        match path {
            "" => Ok(()),
            path => self.place(path, entry),
        }
    }

    fn place(&mut self, path: &str, entry: Entry) -> Result<()> {
        let is_folder = entry == Entry::Folder;
        match self.entries.get(path) {
            Some(Entry::Folder) if !is_folder => bail!("/{path} is a folder already"),
            Some(Entry::File { .. } | Entry::Link { .. }) if is_folder => {
                bail!("/{path} is not a folder")
            }
            _ => drop(self.entries.insert(path.to_owned(), entry)),
        }
        Ok(())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }
}
