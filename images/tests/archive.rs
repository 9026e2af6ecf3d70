//! Images as whoever loads them finds them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes, Permissions},
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

use chatcluster_images::{Dockerfile, Image};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const DOCKERFILE: &str = r#"
FROM scratch
COPY program /usr/bin/
COPY lib /lib/
COPY etc/settings /etc/renamed
USER 65532:65532
ENTRYPOINT ["/usr/bin/program"]
"#;

/// A folder to copy from, and a Dockerfile.
fn context() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    };
    write("Dockerfile", DOCKERFILE, 0o644);
    write("program", "runs", 0o755);
    write("lib/deep/one.so.1", "one", 0o644);
    write("etc/settings", "quiet", 0o600);
    write("secret", "not copied", 0o644);
    symlink("one.so.1", folder.path().join("lib/deep/one.so")).unwrap();
    folder
}

fn build(context: &Path) -> anyhow::Result<Vec<u8>> {
    let image = Image::build("localhost/test:dev".parse()?, &context.join("Dockerfile"), context)?;
    let archive = context.join("image.tar");
    image.write(&archive)?;
    Ok(fs::read(archive)?)
}

/// What is in a tar file: kind and mode, contents or the target of a link.
fn entries(archive: &[u8]) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 0), "{path}");
        let kind = format!("{:?} {:o}", header.entry_type(), header.mode().unwrap());
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        if let Some(target) = entry.link_name().unwrap() {
            contents = target.display().to_string().into_bytes();
        }
        assert!(found.insert(path.clone(), (kind, contents)).is_none(), "{path} is there twice");
    }
    found
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Follows a descriptor, and checks what it says.
fn blob<'a>(parts: &'a BTreeMap<String, (String, Vec<u8>)>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let bytes = &parts[&format!("blobs/sha256/{digest}")].1;
    let actual: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(actual, digest);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

#[test]
fn an_archive_leads_from_its_index_to_the_files_that_were_copied() {
    let folder = context();
    let archive = build(folder.path()).unwrap();
    let parts = entries(&archive);
    let index = json(&parts["index.json"].1);
    let entry = &index["manifests"][0];
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "localhost/test:dev");
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "dev");
    let manifest = json(blob(&parts, entry));
    let config = json(blob(&parts, &manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/program");
    let layer = blob(&parts, &manifest["layers"][0]);
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);

    let files: Vec<_> = entries(layer)
        .into_iter()
        .map(|(path, (kind, contents))| {
            format!("{path} {kind} {}", String::from_utf8(contents).unwrap())
        })
        .collect();
    let expected = [
        "etc/ Directory 755 ",
        "etc/renamed Regular 644 quiet",
        "lib/ Directory 755 ",
        "lib/deep/ Directory 755 ",
        "lib/deep/one.so Symlink 777 one.so.1",
        "lib/deep/one.so.1 Regular 644 one",
        "usr/ Directory 755 ",
        "usr/bin/ Directory 755 ",
        "usr/bin/program Regular 755 runs",
    ];
    assert_eq!(files, expected);
}

/// Dockers before version 25 read `manifest.json` and nothing else.
#[test]
fn old_dockers_find_the_same_image() {
    let folder = context();
    let archive = build(folder.path()).unwrap();
    let parts = entries(&archive);
    let manifest = json(blob(&parts, &json(&parts["index.json"].1)["manifests"][0]));
    let old = json(&parts["manifest.json"].1);
    assert_eq!(old[0]["RepoTags"], serde_json::json!(["localhost/test:dev"]));
    let path = |descriptor: &Value| {
        format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"))
    };
    assert_eq!(old[0]["Config"], path(&manifest["config"]));
    assert_eq!(old[0]["Layers"], serde_json::json!([path(&manifest["layers"][0])]));
}

#[test]
fn the_same_files_are_the_same_bytes_whenever_and_by_whomever_they_were_written() {
    let (one, other) = (context(), context());
    let changed: PathBuf = other.path().join("lib/deep/one.so.1");
    let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    File::options().write(true).open(&changed).unwrap().set_times(times).unwrap();
    fs::set_permissions(&changed, Permissions::from_mode(0o600)).unwrap();
    assert!(build(one.path()).unwrap() == build(other.path()).unwrap());
    fs::write(&changed, "two").unwrap();
    assert!(build(one.path()).unwrap() != build(other.path()).unwrap());
}

#[test]
fn what_cannot_be_copied_is_named() {
    for (instruction, why) in [
        ("COPY missing /", "missing"),
        ("COPY ../program /", "outside of the context"),
        ("COPY program /usr\nCOPY lib /usr/lib/", "/usr is not a folder"),
        ("COPY lib /usr\nCOPY program /usr", "/usr is a folder already"),
    ] {
        let folder = context();
        fs::write(folder.path().join("Dockerfile"), format!("FROM scratch\n{instruction}"))
            .unwrap();
        let error = format!("{:#}", build(folder.path()).unwrap_err());
        assert!(error.contains("line ") && error.contains(why), "{instruction}: {error}");
        assert!(!folder.path().join("image.tar").exists());
    }
}

/// Each folder beside this crate's sources defines an image, and says what it copies from.
#[test]
fn our_definitions_can_be_built() {
    let mut names = Vec::new();
    for folder in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("Dockerfile")) else { continue };
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let file: Dockerfile = text.parse().unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(file.config.user, "65532:65532", "{name} does not run as root");
        assert!(folder.join("crates").exists() != folder.join("packages").exists(), "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["chatcluster", "erlang", "redis", "traffic"]);
}
