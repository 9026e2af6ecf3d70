//! The programs that are started.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::LocalError;

/// Where each program is.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    /// Ourselves, to be a child's first moments.
    pub(super) operator: PathBuf,
    pub(super) gateway: PathBuf,
    pub(super) messages: PathBuf,
    pub(super) redis: PathBuf,
}

impl Programs {
    /// Ours are beside this one.
    pub(super) fn find() -> Result<Self, LocalError> {
        let operator = env::current_exe().map_err(LocalError::file("finding", "/proc/self/exe"))?;
        let beside = |name: &str| {
            let path = operator.with_file_name(name);
            let missing = || format!("{} is missing: build it beside this program", path.display());
            if path.is_file() { Ok(path) } else { Err(LocalError::Missing(missing())) }
        };
        Ok(Self {
            gateway: beside("chatcluster-gateway")?,
            messages: beside("chatcluster-messages")?,
            redis: redis_server(|name| env::var_os(name), Path::is_file)?,
            operator,
        })
    }
}

/// The one that the environment names, else one in PATH, else the one that `scripts/need redis`
/// unpacked into the cache.
fn redis_server(
    env: impl Fn(&str) -> Option<OsString>,
    is_file: impl Fn(&Path) -> bool,
) -> Result<PathBuf, LocalError> {
    if let Some(named) = env("CHATCLUSTER_REDIS_SERVER") {
        let named = PathBuf::from(named);
        if is_file(&named) {
            return Ok(named);
        }
        let text =
            format!("CHATCLUSTER_REDIS_SERVER is {}, and there is no such file", named.display());
        return Err(LocalError::Missing(text));
    }
    let cache = env("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&env("HOME")?).join(".cache")));
    let cache = cache.map(|cache| cache.join("chatcluster/bin"));
    let path = env("PATH").unwrap_or_default();
    let mut candidates =
        env::split_paths(&path).chain(cache).map(|folder| folder.join("redis-server"));
    candidates.find(|candidate| is_file(candidate)).ok_or_else(|| {
        LocalError::Missing(
            "redis-server is missing: run scripts/need redis (needs no root), or install Redis 7 \
             (apt-get install redis-server), or name one in CHATCLUSTER_REDIS_SERVER"
                .into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(vars: &[(&str, &str)], files: &[&str]) -> Result<PathBuf, String> {
        let env = |name: &str| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value))
        };
        redis_server(env, |path| files.iter().any(|file| path == Path::new(file)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_named_redis_wins_then_the_path_then_the_cache() {
        let vars = [("PATH", "/bin:/opt/bin"), ("HOME", "/home/me")];
        let (opt, cached) =
            ("/opt/bin/redis-server", "/home/me/.cache/chatcluster/bin/redis-server");
        assert_eq!(find(&vars, &[opt, cached]).unwrap(), Path::new(opt));
        assert_eq!(find(&vars, &[cached]).unwrap(), Path::new(cached));
        let named = [("CHATCLUSTER_REDIS_SERVER", "/r"), ("PATH", "/opt/bin")];
        assert_eq!(find(&named, &["/r", opt]).unwrap(), Path::new("/r"));
        assert!(find(&named, &[opt]).unwrap_err().contains("no such file"));
        let other = [("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/me")];
        let cached = "/cache/chatcluster/bin/redis-server";
        assert_eq!(find(&other, &[cached]).unwrap(), Path::new(cached));
    }

    #[test]
    fn a_missing_redis_says_how_to_get_it() {
        assert!(find(&[("PATH", "/bin")], &[]).unwrap_err().contains("scripts/need redis"));
    }
}
