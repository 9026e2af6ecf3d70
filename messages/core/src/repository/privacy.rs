//! Who may see when a user is online.

use chatcluster_protocol::{
    client::PresenceTo,
    id::{ConversationId, HybridClock, Identity, MessageId, Stamp, UserId},
};

use super::{Quorum, RepositoryError, devices::only};
use crate::{
    apply::{Batch, Part},
    key,
    record::{Delivered, Privacy},
    replica::Replica,
};

/// What users let others see, in the order asked.
pub(super) async fn settings<R: Replica>(
    quorum: &Quorum<R>,
    users: &[UserId],
) -> Result<Vec<PresenceTo>, RepositoryError> {
    let stored = stored(quorum, users).await?;
    let settings = stored.into_iter().map(|one| one.map(Privacy::presence_to).unwrap_or_default());
    Ok(settings.collect())
}

/// Sets it after all that a majority knows of, also where the clock of the gateway that stored that is ahead.
/// Says what is set then: somebody else may have set something at the same time.
pub(super) async fn set<R: Replica>(
    quorum: &Quorum<R>,
    user: UserId,
    presence_to: PresenceTo,
    stamp: Stamp,
) -> Result<PresenceTo, RepositoryError> {
    let last = first(stored(quorum, std::slice::from_ref(&user)).await?);
    let stamp = match last.flatten().map(|privacy| privacy.at()) {
        Some(last) if last.stamp() >= stamp => {
            let mut clock = HybridClock::default();
            clock.observe(last);
            clock.next(0)
        }
        _ => stamp,
    };
    let privacy = Privacy::new(MessageId::new(stamp, Identity::default()), presence_to);
    let part = Part::SetPrivacy { user: user.clone(), privacy };
    let replies = quorum.write(vec![Batch::of(part)]).await?;
    replies.into_iter().flatten().try_for_each(|reply| only(reply).map(drop))?;
    Ok(first(settings(quorum, &[user]).await?).unwrap_or_default())
}

fn first<T>(of_one: Vec<T>) -> Option<T> {
    of_one.into_iter().next()
}

async fn stored<R: Replica>(
    quorum: &Quorum<R>,
    users: &[UserId],
) -> Result<Vec<Option<Privacy>>, RepositoryError> {
    Ok(quorum.get(users.iter().map(key::privacy)).await?)
}

/// Whether each user, the first of a pair, has written to the other one, as told by what has arrived there. That
/// somebody was written to says nothing of them: any stranger can do that.
pub(super) async fn contacts<R: Replica>(
    quorum: &Quorum<R>,
    pairs: &[(UserId, UserId)],
) -> Result<Vec<bool>, RepositoryError> {
    let received = pairs.iter().map(|(user, to)| {
        let conversation = ConversationId::between(user, to);
        key::delivered(to, conversation, user)
    });
    let received: Vec<Option<Delivered>> = quorum.get(received).await?;
    Ok(received.iter().map(Option::is_some).collect())
}
