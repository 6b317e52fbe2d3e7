//! A rate limit that is really enforced: two buckets, of requests and of tokens, that fill steadily.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::answer::Refusal;

/// What is let through.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    pub requests_per_minute: f64,
    pub tokens_per_minute: f64,
    /// A bucket holds what comes in so long; OpenAI enforces limits over less than a minute too.
    pub burst: Duration,
}

pub struct Buckets {
    requests: Bucket,
    tokens: Bucket,
}

struct Bucket {
    per_minute: f64,
    capacity: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(per_minute: f64, burst: Duration, at: Instant) -> Self {
        let capacity = per_minute / 60.0 * burst.as_secs_f64();
        Self { per_minute, capacity, level: capacity, at }
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + seconds * self.per_minute / 60.0).min(self.capacity);
        self.at = now;
    }

    /// Until the level is `wanted`.
    fn until(&self, wanted: f64) -> Duration {
        Duration::from_secs_f64((wanted - self.level).max(0.0) * 60.0 / self.per_minute)
    }
}

impl Buckets {
    pub fn full(limit: RateLimit, now: Instant) -> Self {
        let bucket = |per_minute| Bucket::full(per_minute, limit.burst, now);
        Self { requests: bucket(limit.requests_per_minute), tokens: bucket(limit.tokens_per_minute) }
    }

    /// Takes a request of so many tokens out of the buckets, or says when to come again. Who is
    /// refused has not used anything up.
    pub fn admit(&mut self, model: &str, tokens: u64, now: Instant) -> Result<HeaderMap, Box<Refusal>> {
        self.requests.fill(now);
        self.tokens.fill(now);
        let wanted = [("requests", 1.0), ("tokens", tokens as f64)];
        for ((name, wanted), bucket) in wanted.into_iter().zip([&self.requests, &self.tokens]) {
            if bucket.level >= wanted {
                continue;
            }
            let limit = bucket.per_minute;
            let mut headers = self.headers();
            let message = if wanted > bucket.capacity {
                format!("Request too large for {model} on {name} per min: Limit {limit}, Requested {wanted}.")
            } else {
                let wait = bucket.until(wanted);
                retry_after(&mut headers, wait);
                let wait = spelled(wait);
                format!(
                    "Rate limit reached for {model} on {name} per min: Limit {limit}. Please try again in {wait}."
                )
            };
            let mut refusal = Refusal::new(429, name, Some("rate_limit_exceeded"), message);
            refusal.headers = headers;
            return Err(refusal);
        }
        self.requests.level -= 1.0;
        self.tokens.level -= tokens as f64;
        Ok(self.headers())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, bucket) in [("requests", &self.requests), ("tokens", &self.tokens)] {
            let mut set = |what: &str, value: String| {
                let name = HeaderName::try_from(format!("x-ratelimit-{what}-{name}")).unwrap();
                headers.insert(name, HeaderValue::try_from(value).unwrap());
            };
            set("limit", format!("{:.0}", bucket.capacity));
            set("remaining", format!("{:.0}", bucket.level.floor()));
            set("reset", spelled(bucket.until(bucket.capacity)));
        }
        headers
    }
}

/// Asks to wait: in whole seconds, never too few, and in milliseconds.
pub fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    let set = |value: f64| HeaderValue::try_from(format!("{:.0}", value.ceil())).unwrap();
    headers.insert("retry-after", set(wait.as_secs_f64()));
    headers.insert("retry-after-ms", set(wait.as_secs_f64() * 1000.0));
}

/// A time as OpenAI spells it: `20ms`, `1s`, `7.5s`, `6m0s`.
pub fn spelled(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 1000.0 {
        return format!("{:.0}ms", milliseconds.ceil());
    }
    let (minutes, rest) = (time.as_secs() / 60, time.as_millis() % 60_000);
    let seconds = format!("{}s", rest as f64 / 1000.0);
    if minutes == 0 { seconds } else { format!("{minutes}m{seconds}") }
}
