//! The demo page as files inside a program, so that one binary can set up a cluster with it. The files
//! themselves are in `site/`; the JavaScript client there is a link to `clients/javascript/src`, which
//! [`write_to`] replaces by its content: gateways follow no link out of the folder that they serve.

use std::{fs, io, path::Path};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../site/", $name)))),*]
    };
}

/// Every file of the page: its path below the root, and its content.
pub const FILES: &[(&str, &str)] = files![
    "app.js",
    "client/backoff.js",
    "client/client.js",
    "client/closing.js",
    "client/connection.js",
    "client/core-types.js",
    "client/core.js",
    "client/errors.js",
    "client/events.js",
    "client/heartbeat.js",
    "client/ids.js",
    "client/inbox.js",
    "client/index.js",
    "client/marks.js",
    "client/outbox.js",
    "client/protocol.js",
    "client/queries.js",
    "client/refusals.js",
    "client/renewal.js",
    "client/retries.js",
    "client/storage.js",
    "client/typing.js",
    "client/watching.js",
    "counts.js",
    "groups.js",
    "icon.svg",
    "index.html",
    "login.js",
    "model.js",
    "style.css",
    "view.js",
    "watched.js",
];

/// Writes the page into this folder, which is made if it is not there. Files that are there already are
/// replaced, others are left alone.
pub fn write_to(folder: &Path) -> io::Result<()> {
    for (name, content) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_below(folder: &Path, root: &Path, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names_below(&path, root, names);
            } else {
                names.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn the_program_holds_every_file_of_the_page() {
        // Asked when the test runs: checkouts share their build folder, so the compiler's may be another one.
        let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let site = Path::new(&package).join("site");
        let mut names = Vec::new();
        names_below(&site, &site, &mut names);
        names.sort();
        assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_is_the_page() {
        let folder = tempfile::tempdir().unwrap();
        write_to(folder.path()).unwrap();
        for (name, content) in FILES {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), *content);
        }
    }
}
