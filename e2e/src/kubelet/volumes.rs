//! A container's volumes as folders: which there are, what is in them, and the container's paths in them.

use std::{fs, path::Path, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod};
use tempfile::TempDir;
use tokio::time::sleep;

use super::writer::Writer;

/// Until a ConfigMap is there, as a kubelet waits for it.
const PAUSE: Duration = Duration::from_millis(100);

/// The folders of a container's volumes.
#[derive(Debug)]
pub(super) struct Volumes {
    folder: TempDir,
    /// Where the container has them, the longest path first.
    mounts: Vec<Mount>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    path: String,
    /// The ConfigMap whose contents are there; else it is an empty folder.
    config_map: Option<String>,
}

impl Volumes {
    /// Makes the folders, and waits for the ConfigMaps in them, for as long as it takes.
    pub(super) async fn make(
        parent: &Path,
        writer: &Writer,
        pod: &Pod,
        container: &Container,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("volumes-").tempdir_in(parent);
        let folder = folder.expect("make a folder for a pod's volumes");
        let volumes = Self { folder, mounts: mounts(pod, container) };
        for mount in &volumes.mounts {
            let inside = volumes.inside(&mount.path);
            fs::create_dir(&inside).expect("make a folder for a volume");
            if let Some(name) = &mount.config_map {
                let map = wait_for(writer, pod, name).await;
                for (key, text) in map.data.into_iter().flatten() {
                    let text = volumes.inside(&text);
                    fs::write(Path::new(&inside).join(key), text).expect("write a ConfigMap");
                }
            }
        }
        volumes
    }

    /// A text with the container's paths replaced by ours.
    pub(super) fn inside(&self, text: &str) -> String {
        let folder = self.folder.path().display();
        let replace = |text: String, (number, mount): (usize, &Mount)| {
            text.replace(&mount.path, &format!("{folder}/{number}"))
        };
        self.mounts.iter().enumerate().fold(text.to_owned(), replace)
    }
}

async fn wait_for(writer: &Writer, pod: &Pod, name: &str) -> ConfigMap {
    let maps = writer.api::<ConfigMap>(pod);
    loop {
        match maps.get_opt(name).await {
            Ok(Some(map)) => return map,
            Ok(None) | Err(_) => sleep(PAUSE).await,
        }
    }
}

fn mounts(pod: &Pod, container: &Container) -> Vec<Mount> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    let config_map = |name: &String| {
        let volume = volumes?.iter().find(|volume| volume.name == *name)?;
        Some(volume.config_map.as_ref()?.name.clone())
    };
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts
        .map(|mount| Mount { path: mount.mount_path.clone(), config_map: config_map(&mount.name) });
    let mut mounts: Vec<_> = mounts.collect();
    mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
    mounts
}
