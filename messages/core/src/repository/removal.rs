//! How devices leave: removed by somebody, or unused for long. Each step is one bounded transaction; what a
//! crash leaves half done is found by its departure ([`crate::apply`]).

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use super::{Quorum, Repository, RepositoryError, devices::only, revocation, walk::Walk};
use crate::{
    apply::{Batch, Part, Stop},
    key::{self, Key, Table},
    merge::Page,
    record::{self, Corrupt, Delivered, Departure, Registry},
    replica::Replica,
    view::{Rows, Scan},
};

/// Keys in one transaction: a few milliseconds' work.
const PAGE: usize = 1000;

/// Users of which one page of registries is read.
const USERS: usize = 256;

/// What a majority knows of how a device left.
#[derive(Debug, Default)]
struct Gone {
    /// Its departures; none where nothing is left of it.
    left: Vec<Key>,
    /// How often it has come or gone by then ([`Registry::changes`]).
    changes: u64,
    /// When the last departure was.
    at: Millis,
}

/// Removes a device as a backend wants it, at a time of the service's clock: nobody comes back with a token
/// that the device has. `false` where it is not known.
pub async fn remove_and_revoke(
    repository: &impl Repository,
    user: UserId,
    device: DeviceId,
    now: Millis,
) -> Result<bool, RepositoryError> {
    let devices = repository.devices(user.clone()).await?;
    if devices.is_some_and(|devices| devices.contains_key(&device)) {
        // First, so that nobody brings the device back with a token that it has. Its session ends.
        repository.revoke(user.clone(), Some(device.clone()), now).await?;
    }
    repository.remove_device(user, device).await
}

/// Removes a device that somebody wants removed. A session that was opened just before would stay, and get
/// nothing: so what was issued before the device left is revoked, too. (A device that goes by itself is in use by
/// nobody, and its token may be good when it comes back.)
pub(super) async fn remove<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: DeviceId,
) -> Result<bool, RepositoryError> {
    let gone = leave(quorum, &user, &device, None).await?;
    let there = !gone.left.is_empty();
    revoke_and_clear(quorum, &user, &device, gone).await?;
    Ok(there)
}

/// Removes what is left of a device that has left, if anything is.
pub(super) async fn finish<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
) -> Result<(), RepositoryError> {
    let gone = half_done(quorum, user, device).await?;
    clear(quorum, user, device, &gone).await
}

/// A removal that nobody finishes, unless the device is in use after all, as a majority knows.
async fn half_done<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
) -> Result<Gone, RepositoryError> {
    let (registry, gone) = look(quorum, user, device).await?;
    if gone.left.is_empty() {
        return Ok(gone);
    }
    if registry.devices.contains_key(device) {
        erase(quorum, user, device, gone.left).await?;
        return Ok(Gone::default());
    }
    leave(quorum, user, device, None).await
}

/// Not each replica revokes when it hears of a removal: a late one would revoke the tokens of a device that is
/// back.
async fn revoke_and_clear<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
    gone: Gone,
) -> Result<(), RepositoryError> {
    if !gone.left.is_empty() {
        revocation::revoke(quorum, user.clone(), Some(device.clone()), gone.at).await?;
    }
    clear(quorum, user, device, &gone).await
}

/// Finishes what has been left half done since `before`, and says how much it was. Who wanted it is not known: of
/// a device that was going by itself the tokens are revoked, too.
pub(super) async fn finish_all<R: Replica>(
    quorum: &Quorum<R>,
    before: Millis,
) -> Result<usize, RepositoryError> {
    let mut walk = Walk::new(Scan::prefix(vec![Table::Departure as u8], PAGE));
    let mut finished = 0;
    while let Some(page) = walk.next(quorum).await? {
        for (key, value) in &page.rows {
            let departure = record::decode::<Departure>(key, value)?;
            let (Some(departure), Some((user, device))) = (departure, key::device_of(key)) else {
                continue;
            };
            if departure.at < before {
                let gone = half_done(quorum, &user, &device).await?;
                revoke_and_clear(quorum, &user, &device, gone).await?;
                finished += 1;
            }
        }
    }
    Ok(finished)
}

pub(super) async fn expire<R: Replica>(
    quorum: &Quorum<R>,
    unseen_since: Millis,
    after: Option<UserId>,
) -> Result<(usize, Option<UserId>), RepositoryError> {
    let mut scan = Scan::prefix(vec![Table::Registry as u8], USERS);
    if let Some(after) = after {
        scan.from = key::behind(&key::registry(&after));
    }
    let page = one(quorum.read(vec![scan]).await?);
    let mut removed = 0;
    for (key, value) in &page.rows {
        let registry = record::decode::<Registry>(key, value)?.unwrap_or_default();
        let Some(user) = key::user_of(key) else { continue };
        for (device, known) in registry.devices {
            if known.last_seen < unseen_since {
                let gone = leave(quorum, &user, &device, Some(unseen_since)).await?;
                clear(quorum, &user, &device, &gone).await?;
                removed += usize::from(!gone.left.is_empty());
            }
        }
    }
    Ok((removed, page.ended_at.as_deref().and_then(key::user_of)))
}

