//! When the next request may go: how many are in flight, what the service grants, and whether the
//! run goes on at all.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use lectern_index::embed::Pace;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// How long a run may go on without any answer, where no setting says.
const DEADLINE: u64 = 600;

/// What all requests of a run pass through.
pub(super) struct Gate {
    requests: usize,
    permits: Semaphore,
    deadline: Duration,
    state: Mutex<State>,
    shut: CancellationToken,
    /// What ended the run.
    why: OnceLock<Failure>,
}

struct State {
    /// Nothing is sent before.
    opens: Instant,
    /// The last time that vectors came, or the beginning.
    answered: Instant,
    /// How many batches wait for vectors, and since when any does.
    waiting: usize,
    since: Instant,
    /// Whether any ever came.
    works: bool,
}

impl Gate {
    pub(super) fn new(requests: usize, deadline_seconds: Option<u64>) -> Self {
        let requests = requests.max(1);
        let now = Instant::now();
        Self {
            requests,
            permits: Semaphore::new(requests),
            deadline: Duration::from_secs(deadline_seconds.unwrap_or(DEADLINE)),
            state: Mutex::new(State { opens: now, answered: now, waiting: 0, since: now, works: false }),
            shut: CancellationToken::new(),
            why: OnceLock::new(),
        }
    }

    /// Requests that may be in flight.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Waits until a request may be sent; it is in flight until the permit is dropped. Fails once
    /// something has ended the run.
    pub(super) async fn pass(&self) -> Result<Option<SemaphorePermit<'_>>, Failure> {
        let Some(permit) = self.until_shut(self.permits.acquire()).await?.ok() else { return Ok(None) };
        loop {
            let Ok(opens) = self.state.lock().map(|state| state.opens) else { return Ok(Some(permit)) };
            if opens <= Instant::now() {
                return Ok(Some(permit));
            }
            self.pause(opens - Instant::now()).await?;
        }
    }

    /// Waits, unless something ends the run.
    pub(super) async fn pause(&self, wait: Duration) -> Result<(), Failure> {
        self.until_shut(tokio::time::sleep(wait)).await
    }

    async fn until_shut<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.shut.cancelled() => Err(self.why.get().map_or_else(|| super::unreachable("the run has ended"), Failure::clone)),
            done = what => Ok(done),
        }
    }

    /// Lets nothing pass any more.
    pub(super) fn shut(&self, why: &Failure) {
        let _ = self.why.set(why.clone());
        self.shut.cancel();
    }

    /// Notes that vectors came, and what the service says about the next request of `tokens`.
    pub(super) fn answered(&self, pace: Pace, tokens: u64) {
        let wait = |left: Option<lectern_index::embed::Left>, needed| {
            left.map_or(Duration::ZERO, |left| left.wait(needed))
        };
        let wait = wait(pace.requests, 1).max(wait(pace.tokens, tokens));
        if let Ok(mut state) = self.state.lock() {
            state.answered = Instant::now();
            state.works = true;
        }
        self.close(wait);
    }

    /// Lets nothing pass for `wait`, or longer where that was said before.
    pub(super) fn close(&self, wait: Duration) {
        if let Ok(mut state) = self.state.lock() {
            state.opens = state.opens.max(Instant::now() + wait.min(self.deadline));
        }
    }

    /// Whether vectors came since `since`.
    pub(super) fn answered_since(&self, since: Instant) -> bool {
        self.state.lock().is_ok_and(|state| state.works && state.answered > since)
    }

    /// Whether vectors came in this run.
    pub(super) fn works(&self) -> bool {
        self.state.lock().is_ok_and(|state| state.works)
    }

    /// Begins a batch, which waits for vectors until what this gives is dropped.
    pub(super) fn wait_for_vectors(&self) -> Waiting<'_> {
        if let Ok(mut state) = self.state.lock() {
            if state.waiting == 0 {
                state.since = Instant::now();
            }
            state.waiting += 1;
        }
        Waiting(self)
    }

    /// How long nothing came though something was asked for, where that is longer than a run may go on.
    pub(super) fn given_up(&self) -> Option<Duration> {
        let state = self.state.lock().ok()?;
        let silent = state.answered.max(state.since).elapsed();
        (silent >= self.deadline).then_some(silent)
    }
}

/// A batch that waits for vectors.
pub(super) struct Waiting<'a>(&'a Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state.lock() {
            state.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_that_of_a_service_that_was_asked() {
        let gate = Gate::new(1, Some(600));
        let an_hour_passes = || {
            let mut state = gate.state.lock().expect("a lock");
            let hour = Duration::from_secs(3600);
            state.answered -= hour;
            state.since -= hour;
        };
        an_hour_passes();
        let first = gate.wait_for_vectors();
        assert_eq!(gate.given_up(), None, "nothing was asked before");
        an_hour_passes();
        let second = gate.wait_for_vectors();
        assert!(gate.given_up().is_some(), "another batch is no answer");
        drop((first, second));
        let _third = gate.wait_for_vectors();
        assert_eq!(gate.given_up(), None);
    }
}
