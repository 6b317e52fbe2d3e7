//! Misbehaviour, as switches.

use std::collections::VecDeque;
use std::time::Duration;

use axum::response::Response;

use super::answer::{Refusal, text};
use super::{geometry, limit};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429, asking to wait so long.
    Busy(Duration),
    /// 429 that no waiting helps against: the money is used up.
    Quota,
    /// Another status, in OpenAI's words.
    Status(u16),
    /// Another status, in the words of a proxy that stands before it.
    Html(u16),
    /// The connection ends before the answer begins.
    CutBeforeHeaders,
    /// The connection ends before the body begins.
    CutAfterHeaders,
    /// The connection ends in the middle of the body.
    CutInBody,
    /// The answer comes so much later; `Duration::MAX`: never.
    Silent(Duration),
    /// The answer is right, and says that it is something else.
    ContentType(&'static str),
    /// The answer is another model's.
    OtherModel,
    /// The vectors come in another order, their indices right.
    Shuffled,
    /// One vector is left out.
    Missing,
    /// One vector has the index of another.
    DuplicateIndex,
    /// One vector is too short.
    Short,
    /// One vector is all zeros.
    Zeros,
    /// One vector has a number that is none (`null` in JSON).
    NotANumber,
    /// One vector has a number that is no 32-bit float.
    Huge,
}

impl Fault {
    /// What is sent instead of an answer, for faults that make none.
    pub fn instead(&self) -> Option<Response> {
        Some(match self {
            Self::Busy(wait) => {
                let message = format!("Rate limit reached. Please try again in {}.", limit::spelled(*wait));
                let mut refusal = Refusal::new(429, "requests", Some("rate_limit_exceeded"), message);
                limit::retry_after(&mut refusal.headers, *wait);
                refusal.response()
            }
            Self::Quota => Refusal::quota().response(),
            Self::Status(status) => Refusal::server(*status).response(),
            Self::Html(status) => {
                text(*status, "text/html", "<html><body><h1>The gateway is sorry</h1></body></html>")
            }
            // Nothing is printed of this panic; it ends the task of the connection, and so the
            // connection.
            Self::CutBeforeHeaders => std::panic::resume_unwind(Box::new("cut")),
            _ => return None,
        })
    }
}

/// The faults to come.
#[derive(Default)]
pub struct Faults {
    planned: VecDeque<(usize, Fault)>,
    random: Option<(u64, f64, Vec<Fault>)>,
    requests: u64,
}

impl Faults {
    pub fn plan(&mut self, times: usize, fault: Fault) {
        self.planned.push_back((times, fault));
    }

    pub fn at_random(&mut self, seed: u64, share: f64, faults: &[Fault]) {
        self.random = Some((seed, share, faults.to_vec()));
    }

    /// The fault of the next request, if any.
    pub fn next(&mut self) -> Option<Fault> {
        self.requests += 1;
        self.planned.retain(|(times, _)| *times > 0);
        if let Some((times, fault)) = self.planned.front_mut() {
            *times -= 1;
            return Some(fault.clone());
        }
        let (seed, share, faults) = self.random.as_ref()?;
        let drawn = geometry::mixed(seed.wrapping_add(self.requests.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let misbehaves = (drawn >> 32) as f64 / f64::from(u32::MAX) < *share;
        misbehaves.then(|| faults[(drawn & 0xffff_ffff) as usize % faults.len()].clone())
    }
}
