//! What an image is called.

use std::{fmt, str::FromStr};

use anyhow::{Result, ensure};

/// The full name of an image with its tag, like `localhost/chatcluster:dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    full: String,
    tag_at: usize,
}

impl Name {
    /// What is after the colon.
    pub fn tag(&self) -> &str {
        &self.full[self.tag_at..]
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    /// Only names that everybody completes to the same: with a registry and a tag. Docker takes `a:b`
    /// for `docker.io/library/a:b`, containerd takes it as it is.
    fn from_str(full: &str) -> Result<Self> {
        let (registry, rest) = full.split_once('/').unwrap_or(("", full));
        ensure!(
            registry == "localhost" || registry.contains(['.', ':']),
            "the image's name {full:?} must start with a registry, like localhost/ or registry.example.com/team/"
        );
        let (path, tag) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let word = |text: &str, more: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
            !text.is_empty() && text.chars().all(fits)
        };
        ensure!(
            path.split('/').all(|part| word(part, "._-")),
            "the image's name {full:?} has a path other than of a-z, 0-9, '.', '_', '-' and '/'"
        );
        ensure!(
            word(&tag.to_ascii_lowercase(), "._-") && tag.len() <= 128,
            "the image's name {full:?} must end with a tag, like :dev"
        );
        Ok(Self { full: full.to_owned(), tag_at: full.len() - tag.len() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_registry_and_a_tag() {
        for name in ["localhost/redis:dev", "localhost:5000/redis:7", "ghcr.io/a/b-c/d:V1.2_3"] {
            assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        }
        assert_eq!("localhost:5000/redis:dev".parse::<Name>().unwrap().tag(), "dev");
        for (name, why) in [
            ("redis:dev", "registry"),
            ("library/redis:dev", "registry"),
            ("localhost/redis", "tag"),
            ("localhost:5000/redis", "tag"),
            ("localhost/redis:", "tag"),
            ("localhost/Redis:dev", "path"),
            ("localhost//redis:dev", "path"),
        ] {
            let error = name.parse::<Name>().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(why), "{error}");
        }
    }
}
