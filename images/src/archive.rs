//! The archive: one image with one layer, in the layout that OCI describes, with the file beside it
//! that Dockers before version 25 look for.
//! (Formats: OCI image-spec 1.1, image-layout.md and manifest.md; Docker image specification v1.2.)

use std::{fs::Permissions, io::Read, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Image,
    layer::{Layer, header, hex},
};

/// Writes it to a temporary file beside its place, and moves it there.
pub(crate) fn write(image: &Image, archive: &Path) -> Result<()> {
    let layer = Layer::pack(&image.files)?;
    let platform = json!({ "architecture": architecture(), "os": "linux" });
    let config = Blob::new(&json!({
        "architecture": platform["architecture"],
        "os": platform["os"],
        "config": image.config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)] },
    }))?;
    let layer_descriptor =
        descriptor("application/vnd.oci.image.layer.v1.tar", &layer.digest, layer.size);
    let manifest = Blob::new(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [layer_descriptor],
    }))?;
    let mut entry = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
    entry["platform"] = platform;
    entry["annotations"] = json!({
        // The first is what containerd and Docker name the image by, the second what OCI defines.
        "io.containerd.image.name": image.name.to_string(),
        "org.opencontainers.image.ref.name": image.name.tag(),
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    let for_old_dockers = json!([{
        "Config": path(&config.digest),
        "RepoTags": [image.name.to_string()],
        "Layers": [path(&layer.digest)],
    }]);

    let folder = archive.parent().filter(|folder| !folder.as_os_str().is_empty());
    // For everybody to read, as far as the umask lets them; a temporary file's default is its owner.
    let file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .context("make a temporary file for the archive")?;
    let mut parts = tar::Builder::new(file);
    let mut part = |name: &str, size: u64, bytes: &mut dyn Read| {
        parts.append_data(&mut header(tar::EntryType::Regular, 0o644, size), name, bytes)
    };
    let mut small = |name: &str, bytes: &[u8]| part(name, bytes.len() as u64, &mut &bytes[..]);
    small("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    small("index.json", &serde_json::to_vec(&index)?)?;
    small("manifest.json", &serde_json::to_vec(&for_old_dockers)?)?;
    small(&path(&config.digest), &config.bytes)?;
    small(&path(&manifest.digest), &manifest.bytes)?;
    part(&path(&layer.digest), layer.size, &mut &layer.file)?;
    parts.into_inner()?.persist(archive)?;
    Ok(())
}

/// A JSON document that is named by its digest.
struct Blob {
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(document: &Value) -> Result<Self> {
        let bytes = serde_json::to_vec(document)?;
        let mut hash = Sha256::new();
        hash.update(&bytes);
        Ok(Self { bytes, digest: hex(hash) })
    }

    fn descriptor(&self, kind: &str) -> Value {
        descriptor(kind, &self.digest, self.bytes.len() as u64)
    }
}

fn descriptor(kind: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size })
}

fn path(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

/// This machine's, in OCI's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
