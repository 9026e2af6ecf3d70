//! Container images without Docker: a Dockerfile and the folder that it copies from become an OCI
//! archive of one layer, the same bytes for the same files.
//!
//! The definitions in `images/` are Dockerfiles, so that `docker build` makes the same of them. Here
//! they are read by [`Dockerfile`], which knows the few instructions that need no container to run in,
//! and refuses the others.

mod archive;
mod context;
mod dockerfile;
mod layer;
mod name;
mod tree;

pub use dockerfile::{Config, Copy, Dockerfile};
pub use name::Name;
pub use tree::Tree;

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// An image that can be written.
#[derive(Debug)]
pub struct Image {
    /// What it is called.
    pub name: Name,
    /// How its containers start, unless a pod says otherwise.
    pub config: Config,
    /// Its files.
    pub files: Tree,
}

impl Image {
    /// What a Dockerfile makes of a folder, as `docker build --file DOCKERFILE CONTEXT` would.
    pub fn build(name: Name, dockerfile: &Path, context: &Path) -> Result<Self> {
        let read = || {
            let text = fs::read_to_string(dockerfile)?;
            let Dockerfile { config, copies } = text.parse()?;
            let mut files = Tree::default();
            for copy in &copies {
                context::copy(copy, context, &mut files)?;
            }
            anyhow::Ok(Self { name, config, files })
        };
        read().with_context(|| dockerfile.display().to_string())
    }

    /// Writes it as an archive, which appears complete or not at all. `docker load`, `podman load`,
    /// `ctr images import` and `kind load image-archive` read it.
    pub fn write(&self, archive: &Path) -> Result<()> {
        archive::write(self, archive).with_context(|| format!("write the image {}", self.name))
    }
}
