//! What an answer of GitHub means for whoever asked: go on, wait, try again, or give up. Pure.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};

/// What GitHub asks to wait after a secondary limit that names no time.
const SECONDARY_WAIT: Duration = Duration::from_secs(60);

/// The first pause after something transient; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause after something transient.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How often something transient is tried in all.
pub(super) const ATTEMPTS: u32 = 5;

/// What to do after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the answer, good or bad.
    Answer,
    /// Ask again after this long: a rate limit.
    Wait(Duration),
    /// Ask again soon: a fault of the server.
    Again,
}

/// The quota, as the last answer that named it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// Requests left.
    pub(super) left: u64,
    /// Requests an hour.
    pub(super) limit: u64,
    /// When it is full again (seconds since 1970).
    pub(super) resets_at: i64,
}

/// Reads the quota off an answer.
pub(super) fn quota(headers: &HeaderMap) -> Option<Quota> {
    Some(Quota {
        left: number(headers, "x-ratelimit-remaining")?,
        limit: number(headers, "x-ratelimit-limit")?,
        resets_at: i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?,
    })
}

/// What an answer means. `now` is used where the answer has no date of its own: the reset is a time
/// of GitHub's clock, which ours need not agree with.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap, body: &str, now: DateTime<Utc>) -> Verdict {
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return match retry_after(headers) {
            Some(wait) => Verdict::Wait(wait),
            None => Verdict::Again,
        };
    }
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return Verdict::Answer;
    }
    if let Some(wait) = retry_after(headers) {
        return Verdict::Wait(wait);
    }
    if let Some(Quota { left: 0, resets_at, .. }) = quota(headers) {
        let theirs = headers
            .get(http::header::DATE)
            .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok())
            .map_or(now, |date| date.with_timezone(&Utc));
        // One second more: the reset names the second in which it happens.
        return Verdict::Wait(Duration::from_secs((resets_at - theirs.timestamp()).max(0) as u64 + 1));
    }
    if status == StatusCode::TOO_MANY_REQUESTS || body.to_lowercase().contains("rate limit") {
        return Verdict::Wait(SECONDARY_WAIT);
    }
    Verdict::Answer
}

/// How long to pause before attempt number `attempt` (the first one is 1); `dice` is a random share,
/// 0 to 1, so that many clients do not come back at the same moment.
pub(super) fn pause(attempt: u32, dice: f64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    whole.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "retry-after").map(Duration::from_secs)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().expect("a value"))).collect()
    }

    fn at(status: u16, pairs: &[(&'static str, &str)], body: &str) -> Verdict {
        let now = DateTime::from_timestamp(1_000_000, 0).expect("a time");
        verdict(StatusCode::from_u16(status).expect("a status"), &headers(pairs), body, now)
    }

    fn used_up(reset: &'static str) -> [(&'static str, &'static str); 3] {
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-limit", "60"), ("x-ratelimit-reset", reset)]
    }

    #[test]
    fn answers_are_told_from_limits() {
        let seconds = |n| Verdict::Wait(Duration::from_secs(n));
        assert_eq!(at(200, &used_up("1000100"), ""), Verdict::Answer);
        assert_eq!(at(404, &[], ""), Verdict::Answer);
        assert_eq!(at(403, &[], "Resource not accessible by integration"), Verdict::Answer);
        assert_eq!(at(403, &used_up("1000100"), "API rate limit exceeded"), seconds(101));
        assert_eq!(at(429, &used_up("999000"), ""), seconds(1));
        assert_eq!(at(403, &[("retry-after", "7")], ""), seconds(7));
        assert_eq!(at(403, &[], "You have exceeded a secondary rate limit"), seconds(60));
        assert_eq!(at(429, &[], ""), seconds(60));
        assert_eq!(at(503, &[("retry-after", "3")], ""), seconds(3));
        assert_eq!(at(502, &[], ""), Verdict::Again);
    }

    #[test]
    fn the_reset_is_read_by_github_s_clock() {
        // Ours is an hour behind theirs: Jan 12 13:46:40 is 1,000,000; they say 14:46:40.
        let mut pairs = used_up("1003660").to_vec();
        pairs.push(("date", "Mon, 12 Jan 1970 14:46:40 GMT"));
        assert_eq!(at(403, &pairs, ""), Verdict::Wait(Duration::from_secs(61)));
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        for attempt in 1..40 {
            assert!(pause(attempt, 0.0) >= FIRST_PAUSE / 2 && pause(attempt, 1.0) <= LONGEST_PAUSE);
            assert!(pause(attempt, 0.5) <= pause(attempt + 1, 0.5));
        }
    }
}
