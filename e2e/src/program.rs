//! Programs that are built into the cache, once for each version of their source and compiler.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use chatcluster_config::cache_folder;
use sha2::{Digest, Sha256};

use crate::{run::output_of, say};

/// A program: what to build it from.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name of the executable.
    pub name: &'static str,
    /// Name, version and how long a first build takes, for people.
    pub title: String,
    /// Where its source is.
    pub source: Source,
    /// Values that the linker writes into variables, `package.variable=value`.
    pub variables: Vec<String>,
}

/// Where a program's source is.
#[derive(Debug, Clone)]
pub enum Source {
    /// A Go module of our own: its files, by name.
    GoFiles(&'static [(&'static str, &'static str)]),
    /// A package on the Go module proxy, `path@version`.
    GoPackage(&'static str),
    /// One Rust file that uses nothing but the standard library. The program is static, so that it
    /// runs in an empty image.
    RustFile(&'static str),
}

impl Program {
    /// The built executable. Builds it if the cache has none of this source and Go version; another
    /// process that needs it meanwhile waits.
    pub fn built(&self) -> Result<PathBuf> {
        let folder = self.folder()?;
        let program = folder.join(self.name);
        if program.exists() {
            return Ok(program);
        }
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let lock = File::create(folder.join("lock")).context("make the lock of a build")?;
        lock.lock().context("wait for another build")?;
        // The other build may have been of the same.
        if !program.exists() {
            say(format_args!("building {}", self.title));
            self.build(&folder).with_context(|| format!("build {}", self.title))?;
        }
        Ok(program)
    }

    fn folder(&self) -> Result<PathBuf> {
        let cache = cache_folder(|name| env::var_os(name))
            .context("there is no place for a cache: set HOME or CHATCLUSTER_CACHE")?;
        let compiler = match self.source {
            Source::GoFiles(_) | Source::GoPackage(_) => version_of("go", &["env", "GOVERSION"])?,
            Source::RustFile(_) => version_of("rustc", &["--version"])?,
        };
        Ok(cache.join("e2e").join(format!("{}-{}", self.name, self.key(&compiler))))
    }

    /// Tells sources and compilers apart.
    fn key(&self, compiler: &str) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        };
        part(compiler);
        self.variables.iter().for_each(|variable| part(variable));
        match &self.source {
            Source::GoFiles(files) => files.iter().for_each(|(name, text)| {
                part(name);
                part(text);
            }),
            Source::GoPackage(text) | Source::RustFile(text) => part(text),
        }
        digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    fn build(&self, folder: &Path) -> Result<()> {
        let work = tempfile::tempdir_in(folder).context("make a folder for the build")?;
        let mut compiler = match &self.source {
            Source::GoFiles(files) => {
                for (name, text) in *files {
                    fs::write(work.path().join(name), text).context("write the source")?;
                }
                let mut go = self.go("build", work.path());
                go.arg(".");
                go
            }
            Source::GoPackage(package) => {
                let mut go = self.go("install", work.path());
                go.arg(package);
                go
            }
            Source::RustFile(text) => {
                fs::write(work.path().join("main.rs"), text).context("write the source")?;
                let mut rustc = Command::new("rustc");
                rustc.args(["--edition=2024", "-Copt-level=s", "-Ctarget-feature=+crt-static"]);
                // The C library warns that names are resolved with its shared parts; the files
                // that an empty image needs for that come from the kubelet.
                rustc.args(["-Awarnings", "-o", self.name, "main.rs"]);
                rustc
            }
        };
        let status =
            compiler.current_dir(work.path()).stdin(Stdio::null()).status().context("compile")?;
        ensure!(status.success(), "the compiler ended with {status}; what it said is above");
        fs::rename(work.path().join(self.name), folder.join(self.name))
            .context("move the program to its place")
    }

    fn go(&self, action: &str, folder: &Path) -> Command {
        let variables: String =
            self.variables.iter().map(|variable| format!(" -X {variable}")).collect();
        let mut go = Command::new("go");
        go.args([action, "-trimpath", "-ldflags", &format!("-s -w{variables}")])
            .env("GOBIN", folder)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            // A Go that is too old is an error, not a reason to download another.
            .env("GOTOOLCHAIN", "local")
            // Kubernetes 1.36 cannot read its OpenAPI documents with the JSON package that is
            // the default from Go 1.27 on.
            .env("GOEXPERIMENT", "nojsonv2");
        go
    }
}

fn version_of(compiler: &str, arguments: &[&str]) -> Result<String> {
    let version = output_of(Command::new(compiler).args(arguments).env("GOTOOLCHAIN", "local"))
        .with_context(|| format!("ask {compiler}, which builds this: is it installed?"))?;
    Ok(version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_or_compiler_has_another_key() {
        let program = |files, variables: &[&str]| Program {
            name: "program",
            title: "a program".into(),
            source: Source::GoFiles(files),
            variables: variables.iter().map(|text| (*text).to_owned()).collect(),
        };
        let one = program(&[("main.go", "package main")], &[]);
        assert_eq!(one.key("go1"), one.clone().key("go1"));
        let others = [
            one.key("go2"),
            program(&[("main.go", "package other")], &[]).key("go1"),
            program(&[("main.g", "opackage main")], &[]).key("go1"),
            program(&[("main.go", "package main")], &["a.b=c"]).key("go1"),
        ];
        assert!(others.iter().all(|other| *other != one.key("go1")), "{others:?}");
    }
}
