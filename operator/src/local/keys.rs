//! Keys and certificates in the data folder: made once, kept over restarts, issued anew when their names
//! change or their end comes near.

use std::{fs, io::ErrorKind, path::Path, time::SystemTime};

use chatcluster_config::Role;
use chatcluster_pki::{Ca, Issued, Names, PkiError, Validity};

use super::{
    LocalError,
    cluster::{Cluster, MESSAGES},
    folder,
    render::SERVER,
};
use crate::keys::{new_secret, service_token, stale};

/// Makes what is missing and replaces what is due. Returns the names of the certificates that it issued.
pub(super) fn ensure(cluster: &Cluster, now: SystemTime) -> Result<Vec<String>, LocalError> {
    let paths = &cluster.paths;
    let ca = ca(cluster, now)?;
    let mut issued = Vec::new();
    let mut role = |name: &str, role: Role| {
        let names = Names::role(role.uri(&cluster.identity()));
        if certificate(cluster, &ca, name, &names, now, Ca::issue_role)? {
            issued.push(name.to_owned());
        }
        Ok::<_, LocalError>(())
    };
    role(MESSAGES, Role::Messages)?;
    for gateway in &cluster.gateways {
        role(&gateway.name, Role::Gateway)?;
    }
    let names = cluster.listen.certificate_names();
    if certificate(cluster, &ca, SERVER, &names, now, Ca::issue_server)? {
        issued.push(SERVER.to_owned());
    }
    secret(&paths.key("user-token"))?;
    let key = secret(&paths.key("service-token"))?;
    folder::write(&paths.service_token(), service_token(&key, "local", now)?)?;
    Ok(issued)
}

/// The CA's certificate is written last: where it is, its key is.
fn ca(cluster: &Cluster, now: SystemTime) -> Result<Ca, LocalError> {
    let (certificate, key) = (cluster.paths.ca(), cluster.paths.key("ca"));
    if let Some(pem) = read(&certificate)? {
        let key = fs::read_to_string(&key).map_err(LocalError::file("reading", &key))?;
        return Ok(Ca::from_pem(&pem, &key)?);
    }
    let ca = Ca::generate(&cluster.wanted.name, Validity::years_10(now))?;
    folder::write(&key, ca.key())?;
    folder::write(&certificate, ca.certificate())?;
    Ok(ca)
}

/// Whether it had to be issued.
fn certificate(
    cluster: &Cluster,
    ca: &Ca,
    name: &str,
    names: &Names,
    now: SystemTime,
    issue: impl Fn(&Ca, &Names, Validity) -> Result<Issued, PkiError>,
) -> Result<bool, LocalError> {
    let (certificate, key) = cluster.paths.certificate(name);
    if let (Some(certificate), Some(key)) = (read(&certificate)?, read(&key)?)
        && stale(&certificate, &key, ca, names, now).is_none()
    {
        return Ok(false);
    }
    let issued = issue(ca, names, Validity::days_397(now))?;
    folder::write(&key, issued.key)?;
    folder::write(&certificate, issued.certificate)?;
    Ok(true)
}

/// The secret in this file; a new one if there is none.
fn secret(path: &Path) -> Result<String, LocalError> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let secret = new_secret();
    folder::write(path, &secret)?;
    Ok(secret)
}

fn read(path: &Path) -> Result<Option<String>, LocalError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::file("reading", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::*;
    use crate::local::file;

    fn cluster(data: &Path, name: &str, listen: &str) -> Cluster {
        let head = "apiVersion: chatcluster.io/v1alpha1\nkind: ChatCluster\n";
        let (wanted, _) =
            file::read(&format!("{head}metadata: {{name: {name}}}\nspec: {{}}")).unwrap();
        let listen = listen.parse().unwrap();
        Cluster::resolve(wanted, listen, PathBuf::from(data), 8443, |_| Ok(1)).unwrap()
    }

    #[test]
    fn certificates_are_kept_until_their_names_change_or_their_end_comes_near() {
        let data = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let main = cluster(data.path(), "main", "127.0.0.1");
        assert_eq!(ensure(&main, now).unwrap(), ["messages", "gateway-0", "gateway-1", "server"]);
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let keep = [read(main.paths.ca()), read(main.paths.key("user-token"))];
        assert_eq!(ensure(&main, now).unwrap(), Vec::<String>::new());

        let named = cluster(data.path(), "main", "0.0.0.0,chat.local");
        assert_eq!(ensure(&named, now).unwrap(), ["server"]);
        let other = cluster(data.path(), "other", "0.0.0.0,chat.local");
        assert_eq!(ensure(&other, now).unwrap(), ["messages", "gateway-0", "gateway-1"]);
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(ensure(&other, now + year).unwrap().len(), 4);
        assert_eq!([read(main.paths.ca()), read(main.paths.key("user-token"))], keep);
        assert!(keep[1].len() >= 32);
    }

    #[test]
    fn a_pair_that_was_torn_by_a_crash_is_issued_anew() {
        let data = tempfile::tempdir().unwrap();
        let main = cluster(data.path(), "main", "127.0.0.1");
        ensure(&main, SystemTime::now()).unwrap();
        let (one, other) =
            (main.paths.certificate("gateway-0").1, main.paths.certificate("gateway-1").1);
        fs::copy(one, other).unwrap();
        assert_eq!(ensure(&main, SystemTime::now()).unwrap(), ["gateway-1"]);
    }

    #[test]
    fn a_ca_without_its_key_is_not_replaced_silently() {
        let data = tempfile::tempdir().unwrap();
        let main = cluster(data.path(), "main", "127.0.0.1");
        ensure(&main, SystemTime::now()).unwrap();
        fs::remove_file(main.paths.key("ca")).unwrap();
        assert!(ensure(&main, SystemTime::now()).unwrap_err().to_string().contains("ca.key"));
    }
}
