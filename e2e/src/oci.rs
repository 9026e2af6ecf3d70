//! Container images without Docker: a few files become an OCI archive of one layer, the same bytes
//! for the same files. `ctr images import` and `docker load` read it.
//! (Format: OCI image-spec 1.1, image-layout.md and manifest.md.)

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image to be written.
pub(crate) struct Image<'a> {
    /// Its full name, like `localhost/probe:dev`.
    pub(crate) name: &'a str,
    /// The one program in it, and where it is in the image.
    pub(crate) program: &'a Path,
    pub(crate) path: &'a str,
    /// Arguments before those of a pod.
    pub(crate) arguments: &'a [&'a str],
}

impl Image<'_> {
    /// Writes the archive.
    pub(crate) fn write(&self, archive: &Path) -> Result<()> {
        let program = fs::read(self.program).context("read the program of an image")?;
        let layer = tar([(self.path.trim_start_matches('/'), &program[..])])?;
        let entrypoint = [&[self.path], self.arguments].concat();
        let platform = json!({ "architecture": architecture(), "os": "linux" });
        let mut config = json!({
            "config": { "Entrypoint": entrypoint },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        merge(&mut config, &platform);
        let config = serde_json::to_vec(&config)?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("application/vnd.oci.image.config.v1+json", &config),
            "layers": [blob("application/vnd.oci.image.layer.v1.tar", &layer)],
        }))?;
        let mut entry = blob("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["platform"] = platform;
        entry["annotations"] = json!({ "io.containerd.image.name": self.name });
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        }))?;
        let place = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
        let (config_at, manifest_at, layer_at) = (place(&config), place(&manifest), place(&layer));
        let bytes = tar([
            ("oci-layout", &br#"{"imageLayoutVersion":"1.0.0"}"#[..]),
            ("index.json", &index),
            (&config_at, &config),
            (&manifest_at, &manifest),
            (&layer_at, &layer),
        ])?;
        fs::write(archive, bytes).with_context(|| format!("write the image {}", self.name))
    }
}

fn tar<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append_data(&mut header, path, bytes).context("write an archive")?;
    }
    archive.into_inner().context("end an archive")
}

fn blob(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

/// This machine's, in OCI's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
