//! Which devices a user has: that they are here, and the list of them.

use std::collections::BTreeMap;

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use super::{Quorum, Registered, RepositoryError, Seen, devices::only, removal, revocation};
use crate::{
    apply::{Batch, Effect, Part, Stop, UnitReply},
    key,
    record::{Registration, Registry},
    replica::Replica,
};

/// What became of a device that says that it is here.
enum Found {
    New,
    Known,
    Unknown,
    Revoked(Millis),
}

pub(super) async fn register<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: DeviceId,
    issued: Millis,
) -> Result<Registered, RepositoryError> {
    let one = (user, device);
    for _ in 0..2 {
        let known = known(quorum, std::slice::from_ref(&one.0)).await?;
        let is_new = |known: &Registry| !known.devices.contains_key(&one.1);
        let is_new = known.iter().flatten().any(is_new);
        if is_new {
            // The replica that makes it known may be the one that has missed what is revoked.
            let before = revoked(quorum, &one).await?;
            if before.is_some_and(|before| issued < before) && !planted(Bug::RevokedMadeKnown) {
                return Ok(Registered { created: false, revoked_before: before });
            }
            removal::finish(quorum, &one.0, &one.1).await?;
        }
        // Where a majority knows it, nobody has looked for that: a replica that knows that it has left since
        // must not make it new, with all that waits for it.
        let issued_of_new = (is_new || quorum.is_one()).then_some(issued);
        if let Some(found) = here(quorum, &one, known, issued_of_new).await? {
            let refused = if let Found::Revoked(before) = found { Some(before) } else { None };
            // One replica says it itself. Of several, one may have heard of this very call from another before.
            let created = if quorum.is_one() { matches!(found, Found::New) } else { is_new };
            let created = created && refused.is_none();
            let revoked_before = revoked(quorum, &one).await?.max(refused);
            return Ok(Registered { created, revoked_before });
        }
        removal::finish(quorum, &one.0, &one.1).await?;
    }
    Err(RepositoryError::Unavailable("a device leaves again and again".into()))
}

pub(super) async fn seen<R: Replica>(
    quorum: &Quorum<R>,
    devices: Vec<(UserId, DeviceId)>,
) -> Result<Vec<Seen>, RepositoryError> {
    let users: Vec<UserId> = devices.iter().map(|(user, _)| user.clone()).collect();
    let known = known(quorum, &users).await?;
    let replies = write(quorum, &devices, &known, None).await?;
    let found: Vec<_> = replies.into_iter().map(settled).collect::<Result<_, _>>()?;
    let seen = found.iter().zip(revocation::of(quorum, &devices).await?);
    let seen = seen.map(|(found, revoked_before)| Seen {
        known: !matches!(found, Found::Unknown),
        revoked_before,
    });
    Ok(seen.collect())
}

pub(super) async fn devices<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
) -> Result<Option<BTreeMap<DeviceId, Registration>>, RepositoryError> {
    let read = quorum.get::<Registry>([key::registry(&user)]).await?;
    Ok(read.into_iter().next().flatten().map(|registry| registry.devices))
}

/// Registers a device; `None` where something is left of one of its name, or it has left meanwhile. Without a
/// token's time it makes nothing known.
async fn here<R: Replica>(
    quorum: &Quorum<R>,
    device: &(UserId, DeviceId),
    known: Vec<Option<Registry>>,
    issued: Option<Millis>,
) -> Result<Option<Found>, RepositoryError> {
    let replies = write(quorum, std::slice::from_ref(device), &known, issued).await?;
    let none = || RepositoryError::Unavailable("a replica gave no answer to a registration".into());
    let reply = replies.into_iter().next().ok_or_else(none)?;
    if matches!(reply.stop, Some(Stop::Departing | Stop::UnknownDevice)) {
        return Ok(None);
    }
    settled(reply).map(Some)
}

async fn write<R: Replica>(
    quorum: &Quorum<R>,
    devices: &[(UserId, DeviceId)],
    known: &[Option<Registry>],
    issued: Option<Millis>,
) -> Result<Vec<UnitReply>, RepositoryError> {
    let batch = |((user, device), known): (&(UserId, DeviceId), &Option<Registry>)| {
        let (user, device, known) = (user.clone(), device.clone(), known.clone());
        Batch::of(Part::Register { user, device, known, issued })
    };
    let replies = quorum.write(devices.iter().zip(known).map(batch).collect()).await?;
    Ok(replies.into_iter().flatten().collect())
}

fn settled(reply: UnitReply) -> Result<Found, RepositoryError> {
    match reply.stop {
        Some(Stop::UnknownDevice) => return Ok(Found::Unknown),
        Some(Stop::Revoked(before)) => return Ok(Found::Revoked(before)),
        _ => {}
    }
    match only(reply)? {
        Effect::Registered { created: true } => Ok(Found::New),
        _ => Ok(Found::Known),
    }
}

/// Since when tokens of a device are accepted.
async fn revoked<R: Replica>(
    quorum: &Quorum<R>,
    device: &(UserId, DeviceId),
) -> Result<Option<Millis>, RepositoryError> {
    let of = revocation::of(quorum, std::slice::from_ref(device)).await?;
    Ok(of.into_iter().flatten().next())
}

/// What a majority knows of users' devices, for parts that change them.
pub(super) async fn known<R: Replica>(
    quorum: &Quorum<R>,
    users: &[UserId],
) -> Result<Vec<Option<Registry>>, RepositoryError> {
    if quorum.is_one() {
        return Ok(vec![None; users.len()]);
    }
    let read = quorum.get::<Registry>(users.iter().map(key::registry).collect::<Vec<_>>()).await?;
    Ok(read.into_iter().map(|registry| Some(registry.unwrap_or_default())).collect())
}

/// Tells every replica what a majority knows of these users' devices. One that has missed that a device came
/// or left refuses what is stored for the others.
pub(super) async fn tell<R: Replica>(
    quorum: &Quorum<R>,
    users: &[UserId],
) -> Result<(), RepositoryError> {
    let known = known(quorum, users).await?.into_iter().flatten();
    let learn =
        |(user, known): (&UserId, Registry)| Batch::of(Part::Learn { user: user.clone(), known });
    let batches: Vec<_> = users.iter().zip(known).map(learn).collect();
    if !batches.is_empty() {
        quorum.write(batches).await?;
    }
    Ok(())
}
