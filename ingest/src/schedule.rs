//! When a source is due. Pure: the caller brings the clock. All times are UTC.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lectern_index::config::Schedule;

/// The longest wait before a failed run is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// Whether a run was due between the last one and `now`: after downtime it is caught up, once,
/// however many were missed. A source that never ran is due.
pub fn missed(schedule: &Schedule, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| schedule.next(last).is_some_and(|due| due <= now))
}

/// Whether the last success is older than two periods: two runs were due since, and failed or
/// never began. `slack` is what a run may take.
pub fn stale(schedule: &Schedule, success: DateTime<Utc>, now: DateTime<Utc>, slack: Duration) -> bool {
    let second = schedule.next(success).and_then(|first| schedule.next(first));
    second.is_some_and(|second| now > second + slack)
}

/// When the next run begins: on schedule, or earlier where a failed one is tried again at `retry`.
pub fn next_run(
    schedule: &Schedule,
    retry: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    schedule.next(now).into_iter().chain(retry.filter(|at| *at >= now)).min()
}

/// The wait after the `failures`-th failure in a row.
pub fn retry_after(first: Duration, failures: u32) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_RETRY.max(first))
}

/// A wait between nothing and `most`, so that many who wait do not come back together. UUIDs are
/// random enough to spread requests.
pub fn jitter(most: Duration) -> Duration {
    let random = uuid::Uuid::now_v7().as_u128() as u32;
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a good time")
    }

    #[test]
    fn what_was_missed_is_caught_up() {
        let daily: Schedule = "0 0 3 * * *".parse().expect("a good schedule");
        let now = at("2026-06-10T02:59:59Z");
        assert!(missed(&daily, None, now));
        assert!(!missed(&daily, Some(at("2026-06-09T03:00:05Z")), now));
        assert!(missed(&daily, Some(at("2026-06-09T02:59:00Z")), now));
    }

    #[test]
    fn two_missed_periods_are_stale() {
        let minutely: Schedule = "0 * * * * *".parse().expect("a good schedule");
        let success = at("2026-06-10T00:00:01Z");
        let slack = Duration::from_secs(5);
        assert!(!stale(&minutely, success, at("2026-06-10T00:02:05Z"), slack));
        assert!(stale(&minutely, success, at("2026-06-10T00:02:06Z"), slack));
    }

    #[test]
    fn a_retry_comes_before_the_schedule() {
        let daily: Schedule = "0 0 3 * * *".parse().expect("a good schedule");
        let (now, due) = (at("2026-06-10T01:00:00Z"), Some(at("2026-06-10T03:00:00Z")));
        let retry = Some(at("2026-06-10T01:01:00Z"));
        assert_eq!(next_run(&daily, retry, now), retry);
        assert_eq!(next_run(&daily, None, now), due);
        assert_eq!(next_run(&daily, Some(at("2026-06-10T00:59:00Z")), now), due, "it is over");
        assert_eq!(next_run(&daily, Some(at("2026-06-10T04:00:00Z")), now), due);
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let first = Duration::from_secs(60);
        let waits: Vec<u64> = (1..=8).map(|failures| retry_after(first, failures).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(retry_after(first, u32::MAX), LONGEST_RETRY);
    }
}
