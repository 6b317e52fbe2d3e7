//! When a source is due. Pure: the caller brings the clock. All times are UTC.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// The longest wait before a failed run is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// A cron schedule with seconds: `second minute hour day month weekday`.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

/// A schedule that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "schedule {0:?} is not understood ({1}): it has six fields, second minute hour day month weekday, as in \"0 17 * * * *\" for every hour at 17 past"
)]
pub struct BadSchedule(String, String);

impl FromStr for Schedule {
    type Err = BadSchedule;

    fn from_str(text: &str) -> Result<Self, BadSchedule> {
        let parser = CronParser::builder().seconds(Seconds::Required).build();
        parser.parse(text).map(Self).map_err(|error| BadSchedule(text.into(), error.to_string()))
    }
}

impl Schedule {
    /// The first time after `at` when the source is due; `None` if it never is again.
    pub fn next(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_next_occurrence(&at, false).ok()
    }

    /// Whether a run was due between the last one and `now`: after downtime it is caught up, once,
    /// however many were missed. A source that never ran is due.
    pub fn missed(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        last.is_none_or(|last| self.next(last).is_some_and(|due| due <= now))
    }

    /// Whether the last success is older than two periods: two runs were due since, and failed or
    /// never began. `slack` is what a run may take.
    pub fn stale(&self, success: DateTime<Utc>, now: DateTime<Utc>, slack: Duration) -> bool {
        let second = self.next(success).and_then(|first| self.next(first));
        second.is_some_and(|second| now > second + slack)
    }
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
    fn due_times_are_utc_and_have_seconds() {
        let hourly: Schedule = "0 17 * * * *".parse().expect("a good schedule");
        assert_eq!(hourly.next(at("2026-03-29T00:17:00Z")), Some(at("2026-03-29T01:17:00Z")));
        assert!("17 * * * *".parse::<Schedule>().is_err(), "five fields have no seconds");
        assert!("never".parse::<Schedule>().is_err());
    }

    #[test]
    fn what_was_missed_is_caught_up() {
        let daily: Schedule = "0 0 3 * * *".parse().expect("a good schedule");
        let now = at("2026-06-10T02:59:59Z");
        assert!(daily.missed(None, now));
        assert!(!daily.missed(Some(at("2026-06-09T03:00:05Z")), now));
        assert!(daily.missed(Some(at("2026-06-09T02:59:00Z")), now));
    }

    #[test]
    fn two_missed_periods_are_stale() {
        let minutely: Schedule = "0 * * * * *".parse().expect("a good schedule");
        let success = at("2026-06-10T00:00:01Z");
        let slack = Duration::from_secs(5);
        assert!(!minutely.stale(success, at("2026-06-10T00:02:05Z"), slack));
        assert!(minutely.stale(success, at("2026-06-10T00:02:06Z"), slack));
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let first = Duration::from_secs(60);
        let waits: Vec<u64> = (1..=8).map(|failures| retry_after(first, failures).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(retry_after(first, u32::MAX), LONGEST_RETRY);
    }
}
