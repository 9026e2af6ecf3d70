//! Whose tokens are not accepted any more.

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use super::{Quorum, RepositoryError, Revocation, RevocationPage, devices::only, walk::Walk};
use crate::{
    apply::{Batch, Part},
    key::{self, Key, Table},
    record::{self, Revoked},
    replica::Replica,
    view::Scan,
};

/// Whoever reads the feed to its end begins that much earlier the next time: clocks differ. A revocation stands
/// where the clock of the replica said that it was written, so with several replicas it may be there twice.
const OVERLAP: Millis = 15_000;

/// Entries of the feed that are removed in one transaction.
const PAGE: usize = 1000;

pub(super) async fn revoke<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    device: Option<DeviceId>,
    before: Millis,
) -> Result<(), RepositoryError> {
    write(quorum, Part::Revoke { user, device, before }).await
}

/// Since when tokens of these devices are accepted; `None` where nothing was revoked.
pub(super) async fn of<R: Replica>(
    quorum: &Quorum<R>,
    devices: &[(UserId, DeviceId)],
) -> Result<Vec<Option<Millis>>, RepositoryError> {
    let keys = devices.iter().flat_map(|(user, device)| {
        [key::revocation(user, None), key::revocation(user, Some(device))]
    });
    let read = quorum.get::<Revoked>(keys.collect::<Vec<_>>()).await?;
    let latest = |both: &[Option<Revoked>]| both.iter().flatten().map(|one| one.before).max();
    Ok(read.chunks(2).map(latest).collect())
}

pub(super) async fn feed<R: Replica>(
    quorum: &Quorum<R>,
    from: Key,
    limit: usize,
    now: Millis,
) -> Result<RevocationPage, RepositoryError> {
    let mut scan = Scan::prefix(vec![Table::RevocationFeed as u8], limit);
    scan.from = scan.from.max(from);
    let page = quorum.read(vec![scan]).await?.into_iter().next().unwrap_or_default();
    let mut revocations = Vec::with_capacity(page.rows.len());
    for (key, value) in &page.rows {
        let revoked = record::decode::<Revoked>(key, value)?;
        if let (Some(Revoked { before }), Some((user, device))) = (revoked, key::revoked_of(key)) {
            revocations.push(Revocation { user, device, before });
        }
    }
    let (next, more) = match page.ended_at {
        Some(end) => (key::behind(&end), true),
        None if planted(Bug::LateRevocationSkipped) => (key::revocations_since(now), false),
        None => (key::revocations_since(now.saturating_sub(OVERLAP)), false),
    };
    Ok(RevocationPage { revocations, next, more })
}

pub(super) async fn forget<R: Replica>(
    quorum: &Quorum<R>,
    before: Millis,
) -> Result<usize, RepositoryError> {
    let mut scan = Scan::prefix(vec![Table::RevocationFeed as u8], PAGE);
    scan.to = key::revocations_since(before);
    let (mut walk, mut forgotten) = (Walk::new(scan), 0);
    while let Some(page) = walk.next(quorum).await? {
        let keys: Vec<_> = page.rows.into_iter().map(|(key, _)| key).collect();
        forgotten += keys.len();
        if !keys.is_empty() {
            write(quorum, Part::Forget(keys)).await?;
        }
    }
    Ok(forgotten)
}

async fn write<R: Replica>(quorum: &Quorum<R>, part: Part) -> Result<(), RepositoryError> {
    let replies = quorum.write(vec![Batch::of(part)]).await?;
    replies.into_iter().flatten().try_for_each(|reply| only(reply).map(drop))
}
