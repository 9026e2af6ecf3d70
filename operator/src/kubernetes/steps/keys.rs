//! Keys and certificates: looks at the Secrets where that is due.

use std::time::SystemTime;

use chatcluster_crds::{ChatCluster, TlsType};
use kube::{Resource, ResourceExt};

use crate::kubernetes::{
    cluster::Cluster,
    context::Context,
    error::ReconcileError,
    events::Happening,
    facts::Facts,
    keys::{JwtKey, ServerCertificate, WantedKeys},
    memory::KnownKeys,
    status::Blocker,
    tell,
};

/// The annotation that asks for a new CA: each new value asks once.
const ROTATE_CA: &str = "chatcluster.io/rotate-ca";

/// What everybody is to trust, in PEM.
pub(crate) async fn keys(
    object: &ChatCluster,
    cluster: &Cluster,
    context: &Context,
    facts: &mut Facts,
) -> Result<String, ReconcileError> {
    let wanted = wanted(object, cluster, context);
    let uid = &cluster.owner.uid;
    let known = context.memories().get(uid).and_then(|memory| memory.keys(&wanted).cloned());
    let known = match known {
        Some(known) => known,
        None => {
            let keys = context.keeper.ensure(&wanted, SystemTime::now()).await?;
            let reference = object.object_ref(&());
            for event in &keys.events {
                tell::event(context, &reference, Happening::Keys(event.clone())).await;
            }
            let known = KnownKeys::new(&wanted, &keys);
            context.memories().entry(uid.clone()).or_default().set_keys(known.clone());
            known
        }
    };
    let blocker = |message| Blocker { reason: "SecretWrong", message };
    facts.blockers.extend(known.problems.into_iter().map(blocker));
    Ok(known.trust_bundle)
}

fn wanted(object: &ChatCluster, cluster: &Cluster, context: &Context) -> WantedKeys {
    let (names, tls) = (&cluster.names, &cluster.spec.gateways.tls);
    WantedKeys {
        name: names.name.clone(),
        namespace: names.namespace.clone(),
        owner: cluster.owner.clone(),
        cluster_domain: names.domain.clone(),
        server: match (tls.type_, &tls.secret_ref) {
            (TlsType::SecretRef, Some(secret)) => {
                ServerCertificate::UserSecret { name: secret.name.clone() }
            }
            (TlsType::Terminated, _) => ServerCertificate::None,
            _ => ServerCertificate::SelfSigned { hosts: tls.hosts.clone() },
        },
        jwt: match &cluster.spec.auth.jwt.secret_ref {
            None => JwtKey::Generated,
            Some(own) => JwtKey::UserSecret { name: own.name.clone(), key: own.key.clone() },
        },
        rotate: object.annotations().get(ROTATE_CA).cloned(),
        pause: *context.settings.rotation_pause,
    }
}
