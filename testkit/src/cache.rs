//! Where `scripts/` and the tests keep what they unpack and build.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The cache folder of scripts/env.sh, if this user has a home.
pub fn cache_folder() -> Option<PathBuf> {
    from_env(|name| env::var_os(name))
}

pub(crate) fn from_env(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let user = || {
        env("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| env("HOME").map(|home| Path::new(&home).join(".cache")))
            .map(|cache| cache.join("chatcluster"))
    };
    env("CHATCLUSTER_CACHE").map(PathBuf::from).or_else(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_folder_wins_then_the_users_cache() {
        let folder = |vars: &[(&str, &str)]| {
            from_env(|name| {
                vars.iter().find(|(var, _)| *var == name).map(|(_, value)| OsString::from(value))
            })
        };
        let home = ("HOME", "/home/me");
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[home]).unwrap(), Path::new("/home/me/.cache/chatcluster"));
        let other = ("XDG_CACHE_HOME", "/cache");
        assert_eq!(folder(&[home, other]).unwrap(), Path::new("/cache/chatcluster"));
        let named = ("CHATCLUSTER_CACHE", "/named");
        assert_eq!(folder(&[home, other, named]).unwrap(), Path::new("/named"));
    }
}
