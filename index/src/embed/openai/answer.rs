//! What comes back, checked. Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::embed::{Embedded, Left, Pace, checked};

/// The body of an answer. What Lectern has no use for may be missing or odd: not every server that
/// speaks the protocol sends all of it.
#[derive(Deserialize)]
pub(super) struct Answer {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    /// Little-endian f32.
    Base64(String),
    /// Whatever else came: one bad vector does not cost those beside it.
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
}

impl Answer {
    /// The vectors of `count` texts in the order of these, which `index` gives: items may come in
    /// any other.
    pub(super) fn embedded(self, count: usize, dimensions: u32, pace: Pace) -> Embedded {
        let mut vectors: Vec<Result<Vec<f32>, String>> =
            std::iter::repeat_with(|| Err("no vector".to_owned())).take(count).collect();
        let mut seen = vec![false; count];
        for Item { index, embedding } in self.data {
            let Some(slot) = vectors.get_mut(index) else { continue };
            *slot = if std::mem::replace(&mut seen[index], true) {
                Err("two vectors for one text".into())
            } else {
                embedding.numbers().and_then(|numbers| checked(numbers, dimensions))
            };
        }
        Embedded { vectors, tokens: self.usage.map_or(0, |usage| usage.prompt_tokens), pace }
    }
}

impl Vector {
    fn numbers(self) -> Result<Vec<f32>, String> {
        match self {
            Self::Floats(numbers) => Ok(numbers),
            Self::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| "a vector that is not base64".to_owned())?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(format!("a vector of {} bytes", bytes.len()));
                }
                Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
            }
            Self::Other(_) => Err("something that is no vector".into()),
        }
    }
}

/// How long a refused caller is asked to wait: `retry-after-ms`, or `Retry-After` in seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The rate limits an answer speaks of
/// (<https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>).
pub(super) fn pace(headers: &HeaderMap) -> Pace {
    let text = |name: String| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: String| text(name)?.trim().parse().ok();
    let left = |of: &str| {
        Some(Left {
            limit: number(format!("x-ratelimit-limit-{of}"))?,
            remaining: number(format!("x-ratelimit-remaining-{of}"))?,
            reset: duration(text(format!("x-ratelimit-reset-{of}"))?)?,
        })
    };
    Pace { requests: left("requests"), tokens: left("tokens") }
}

/// `1s`, `6m0s`, `20ms`, `1h2m3.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit_end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, count: usize) -> Vec<Result<Vec<f32>, String>> {
        let answer: Answer = serde_json::from_str(json).expect("an answer");
        answer.embedded(count, 2, Pace::default()).vectors
    }

    #[test]
    fn vectors_stand_in_the_order_of_the_texts() {
        let json = r#"{"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]}"#;
        assert_eq!(read(json, 2), [Ok(vec![0.6, 0.8]), Ok(vec![0.0, 1.0])]);
    }

    #[test]
    fn base64_is_little_endian_floats() {
        let bytes: Vec<u8> = [3.0f32, 4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        let json = format!(r#"{{"data": [{{"index": 0, "embedding": "{}"}}]}}"#, STANDARD.encode(bytes));
        assert_eq!(read(&json, 1), [Ok(vec![0.6, 0.8])]);
    }

    #[test]
    fn one_bad_vector_does_not_cost_the_others() {
        for bad in ["[1]", "[0, 0]", "[1e39, 1]", "[null, 1]", r#""!""#, r#""AAAA""#, "null", "{}"] {
            let json = format!(
                r#"{{"data": [{{"index": 0, "embedding": {bad}}}, {{"index": 1, "embedding": [0, 1]}}]}}"#
            );
            let vectors = read(&json, 3);
            assert!(vectors[0].is_err(), "{bad}");
            assert_eq!(vectors[1], Ok(vec![0.0, 1.0]), "{bad}");
            assert_eq!(vectors[2], Err("no vector".into()), "{bad}");
        }
        let twice = r#"{"data": [{"index": 0, "embedding": [1, 0]}, {"index": 0, "embedding": [0, 1]}]}"#;
        assert!(read(twice, 1)[0].is_err());
    }

    #[test]
    fn waits_are_read() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
                .collect()
        };
        assert_eq!(retry_after(&headers(&[("retry-after", "2")])), Some(Duration::from_secs(2)));
        let both = headers(&[("retry-after", "2"), ("retry-after-ms", "20")]);
        assert_eq!(retry_after(&both), Some(Duration::from_millis(20)));
        for bad in ["", "soon", "-1", "NaN", "1e400"] {
            assert_eq!(retry_after(&headers(&[("retry-after", bad)])), None, "{bad}");
        }
        for (text, milliseconds) in [("20ms", 20), ("1s", 1000), ("6m0s", 360_000), ("1h2m3.5s", 3_723_500)] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["s", "1", "1x", "-1s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        let paced = pace(&headers(&[
            ("x-ratelimit-limit-requests", "5"),
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "2s"),
        ]));
        let left = paced.requests.expect("a limit");
        assert_eq!((left.limit, left.remaining, left.reset), (5, 3, Duration::from_secs(2)));
        assert_eq!([3, 4, 5, 9].map(|n| left.wait(n).as_secs()), [0, 1, 2, 2]);
        assert_eq!(paced.tokens, None);
    }
}
