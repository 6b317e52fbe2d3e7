//! Vectors of questions: remembered, and given up quickly. A search never waits for an embedding
//! service longer than the timeout, and while that service is down it does not wait at all.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lectern_index::embed::{EmbedError, Embedder, Kind};
use lectern_index::fingerprint::EmbedderId;
use lru::LruCache;

/// Questions whose vectors are remembered: 1,000 of 1,536 numbers are 6 MB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1000).expect("more than none");

/// Questions longer than this are not remembered: somebody pasted a log, and will not again.
const LONGEST: usize = 4096;

/// Failures in a row before the service is left alone.
const FAILURES: u32 = 3;

/// How long it is left alone: at first, and at most. Then one question tries it.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Embeds questions.
pub(crate) struct Questions {
    embedder: Arc<dyn Embedder>,
    timeout: Duration,
    remembered: Mutex<LruCache<String, Vec<f32>>>,
    breaker: Mutex<Breaker>,
}

impl Questions {
    pub(crate) fn new(embedder: Arc<dyn Embedder>, timeout: Duration) -> Self {
        Self {
            embedder,
            timeout,
            remembered: Mutex::new(LruCache::new(REMEMBERED)),
            breaker: Mutex::default(),
        }
    }

    /// What decides the vectors.
    pub(crate) fn id(&self) -> &EmbedderId {
        self.embedder.id()
    }

    /// The vector of `question`, or why there is none.
    pub(crate) async fn vector(&self, question: &str) -> Result<Vec<f32>, String> {
        if let Ok(mut remembered) = self.remembered.lock()
            && let Some(vector) = remembered.get(question)
        {
            return Ok(vector.clone());
        }
        if let Ok(mut breaker) = self.breaker.lock()
            && !breaker.lets_through(Instant::now())
        {
            return Err(DOWN.into());
        }
        let texts = [question.to_owned()];
        let (failure, reason) =
            match tokio::time::timeout(self.timeout, self.embedder.embed(Kind::Query, &texts)).await {
                Ok(Ok(embedded)) => match embedded.vectors.into_iter().next() {
                    Some(Ok(vector)) => {
                        self.worked(true);
                        if question.len() <= LONGEST
                            && let Ok(mut remembered) = self.remembered.lock()
                        {
                            remembered.put(question.to_owned(), vector.clone());
                        }
                        return Ok(vector);
                    }
                    bad => ("the embedding service gave no vector", bad.and_then(Result::err)),
                },
                // Its fault, not the service's: others go on asking.
                Ok(Err(EmbedError::Rejected { reason })) => {
                    tracing::warn!(reason, "the query was not embedded: it was refused");
                    return Err("the embedding service refused the question".into());
                }
                Ok(Err(error)) => ("the embedding service failed", Some(error.to_string())),
                Err(_) => ("the embedding service did not answer in time", None),
            };
        self.worked(false);
        tracing::warn!(reason, "the query was not embedded: {failure}");
        Err(failure.to_owned())
    }

    /// Why questions are not embedded at the moment.
    pub(crate) fn down(&self) -> Option<String> {
        self.breaker.lock().is_ok_and(|breaker| breaker.closed_until.is_some()).then(|| DOWN.to_owned())
    }

    fn worked(&self, worked: bool) {
        if let Ok(mut breaker) = self.breaker.lock() {
            breaker.heard(worked, Instant::now());
        }
    }
}

/// What callers are told meanwhile.
const DOWN: &str = "the embedding service is down; it is tried again within a minute";

/// Keeps questions from a service that only fails.
#[derive(Default)]
struct Breaker {
    failures: u32,
    /// Nothing passes before, and then one question does.
    closed_until: Option<Instant>,
}

impl Breaker {
    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(FAILURES).min(16);
        PAUSES.0.saturating_mul(1 << doublings).min(PAUSES.1)
    }

    fn lets_through(&mut self, now: Instant) -> bool {
        match self.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                // The others wait for what this one hears.
                self.closed_until = Some(now + self.pause());
                true
            }
        }
    }

    fn heard(&mut self, worked: bool, now: Instant) {
        if worked {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.closed_until = Some(now + self.pause());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeEmbedder;

    fn questions(delay: Duration, fails: bool) -> (Arc<FakeEmbedder>, Questions) {
        let embedder =
            Arc::new(FakeEmbedder { delay, fails, ..FakeEmbedder::new(EmbedderId::from_stored("m:1")) });
        (embedder.clone(), Questions::new(embedder, Duration::from_millis(100)))
    }

    #[tokio::test]
    async fn a_question_is_embedded_once() {
        let (embedder, questions) = questions(Duration::ZERO, false);
        for _ in 0..3 {
            assert!(questions.vector("how?").await.is_ok());
        }
        assert_eq!(embedder.asked(), 1);
        assert!(questions.vector("why?").await.is_ok());
        assert_eq!(embedder.asked(), 2);
    }

    #[tokio::test]
    async fn a_service_that_only_fails_is_left_alone() {
        for (delay, fails) in [(Duration::ZERO, true), (Duration::from_secs(60), false)] {
            let (embedder, questions) = questions(delay, fails);
            for asked in 1..=FAILURES as usize {
                assert!(questions.down().is_none());
                assert!(questions.vector("how?").await.is_err());
                assert_eq!(embedder.asked(), asked);
            }
            assert!(questions.down().is_some());
            assert!(questions.vector("how?").await.is_err());
            assert_eq!(embedder.asked(), FAILURES as usize, "nobody waits for it");
        }
    }

    #[test]
    fn one_question_in_a_while_tries_a_service_that_is_down() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.lets_through(now));
            breaker.heard(false, now);
        }
        for expected in [5, 10, 20, 40, 60, 60] {
            let pause = Duration::from_secs(expected);
            assert!(!breaker.lets_through(now + pause - Duration::from_millis(1)));
            now += pause;
            assert!(breaker.lets_through(now));
            assert!(!breaker.lets_through(now), "only one at a time");
            breaker.heard(false, now);
        }
        breaker.heard(true, now);
        assert!(breaker.lets_through(now));
    }
}
