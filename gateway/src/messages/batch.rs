//! Collects what many sessions ask for into few calls: all that is ready leaves together, several
//! calls may be under way, and nothing waits for company.

use std::{future::Future, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};

/// How a batcher works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Jobs that may wait. When full, the next one fails at once, and its client tries again later.
    pub(super) queue: usize,
    /// Items in one call, unless a single job has more.
    pub(super) items: usize,
    /// Bytes of all items in one call, unless a single job has more.
    pub(super) bytes: usize,
    /// Calls under way at the same time.
    pub(super) calls: usize,
}

/// Takes jobs of one kind.
#[derive(Debug)]
pub(super) struct Batcher<I, O>(mpsc::Sender<Job<I, O>>);

struct Job<I, O> {
    items: Vec<I>,
    bytes: usize,
    done: oneshot::Sender<Vec<O>>,
}

/// The job was not taken up, or its call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// Too many wait.
    Full,
    /// The call failed.
    Call,
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Starts a batcher. `call` answers with one result for each item, or fails.
    pub(super) fn start<F, R>(limits: Limits, call: F) -> Self
    where
        F: Fn(Vec<I>) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Vec<O>>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(limits.queue);
        tokio::spawn(run(receiver, limits, Arc::new(call)));
        Self(sender)
    }

    /// Has these done, and returns their results in order. `bytes` is their size on the wire.
    pub(super) async fn submit(&self, items: Vec<I>, bytes: usize) -> Result<Vec<O>, Failed> {
        let (done, answer) = oneshot::channel();
        self.0.try_send(Job { items, bytes, done }).map_err(|_| Failed::Full)?;
        answer.await.map_err(|_| Failed::Call)
    }
}

async fn run<I, O, F, R>(mut jobs: mpsc::Receiver<Job<I, O>>, limits: Limits, call: Arc<F>)
where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(Vec<I>) -> R + Send + Sync + 'static,
    R: Future<Output = Option<Vec<O>>> + Send + 'static,
{
    let calls = Arc::new(Semaphore::new(limits.calls));
    let mut held = None;
    // The permit comes first: while all calls are under way, the next batch grows.
    while let Ok(permit) = calls.clone().acquire_owned().await {
        let Some(batch) = collect(&mut jobs, &mut held, limits).await else { return };
        let call = call.clone();
        tokio::spawn(async move {
            let (items, waiting): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|job| (job.items, job.done)).unzip();
            let sizes: Vec<usize> = items.iter().map(Vec::len).collect();
            let results = call(items.into_iter().flatten().collect()).await;
            drop(permit);
            // Without results the senders are dropped, which tells those who wait.
            let Some(mut results) = results else { return };
            for (size, done) in sizes.into_iter().zip(waiting) {
                let rest = results.split_off(size.min(results.len()));
                // Nobody waits any more where the deadline has passed.
                let _ = done.send(std::mem::replace(&mut results, rest));
            }
        });
    }
}

/// At least one job, and all others that are ready and fit. The first that does not fit is held for
/// the next batch.
async fn collect<I, O>(
    jobs: &mut mpsc::Receiver<Job<I, O>>,
    held: &mut Option<Job<I, O>>,
    most: Limits,
) -> Option<Vec<Job<I, O>>> {
    let first = match held.take() {
        Some(job) => job,
        None => jobs.recv().await?,
    };
    let (mut items, mut bytes) = (first.items.len(), first.bytes);
    let mut batch = vec![first];
    while let Ok(job) = jobs.try_recv() {
        items += job.items.len();
        bytes += job.bytes;
        if items > most.items || bytes > most.bytes {
            *held = Some(job);
            break;
        }
        batch.push(job);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Notify;

    use super::*;

    type Batches = Mutex<Vec<Vec<u32>>>;

    const LIMITS: Limits = Limits { queue: 8, items: 4, bytes: 100, calls: 1 };

    /// A batcher that squares, holds each call until told, and remembers the batches.
    fn squares() -> (Arc<Batcher<u32, u32>>, Arc<Notify>, Arc<Batches>) {
        let (go, seen) = (Arc::new(Notify::new()), Arc::new(Batches::default()));
        let (go2, seen2) = (go.clone(), seen.clone());
        let batcher = Batcher::start(LIMITS, move |items: Vec<u32>| {
            let (go, seen) = (go2.clone(), seen2.clone());
            async move {
                seen.lock().unwrap().push(items.clone());
                go.notified().await;
                if items.contains(&13) { None } else { Some(items.iter().map(|i| i * i).collect()) }
            }
        });
        (Arc::new(batcher), go, seen)
    }

    fn submit(
        batcher: &Arc<Batcher<u32, u32>>,
        items: &[u32],
    ) -> tokio::task::JoinHandle<Result<Vec<u32>, Failed>> {
        let (batcher, items) = (batcher.clone(), items.to_vec());
        tokio::spawn(async move { batcher.submit(items, 1).await })
    }

    #[tokio::test]
    async fn what_comes_during_a_call_leaves_together_and_each_gets_its_own() {
        let (batcher, go, seen) = squares();
        let first = submit(&batcher, &[1]);
        while seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let later = [submit(&batcher, &[2, 3]), submit(&batcher, &[4]), submit(&batcher, &[5, 6])];
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            go.notify_one();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(first.await.unwrap(), Ok(vec![1]));
        let mut results = Vec::new();
        for job in later {
            results.push(job.await.unwrap().unwrap());
        }
        assert_eq!(results, [vec![4, 9], vec![16], vec![25, 36]]);
        assert_eq!(*seen.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![5, 6]]);
    }

    #[tokio::test]
    async fn a_failed_call_and_a_full_queue_are_told() {
        let (batcher, go, seen) = squares();
        let unlucky = submit(&batcher, &[13]);
        while seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..8).map(|i| submit(&batcher, &[i])).collect();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(batcher.submit(vec![9], 1).await, Err(Failed::Full));
        go.notify_one();
        assert_eq!(unlucky.await.unwrap(), Err(Failed::Call));
        for job in waiting {
            go.notify_one();
            job.await.unwrap().unwrap();
        }
    }
}
