//! Runs the futures of the message service, without threads and without a clock: a task goes on when what
//! it waits for has come, in the order in which that came.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use crate::queue::Happening;

/// A future that ends with what happens then.
pub(crate) type Work = Pin<Box<dyn Future<Output = Happening>>>;

/// The tasks of all pods.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: BTreeMap<u64, Task>,
    ready: Arc<Mutex<VecDeque<u64>>>,
    next: u64,
}

struct Task {
    pod: usize,
    work: Work,
    waker: Waker,
}

struct TaskWaker {
    task: u64,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        locked(&self.ready).push_back(self.task);
    }
}

/// Nobody else is there to poison it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// Starts a task of a pod.
    pub(crate) fn spawn(&mut self, pod: usize, work: Work) {
        self.next += 1;
        let waker = TaskWaker { task: self.next, ready: self.ready.clone() };
        self.tasks.insert(self.next, Task { pod, work, waker: Arc::new(waker).into() });
        locked(&self.ready).push_back(self.next);
    }

    /// A pod has died, and its tasks with it.
    pub(crate) fn kill(&mut self, pod: usize) {
        self.tasks.retain(|_, task| task.pod != pod);
    }

    /// Goes on with the next task that can; what happens if it ended.
    pub(crate) fn step(&mut self) -> Option<Option<Happening>> {
        let number = locked(&self.ready).pop_front()?;
        let Some(task) = self.tasks.get_mut(&number) else { return Some(None) };
        match task.work.as_mut().poll(&mut Context::from_waker(&task.waker)) {
            Poll::Ready(happening) => {
                self.tasks.remove(&number);
                Some(Some(happening))
            }
            Poll::Pending => Some(None),
        }
    }
}

/// A place where an answer will be, and who waits for it.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }

    /// Puts the answer there. A second one changes nothing.
    pub(crate) fn fill(&self, answer: T) {
        let mut slot = locked(&self.0);
        if slot.0.is_none() {
            slot.0 = Some(answer);
            if let Some(waker) = slot.1.take() {
                waker.wake();
            }
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut slot = locked(&self.0);
        match slot.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
