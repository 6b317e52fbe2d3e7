//! What came, what was answered, what went wrong.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Fault, State, embeddings};

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests of any kind, answered or not.
    pub requests: usize,
    /// Requests for embeddings that could be read.
    pub embeddings: usize,
    /// Requests for chat completions that could be read.
    pub chats: usize,
    /// Texts in requests for embeddings.
    pub inputs: u64,
    /// Tokens in requests for embeddings.
    pub tokens: u64,
    /// Requests that were answered to the end, by status 200.
    pub answered_requests: usize,
    /// Tokens of the texts that were answered.
    pub answered_tokens: u64,
    /// How often each text was answered: its right vector sent, in an answer that is legal but for
    /// other texts' vectors, and was sent to its end.
    pub answered: HashMap<String, usize>,
    /// Tokens let through by the rate limit.
    pub admitted_tokens: u64,
    /// Requests refused by the rate limit (not by a fault).
    pub over_limit: usize,
    /// Faults, in the order of the requests they befell.
    pub faults: Vec<Fault>,
    /// Requests that were going well when the client hung up: OpenAI would have taken money for them.
    pub abandoned: usize,
    /// Requests being answered now.
    pub in_flight: usize,
    /// Most requests that were being answered at once.
    pub most_in_flight: usize,
}

impl Counts {
    /// Texts that were answered more than once.
    pub fn twice(&self) -> Vec<&str> {
        self.answered.iter().filter(|(_, times)| **times > 1).map(|(text, _)| text.as_str()).collect()
    }

    pub fn embeddings(&mut self, request: &embeddings::Request) {
        self.embeddings += 1;
        self.inputs += request.inputs.len() as u64;
        self.tokens += request.tokens();
    }
}

/// One request from its arrival to the end of its answer.
pub struct Flight {
    state: Arc<State>,
    /// Whoever ends it now, the client is not to blame.
    settled: bool,
}

impl Flight {
    pub fn take_off(state: &Arc<State>) -> Self {
        let mut counts = state.counts.lock().unwrap();
        counts.requests += 1;
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        Self { state: state.clone(), settled: false }
    }

    /// What comes of it now is our doing.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// A fault befalls it.
    pub fn fault(&mut self, fault: &Fault) {
        self.settled = true;
        self.state.counts.lock().unwrap().faults.push(fault.clone());
    }

    /// The whole answer was sent.
    pub fn land(&mut self, answered: &[String]) {
        self.settled = true;
        let tokens: usize = answered.iter().map(|text| super::tokens(text)).sum();
        let mut counts = self.state.counts.lock().unwrap();
        counts.answered_requests += 1;
        counts.answered_tokens += tokens as u64;
        for text in answered {
            *counts.answered.entry(text.clone()).or_default() += 1;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut counts = self.state.counts.lock().unwrap();
        counts.in_flight -= 1;
        counts.abandoned += usize::from(!self.settled);
    }
}
