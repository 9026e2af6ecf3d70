//! Which devices a user has: that they are here, and the list of them.

use std::collections::BTreeMap;

use chatcluster_protocol::id::{DeviceId, UserId};

use super::{Quorum, Registered, RepositoryError, Seen, devices::only, removal, revocation};
use crate::{
    apply::{Batch, Effect, Part, Stop, Unit, UnitReply},
    key,
    record::{Registration, Registry},
    replica::Replica,
};

/// What became of a device that says that it is here.
enum Found {
    New,
    Known,
    Unknown,
}

pub(super) async fn register<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: DeviceId,
) -> Result<Registered, RepositoryError> {
    let devices = vec![(user, device)];
    let found = here(quorum, devices.clone(), true).await?;
    let created = found.iter().any(|found| matches!(found, Found::New));
    let revoked = revocation::of(quorum, &devices).await?;
    Ok(Registered { created, revoked_before: revoked.into_iter().flatten().next() })
}

pub(super) async fn seen<R: Replica>(
    quorum: &Quorum<R>,
    devices: Vec<(UserId, DeviceId)>,
) -> Result<Vec<Seen>, RepositoryError> {
    let found = here(quorum, devices.clone(), false).await?;
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

/// Registers devices.
async fn here<R: Replica>(
    quorum: &Quorum<R>,
    devices: Vec<(UserId, DeviceId)>,
    create: bool,
) -> Result<Vec<Found>, RepositoryError> {
    let users: Vec<UserId> = devices.iter().map(|(user, _)| user.clone()).collect();
    let known = known(quorum, &users).await?;
    for ((user, device), known) in devices.iter().zip(&known) {
        let new = known.as_ref().is_some_and(|known| !known.devices.contains_key(device));
        if create && new {
            removal::finish(quorum, user, device).await?;
        }
    }
    let mut found = Vec::with_capacity(devices.len());
    for (device, reply) in devices.iter().zip(write(quorum, &devices, &known, create).await?) {
        found.push(match reply.stop {
            Some(Stop::UnknownDevice) => Found::Unknown,
            Some(Stop::Departing) => {
                removal::finish(quorum, &device.0, &device.1).await?;
                let again = write(quorum, std::slice::from_ref(device), &[None], create).await?;
                settled(again.into_iter().next())?
            }
            _ => settled(Some(reply))?,
        });
    }
    Ok(found)
}

async fn write<R: Replica>(
    quorum: &Quorum<R>,
    devices: &[(UserId, DeviceId)],
    known: &[Option<Registry>],
    create: bool,
) -> Result<Vec<UnitReply>, RepositoryError> {
    let batch = |((user, device), known): (&(UserId, DeviceId), &Option<Registry>)| {
        let (user, device, known) = (user.clone(), device.clone(), known.clone());
        Batch(vec![Unit(vec![Part::Register { user, device, known, create }])])
    };
    let replies = quorum.write(devices.iter().zip(known).map(batch).collect()).await?;
    Ok(replies.into_iter().flatten().collect())
}

fn settled(reply: Option<UnitReply>) -> Result<Found, RepositoryError> {
    let none = || RepositoryError::Unavailable("a replica gave no answer to a registration".into());
    match only(reply.ok_or_else(none)?)? {
        Effect::Registered { created: true } => Ok(Found::New),
        _ => Ok(Found::Known),
    }
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
    let learn = |(user, known): (&UserId, Registry)| {
        Batch(vec![Unit(vec![Part::Learn { user: user.clone(), known }])])
    };
    let batches: Vec<_> = users.iter().zip(known).map(learn).collect();
    if !batches.is_empty() {
        quorum.write(batches).await?;
    }
    Ok(())
}
