//! How long a run may wait for GitHub.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::Refusal;

/// The end of all waiting for GitHub in a run. What we do meanwhile puts it off.
pub(super) struct Deadline {
    length: Duration,
    until: Mutex<Instant>,
}

impl Deadline {
    /// One that begins now.
    pub(super) fn new(length: Duration) -> Self {
        Self { length, until: Mutex::new(Instant::now() + length) }
    }

    /// Begins again.
    pub(super) fn begin(&self) {
        *self.until() = Instant::now() + self.length;
    }

    /// How long it is: `github.deadline_seconds`.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// Whether a wait that begins now ends before it.
    pub(super) fn allows(&self, wait: Duration) -> bool {
        Instant::now() + wait <= *self.until()
    }

    /// `work`, unless the deadline comes first.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut work = std::pin::pin!(work);
        loop {
            let until = *self.until();
            match tokio::time::timeout_at(until, work.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if *self.until() > until => {}
                Err(_) => {
                    return Err(Refusal::Unreachable(format!(
                        "GitHub took longer than github.deadline_seconds = {}: raise it, or sync again later",
                        self.length.as_secs()
                    )));
                }
            }
        }
    }

    /// `work` of ours, as what is fetched waits to be embedded: puts the deadline off by as long as it
    /// takes.
    pub(super) async fn put_off<T>(&self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        *self.until() += started.elapsed();
        done
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_put_off_by_work_of_ours() {
        let short = Duration::from_millis(20);
        let deadline = Deadline::new(short);
        assert!(deadline.in_time(std::future::pending::<()>()).await.is_err());
        let before = *deadline.until();
        deadline.put_off(tokio::time::sleep(short)).await;
        assert!(*deadline.until() >= before + short);
        // Also for a request under way.
        deadline.begin();
        let an_hour = async { *deadline.until() += Duration::from_secs(3600) };
        let (done, ()) = tokio::join!(deadline.in_time(tokio::time::sleep(3 * short)), an_hour);
        assert!(done.is_ok());
    }
}
