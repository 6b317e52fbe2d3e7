//! What a run costs, and the cap on it: shared by everything that is paid for.

use std::sync::Mutex;

use lectern_index::config::Config;

use crate::exit::{Exit, Failure};

/// Counts what a run uses against `embedding.max_cost_usd`.
pub struct Cost {
    /// Dollars.
    cap: Option<f64>,
    /// What was answered or is under way.
    state: Mutex<Used>,
}

/// Something that is paid for.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Used {
    /// Tokens.
    pub tokens: u64,
    /// What they cost in dollars; 0 where no price is known.
    pub usd: f64,
}

impl Cost {
    /// Nothing is used yet.
    pub fn new(config: &Config) -> Self {
        Self { cap: config.embedding.max_cost_usd, state: Mutex::default() }
    }

    /// Fails where the run has a cap and a price that it needs is not known: `setting` says it.
    pub fn needs(&self, price: Option<f64>, setting: &str) -> Result<(), Failure> {
        if self.cap.is_some() && price.is_none() {
            return Err(Failure::usage(format!(
                "embedding.max_cost_usd: the price of this model is not known: say {setting} as well"
            )));
        }
        Ok(())
    }

    /// Sets aside what a request will use, unless the run would cost more than its cap.
    pub fn reserve(&self, used: Used) -> Result<(), Failure> {
        let Ok(mut all) = self.state.lock() else { return Ok(()) };
        if let Some(cap) = self.cap
            && used.usd > 0.0
            && all.usd + used.usd > cap
        {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "this run would cost more than the cap of ${cap} (embedding.max_cost_usd): ${:.4} are spent for {} tokens. \
                     Nothing was published; what was made so far is kept: run the sync again to go on for as much once more, or raise the cap",
                    all.usd, all.tokens
                ),
            ));
        }
        all.tokens += used.tokens;
        all.usd += used.usd;
        Ok(())
    }

    /// Replaces what was set aside by what was used.
    pub fn settle(&self, reserved: Used, used: Used) {
        if let Ok(mut all) = self.state.lock() {
            all.tokens = (all.tokens + used.tokens).saturating_sub(reserved.tokens);
            all.usd = (all.usd + used.usd - reserved.usd).max(0.0);
        }
    }

    /// What the run has cost until now, for people.
    pub fn spent(&self) -> String {
        let used = self.state.lock().map(|used| *used).unwrap_or_default();
        if used.usd > 0.0 {
            format!("{} tokens, ${:.4}", used.tokens, used.usd)
        } else {
            format!("{} tokens", used.tokens)
        }
    }
}
