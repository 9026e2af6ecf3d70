//! `chatcluster-images`: writes an image without Docker.

use std::path::PathBuf;

use anyhow::Result;
use chatcluster_images::{Image, Name};
use clap::Parser;

/// Write an image as an OCI archive, as `docker build` would make it of the same Dockerfile.
#[derive(Debug, Parser)]
#[command(name = "chatcluster-images", version)]
struct Args {
    /// The definition: FROM scratch, COPY, ENV, LABEL, USER, WORKDIR, ENTRYPOINT and CMD.
    #[arg(long, value_name = "DOCKERFILE")]
    file: PathBuf,
    /// The image's name, like localhost/chatcluster:dev.
    #[arg(long, value_name = "NAME:TAG")]
    tag: Name,
    /// The archive to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The folder that COPY copies from.
    context: PathBuf,
}

fn main() -> Result<()> {
    let Args { file, tag, output, context } = Args::parse();
    Image::build(tag, &file, &context)?.write(&output)
}
