//! Where `redis-server` is on this machine.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::cache;

/// The `redis-server` that tests run: the one named by `CHATCLUSTER_REDIS_SERVER`, else one in PATH,
/// else the one unpacked by `scripts/need redis`.
pub fn redis_server() -> PathBuf {
    find(|name| env::var_os(name), |path| path.is_file()).unwrap_or_else(|why| panic!("{why}"))
}

fn find(
    env: impl Fn(&str) -> Option<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Result<PathBuf, String> {
    if let Some(named) = env("CHATCLUSTER_REDIS_SERVER") {
        let named = PathBuf::from(named);
        let missing = || format!("CHATCLUSTER_REDIS_SERVER names {named:?}, which is no file");
        return if exists(&named) { Ok(named) } else { Err(missing()) };
    }
    let path = env("PATH").unwrap_or_default();
    let cache = cache::from_env(env).map(|cache| cache.join("bin"));
    env::split_paths(&path)
        .chain(cache)
        .map(|folder| folder.join("redis-server"))
        .find(|candidate| exists(candidate))
        .ok_or_else(|| {
            "found no redis-server: run scripts/need redis, or name one in CHATCLUSTER_REDIS_SERVER"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(vars: &[(&str, &str)], files: &[&str]) -> Result<PathBuf, String> {
        let env = |name: &str| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value))
        };
        find(env, |path| files.iter().any(|file| path == Path::new(file)))
    }

    #[test]
    fn the_named_one_wins_then_the_path_then_the_cache() {
        let vars = [("PATH", "/bin:/opt/bin"), ("HOME", "/home/me")];
        let cached = "/home/me/.cache/chatcluster/bin/redis-server";
        assert_eq!(
            found(&vars, &["/opt/bin/redis-server", cached]).unwrap(),
            Path::new("/opt/bin/redis-server")
        );
        assert_eq!(found(&vars, &[cached]).unwrap(), Path::new(cached));
        let other_cache = [("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/me")];
        assert_eq!(
            found(&other_cache, &["/cache/chatcluster/bin/redis-server"]).unwrap(),
            Path::new("/cache/chatcluster/bin/redis-server")
        );
        let named = [("CHATCLUSTER_REDIS_SERVER", "/r"), ("PATH", "/bin")];
        assert_eq!(found(&named, &["/r", "/bin/redis-server"]).unwrap(), Path::new("/r"));
    }

    #[test]
    fn a_missing_one_says_what_to_do() {
        assert!(found(&[("PATH", "/bin")], &[]).unwrap_err().contains("scripts/need redis"));
        let named = [("CHATCLUSTER_REDIS_SERVER", "/gone"), ("PATH", "/bin")];
        assert!(found(&named, &["/bin/redis-server"]).unwrap_err().contains("/gone"));
    }
}