/// Takes a device out of the registry of a majority. Gives no departures where it is not known, or has been
/// seen.
async fn leave<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
    unseen_since: Option<Millis>,
) -> Result<Gone, RepositoryError> {
    let (registry, gone) = look(quorum, user, device).await?;
    let known = registry.devices.contains_key(device);
    if !known && (gone.left.is_empty() || quorum.is_one()) {
        return Ok(gone);
    }
    let changes = gone.changes + u64::from(known);
    // That it has left may be on one replica alone: then it is said to all.
    let known = (!quorum.is_one()).then_some(registry);
    let of = || (user.clone(), device.clone());
    let (of_user, name) = of();
    let part = Part::Unregister { user: of_user, device: name, known: known.clone(), unseen_since };
    if write(quorum, part).await?.is_none() {
        let (_, gone) = look(quorum, user, device).await?;
        return Ok(Gone { changes, ..gone });
    }
    if known.is_some() {
        // It was seen just now, and on too few replicas it has left.
        let (user, device) = of();
        let issued = Some(Millis::MAX);
        write(quorum, Part::Register { user, device, known, issued }).await?;
    }
    Ok(Gone::default())
}

/// What a majority knows of a user's devices, and of how one of them left.
async fn look<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
) -> Result<(Registry, Gone), RepositoryError> {
    let mut scan = Scan::prefix(key::departures(user, device), PAGE);
    let mut gone = Gone::default();
    loop {
        let scans = vec![Scan::one(key::registry(user)), scan.clone()];
        let [known, departures] = two(quorum.read(scans).await?);
        for (key, value) in departures.rows {
            let at = record::decode::<Departure>(&key, &value)?.map_or(0, |one| one.at);
            gone.at = gone.at.max(at);
            gone.left.push(key);
        }
        match departures.ended_at {
            Some(end) => scan.from = key::behind(&end),
            None => {
                let registry = registry(&known)?;
                gone.changes = registry.changes(device);
                return Ok((registry, gone));
            }
        }
    }
}

/// Removes all that is left of a device, and its departures in the end. What that is, only replicas are asked
/// that know that it has left: an entry that is on one of them may be on its way to one that does not.
async fn clear<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
    gone: &Gone,
) -> Result<(), RepositoryError> {
    if gone.left.is_empty() {
        return Ok(());
    }
    let tables = [key::inboxes(user, device), key::receipts(user, device), key::delivered_to(user)];
    for table in tables.into_iter().filter(|_| !planted(Bug::RemovalLeavesInbox)) {
        let mut scan = Scan::prefix(table, PAGE);
        loop {
            let scans = vec![Scan::one(key::registry(user)), scan.clone()];
            let heard = |rows: &[Rows]| has_heard(rows, device, gone);
            let [known, page] = two(quorum.read_of(scans, heard).await?);
            let mut keys = Vec::with_capacity(page.rows.len());
            for (key, value) in page.rows {
                if holds(&key, &value, device)? {
                    keys.push(key);
                }
            }
            // It has come back meanwhile: somebody else has cleared everything.
            let back = registry(&known)?.devices.contains_key(device);
            if back || !erase(quorum, user, device, keys).await? {
                return Ok(());
            }
            match page.ended_at {
                Some(end) => scan.from = key::behind(&end),
                None => break,
            }
        }
    }
    erase(quorum, user, device, gone.left.clone()).await.map(drop)
}

/// Whether a replica, whose registry of the user comes first, knows that the device has left, or more.
fn has_heard(rows: &[Rows], device: &DeviceId, gone: &Gone) -> Result<bool, Corrupt> {
    let registry = match rows.first().and_then(|rows| rows.rows.first()) {
        Some((key, value)) => record::decode::<Registry>(key, value)?.unwrap_or_default(),
        None => Registry::default(),
    };
    Ok(registry.changes(device) >= gone.changes)
}

/// Whether something of the device is in a record.
fn holds(key: &[u8], value: &[u8], device: &DeviceId) -> Result<bool, RepositoryError> {
    if Table::of(key) != Some(Table::Delivered) {
        return Ok(true);
    }
    let delivered = record::decode::<Delivered>(key, value)?.unwrap_or_default();
    Ok(delivered.acknowledged.contains_key(device))
}

/// Says whether the device is still not known.
async fn erase<R: Replica>(
    quorum: &Quorum<R>,
    user: &UserId,
    device: &DeviceId,
    keys: Vec<Key>,
) -> Result<bool, RepositoryError> {
    if keys.is_empty() {
        return Ok(true);
    }
    let part = Part::Clear { user: user.clone(), device: device.clone(), keys };
    Ok(write(quorum, part).await?.is_none())
}

/// Writes one part; gives the stop that is for the caller to judge.
async fn write<R: Replica>(
    quorum: &Quorum<R>,
    part: Part,
) -> Result<Option<Stop>, RepositoryError> {
    let replies = quorum.write(vec![Batch::of(part)]).await?;
    for reply in replies.into_iter().flatten() {
        match reply.stop {
            Some(stop @ Stop::InUse) => return Ok(Some(stop)),
            _ => drop(only(reply)?),
        }
    }
    Ok(None)
}

fn registry(page: &Page) -> Result<Registry, RepositoryError> {
    Ok(page.first()?.unwrap_or_default())
}

fn one(pages: Vec<Page>) -> Page {
    pages.into_iter().next().unwrap_or_default()
}

fn two(pages: Vec<Page>) -> [Page; 2] {
    let mut pages = pages.into_iter();
    [pages.next().unwrap_or_default(), pages.next().unwrap_or_default()]
}
