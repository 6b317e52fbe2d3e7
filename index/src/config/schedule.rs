//! When a source is due: a setting, parsed when the configuration is read.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// A cron schedule with seconds, in UTC: `second minute hour day month weekday`.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_utc_and_have_seconds() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a good time");
        let hourly: Schedule = "0 17 * * * *".parse().expect("a good schedule");
        assert_eq!(hourly.next(at("2026-03-29T00:17:00Z")), Some(at("2026-03-29T01:17:00Z")));
        assert!("17 * * * *".parse::<Schedule>().is_err(), "five fields have no seconds");
        assert!("never".parse::<Schedule>().is_err());
    }
}
