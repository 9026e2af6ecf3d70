//! Where scripts, tests and local mode keep what they unpack and build. No I/O: the caller looks.

use std::{
    env::split_paths,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The cache folder of scripts/env.sh; `None` for a user without a home.
pub fn cache_folder(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || {
        named("XDG_CACHE_HOME")
            .or_else(|| named("HOME").map(|home| home.join(".cache")))
            .map(|cache| cache.join("chatcluster"))
    };
    named("CHATCLUSTER_CACHE").or_else(user)
}

/// A program that we start and that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `redis-server`.
    Redis,
    /// `erl`, Erlang's emulator.
    Erlang,
}

impl Program {
    /// The one to run: the one that a variable names (`CHATCLUSTER_REDIS_SERVER`, `CHATCLUSTER_ERL`), else one
    /// in PATH, else the one that `scripts/need` unpacked into the cache.
    ///
    /// # Errors
    /// When there is none, with what to do.
    pub fn find(
        self,
        env: impl Fn(&str) -> Option<OsString>,
        is_file: impl Fn(&Path) -> bool,
    ) -> Result<PathBuf, String> {
        let Named { program, variable, need, install } = self.named();
        if let Some(named) = env(variable).map(PathBuf::from) {
            let missing =
                || format!("{variable} is {}, and there is no such file", named.display());
            return if is_file(&named) { Ok(named) } else { Err(missing()) };
        }
        let path = env("PATH").unwrap_or_default();
        let cache = cache_folder(env).map(|cache| cache.join("bin"));
        let mut candidates = split_paths(&path).chain(cache).map(|folder| folder.join(program));
        candidates.find(|candidate| is_file(candidate)).ok_or_else(|| {
            format!(
                "{program} is missing: run scripts/need {need} (needs no root), or install \
                 {install}, or name one in {variable}"
            )
        })
    }

    const fn named(self) -> Named {
        match self {
            Self::Redis => Named {
                program: "redis-server",
                variable: "CHATCLUSTER_REDIS_SERVER",
                need: "redis",
                install: "Redis 7 (apt-get install redis-server)",
            },
            Self::Erlang => Named {
                program: "erl",
                variable: "CHATCLUSTER_ERL",
                need: "erlang",
                install: "Erlang/OTP 25 or newer (apt-get install erlang-mnesia erlang-ssl)",
            },
        }
    }
}

struct Named {
    program: &'static str,
    variable: &'static str,
    need: &'static str,
    install: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(vars: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value))
    }

    fn redis(vars: &[(&str, &str)], files: &[&str]) -> Result<PathBuf, String> {
        Program::Redis.find(env(vars), |path| files.iter().any(|file| path == Path::new(file)))
    }

    #[test]
    fn the_named_folder_wins_then_the_users_cache() {
        let folder = |vars: &[(&str, &str)]| cache_folder(env(vars));
        let home = ("HOME", "/home/me");
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[home]).unwrap(), Path::new("/home/me/.cache/chatcluster"));
        let unset = ("XDG_CACHE_HOME", "");
        assert_eq!(folder(&[home, unset]).unwrap(), Path::new("/home/me/.cache/chatcluster"));
        let other = ("XDG_CACHE_HOME", "/cache");
        assert_eq!(folder(&[home, other]).unwrap(), Path::new("/cache/chatcluster"));
        let named = ("CHATCLUSTER_CACHE", "/named");
        assert_eq!(folder(&[home, other, named]).unwrap(), Path::new("/named"));
    }

    #[test]
    fn the_named_redis_wins_then_the_path_then_the_cache() {
        let vars = [("PATH", "/bin:/opt/bin"), ("HOME", "/home/me")];
        let (opt, cached) =
            ("/opt/bin/redis-server", "/home/me/.cache/chatcluster/bin/redis-server");
        assert_eq!(redis(&vars, &[opt, cached]).unwrap(), Path::new(opt));
        assert_eq!(redis(&vars, &[cached]).unwrap(), Path::new(cached));
        let named = [("CHATCLUSTER_REDIS_SERVER", "/r"), ("PATH", "/opt/bin")];
        assert_eq!(redis(&named, &["/r", opt]).unwrap(), Path::new("/r"));
        let wrong = redis(&named, &[opt]).unwrap_err();
        assert!(wrong.contains("/r") && wrong.contains("no such file"), "{wrong}");
        let other = [("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/me")];
        let cached = "/cache/chatcluster/bin/redis-server";
        assert_eq!(redis(&other, &[cached]).unwrap(), Path::new(cached));
        let cache = [("CHATCLUSTER_CACHE", "/named"), ("HOME", "/home/me")];
        let cached = "/named/bin/redis-server";
        assert_eq!(redis(&cache, &[cached]).unwrap(), Path::new(cached));
    }

    #[test]
    fn a_missing_redis_says_how_to_get_it() {
        assert!(redis(&[("PATH", "/bin")], &[]).unwrap_err().contains("scripts/need redis"));
    }
}
