//! What a COPY means: the files of the build's folder that it names, and where they go.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Component, Path},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    dockerfile::Copy,
    tree::{Entry, Tree},
};

/// Adds what the instruction copies out of `context`. As with Docker a folder stands for what is in
/// it, links stay links, and a destination that ends with a slash is a folder.
pub(crate) fn copy(copy: &Copy, context: &Path, files: &mut Tree) -> Result<()> {
    for source in &copy.sources {
        let inside = Path::new(source).components().all(|part| {
            matches!(part, Component::Normal(_) | Component::CurDir | Component::RootDir)
        });
        ensure!(inside, "line {}: COPY: {source:?} is outside of the context", copy.line);
        let from = context.join(source.trim_start_matches('/'));
        let name = from.file_name().map(|name| name.to_string_lossy().into_owned());
        let to = match (copy.destination.strip_suffix('/'), name) {
            (Some(folder), Some(name)) if !from.is_dir() => format!("{folder}/{name}"),
            (Some(folder), _) => folder.to_owned(),
            (None, _) => copy.destination.clone(),
        };
        add(&from, &to, files).with_context(|| format!("line {}: COPY {source}", copy.line))?;
    }
    Ok(())
}

/// The entry itself, and all that is below it.
fn add(from: &Path, to: &str, files: &mut Tree) -> Result<()> {
    let here = fs::symlink_metadata(from).with_context(|| from.display().to_string())?;
    if here.is_symlink() {
        files.add(to, Entry::Link { target: fs::read_link(from)? })
    } else if here.is_dir() {
        files.add(to, Entry::Folder)?;
        for child in fs::read_dir(from)? {
            let name = child?.file_name();
            let name = name.to_str().with_context(|| format!("{name:?} is not a name in UTF-8"))?;
            add(&from.join(name), &format!("{to}/{name}"), files)?;
        }
        Ok(())
    } else if here.is_file() {
        files.add_file(to, from, here.permissions().mode() & 0o111 != 0)
    } else {
        bail!("{} is no file, folder or link", from.display())
    }
}
