//! Waiting for what a test expects, under a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Time between two looks: short beside anything a test waits for, long enough to leave the CPU to
/// the servers that are waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something, and returns it. Panics with `what` at the
/// deadline, also when a look itself hangs.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    while let Ok(found) = timeout_at(end, look()).await {
        if let Some(found) = found {
            return found;
        }
        if Instant::now() >= end {
            break;
        }
        sleep(PAUSE).await;
    }
    panic!("waited {deadline:?} in vain until {what}");
}

/// Waits until `condition` holds. Panics with `what` at the deadline.
pub async fn wait_until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    wait_for(what, deadline, async || condition().await.then_some(())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_found_late_is_returned() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(1), async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain until pigs fly")]
    async fn a_look_that_hangs_ends_at_the_deadline() {
        wait_until("pigs fly", Duration::from_millis(50), async || std::future::pending().await)
            .await;
    }
}
