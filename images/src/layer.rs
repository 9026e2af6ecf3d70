//! Packing: a tree becomes one tar file, with its digest.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tree::{Entry, Tree};

/// Bytes in a file, and what OCI calls them.
pub(crate) struct Layer {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) digest: String,
}

impl Layer {
    /// Packs all files into a temporary one: a layer may be larger than memory should be.
    pub(crate) fn pack(files: &Tree) -> Result<Self> {
        let file = tempfile::tempfile().context("make a temporary file for a layer")?;
        let mut layer = tar::Builder::new(Hashed { file, size: 0, hash: Sha256::new() });
        for (path, entry) in files.entries() {
            append(&mut layer, path, entry).with_context(|| format!("pack /{path}"))?;
        }
        let Hashed { mut file, size, hash } = layer.into_inner().context("end a layer")?;
        file.rewind()?;
        Ok(Self { file, size, digest: hex(hash) })
    }
}

fn append(layer: &mut tar::Builder<Hashed>, path: &str, entry: &Entry) -> Result<()> {
    match entry {
        Entry::Folder => {
            let mut header = header(tar::EntryType::Directory, 0o755, 0);
            layer.append_data(&mut header, format!("{path}/"), io::empty())?;
        }
        Entry::Link { target } => {
            layer.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), path, target)?;
        }
        Entry::File { source, executable } => {
            let file = File::open(source).with_context(|| source.display().to_string())?;
            let (mode, size) = (if *executable { 0o755 } else { 0o644 }, file.metadata()?.len());
            // A file that grows meanwhile must not run into the next one's header.
            layer.append_data(
                &mut header(tar::EntryType::Regular, mode, size),
                path,
                file.take(size),
            )?;
        }
    }
    Ok(())
}

/// The same for the same contents: the owner is root and the time is 1970.
pub(crate) fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Hashed {
    file: File,
    size: u64,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
