//! What a run costs, and the cap on it.

use std::sync::Mutex;

use crate::exit::{Exit, Failure};
use crate::report;

/// Counts the tokens of a run against the cap.
pub(super) struct Cost {
    /// Dollars for a token.
    price: Option<f64>,
    /// Dollars.
    cap: Option<f64>,
    /// Tokens that were answered or are under way.
    tokens: Mutex<u64>,
}

impl Cost {
    pub(super) fn new(usd_per_million_tokens: Option<f64>, cap: Option<f64>) -> Result<Self, Failure> {
        if cap.is_some() && usd_per_million_tokens.is_none() {
            return Err(Failure::usage(
                "embedding.max_cost_usd: the price of this model is not known: say embedding.usd_per_million_tokens as well",
            ));
        }
        Ok(Self { price: usd_per_million_tokens.map(|price| price / 1e6), cap, tokens: Mutex::default() })
    }

    /// Sets `tokens` aside for a request, unless the run would cost more than its cap.
    pub(super) fn reserve(&self, tokens: u64) -> Result<(), Failure> {
        let Ok(mut all) = self.tokens.lock() else { return Ok(()) };
        if let (Some(price), Some(cap)) = (self.price, self.cap)
            && (*all + tokens) as f64 * price > cap
        {
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "embedding would cost more than the cap of ${cap} (embedding.max_cost_usd): ${:.4} are spent for {all} tokens. \
                     Nothing was published; what was embedded so far is kept: run the sync again to go on for as much once more, or raise the cap",
                    *all as f64 * price
                ),
            ));
        }
        *all += tokens;
        Ok(())
    }

    /// Replaces what was set aside by what was used.
    pub(super) fn settle(&self, reserved: u64, used: u64) {
        if let Ok(mut all) = self.tokens.lock() {
            *all = (*all + used).saturating_sub(reserved);
        }
    }

    /// Adds tokens and their price to a report.
    pub(super) fn count(&self, used: &mut report::Embedding, tokens: u64) {
        used.tokens += tokens;
        used.cost_usd = self.price.map(|price| used.tokens as f64 * price);
    }

    /// What the run has cost until now, for people.
    pub(super) fn spent(&self) -> String {
        let tokens = self.tokens.lock().map_or(0, |tokens| *tokens);
        match self.price {
            Some(price) if price > 0.0 => format!("{tokens} tokens, ${:.4}", tokens as f64 * price),
            _ => format!("{tokens} tokens"),
        }
    }
}
