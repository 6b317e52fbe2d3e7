//! The settings of models: what makes vectors, and what writes summaries.

use std::path::PathBuf;

use serde::Deserialize;

/// `[embedding]`: what turns text into vectors. Without it search is lexical. The key is no setting:
/// it comes from `OPENAI_API_KEY`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingSettings {
    /// Where vectors come from; left out, there are none.
    pub provider: Option<Provider>,
    /// The model's name, as the service knows it; `text-embedding-3-small` if left out.
    pub model: Option<String>,
    /// The folder of a local model, as sentence-transformers saves it.
    pub model_dir: Option<PathBuf>,
    /// Length of the vectors. Needed for models that Lectern does not know; `text-embedding-3` ones
    /// can be asked for shorter ones.
    pub dimensions: Option<u32>,
    /// Address of a server that speaks OpenAI's protocol, up to and with `/v1`. Where it is not set,
    /// `OPENAI_BASE_URL` counts, and then `https://api.openai.com/v1`.
    pub base_url: Option<String>,
    /// What counts tokens: `cl100k_base`, `o200k_base`, or the path of a `tokenizer.json`. Wrong, and
    /// a server cuts chunks silently or refuses them.
    pub tokenizer: Option<String>,
    /// Tokens the model reads of one text; chunks are never longer. Too high: the end of a chunk is
    /// not found by its meaning.
    pub max_input_tokens: Option<u32>,
    /// What the model wants in front of a document.
    pub document_prefix: Option<String>,
    /// What the model wants in front of a question.
    pub query_prefix: Option<String>,
    /// Price of a million tokens in dollars, where Lectern does not know it or you pay another one.
    pub usd_per_million_tokens: Option<f64>,
    /// A run that would cost more is refused. What it has embedded until then is kept.
    pub max_cost_usd: Option<f64>,
    /// Requests in flight at once. Too high: the service refuses more of them. Too low: a first sync
    /// takes long. Default 8.
    pub concurrent_requests: Option<usize>,
    /// How long one request may take. Too low: slow answers are paid for and asked for again.
    /// Default 60.
    pub timeout_seconds: Option<u64>,
    /// How long a run may go on without any answer before it gives up (exit code 4). Default 600.
    pub deadline_seconds: Option<u64>,
}

impl EmbeddingSettings {
    /// What no single field's type can say: above all, no setting is ignored.
    pub(super) fn check(&self, summaries: bool) -> Result<(), String> {
        let of_a_service = [
            ("model", self.model.is_some()),
            ("base_url", self.base_url.is_some()),
            ("tokenizer", self.tokenizer.is_some()),
            ("dimensions", self.dimensions.is_some()),
            ("usd_per_million_tokens", self.usd_per_million_tokens.is_some()),
            // The cap holds for all models of a run.
            ("max_cost_usd", self.max_cost_usd.is_some() && !summaries),
            ("concurrent_requests", self.concurrent_requests.is_some()),
            ("timeout_seconds", self.timeout_seconds.is_some()),
            ("deadline_seconds", self.deadline_seconds.is_some()),
        ];
        let of_a_model = [("model_dir", self.model_dir.is_some())];
        let of_both = [
            ("max_input_tokens", self.max_input_tokens.is_some()),
            ("document_prefix", self.document_prefix.is_some()),
            ("query_prefix", self.query_prefix.is_some()),
        ];
        let first =
            |settings: &[(&'static str, bool)]| settings.iter().find(|(_, set)| *set).map(|(name, _)| *name);
        match self.provider {
            None => {
                if let Some(name) = first(&of_a_service).or(first(&of_a_model)).or(first(&of_both)) {
                    return Err(format!(
                        "embedding.{name} is set, but not embedding.provider: say \"openai\" (also for servers like it) or \"local\""
                    ));
                }
            }
            Some(Provider::Openai) => {
                if let Some(name) = first(&of_a_model) {
                    return Err(format!("embedding.{name} goes with provider = \"local\""));
                }
            }
            Some(Provider::Local) => {
                if let Some(name) = first(&of_a_service) {
                    return Err(format!(
                        "embedding.{name} goes with provider = \"openai\": a local model's own files say it"
                    ));
                }
                if self.model_dir.is_none() {
                    return Err(
                        "embedding.provider = \"local\" needs embedding.model_dir: the folder of the model"
                            .into(),
                    );
                }
            }
        }
        let numbers = [
            ("dimensions", self.dimensions.map(u64::from), 1),
            ("max_input_tokens", self.max_input_tokens.map(u64::from), 16),
            ("concurrent_requests", self.concurrent_requests.map(|n| n as u64), 1),
            ("timeout_seconds", self.timeout_seconds, 1),
            ("deadline_seconds", self.deadline_seconds, 1),
        ];
        for (name, value, least) in numbers {
            if let Some(value) = value.filter(|value| *value < least) {
                return Err(format!("embedding.{name} = {value}: use {least} or more"));
            }
        }
        for (name, value) in
            [("usd_per_million_tokens", self.usd_per_million_tokens), ("max_cost_usd", self.max_cost_usd)]
        {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                return Err(format!("embedding.{name}: use 0 or more dollars"));
            }
        }
        Ok(())
    }
}

/// `[summary]`: summaries that a model writes, where the author has written none. Off unless a model
/// is named. The key comes from `OPENAI_API_KEY`; the cost counts against `embedding.max_cost_usd`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SummarySettings {
    /// The model; left out, summaries are extracted.
    pub model: Option<String>,
    /// Address of a server that speaks OpenAI's protocol, up to and with `/v1`. Where it is not set,
    /// `embedding.base_url` counts, then `OPENAI_BASE_URL`, then `https://api.openai.com/v1`.
    pub base_url: Option<String>,
    /// Tokens of a document that the model reads, from its beginning. Too high: long pages are dear
    /// and say no more. Too low: it sees the introduction alone.
    pub max_input_tokens: u32,
    /// Price of a million tokens read, in dollars; needed for a cost cap.
    pub usd_per_million_input_tokens: Option<f64>,
    /// Price of a million tokens written, in dollars; needed for a cost cap.
    pub usd_per_million_output_tokens: Option<f64>,
    /// How long one request may take. Too low: slow answers are paid for and asked for again.
    pub timeout_seconds: u64,
}

impl Default for SummarySettings {
    fn default() -> Self {
        Self {
            model: None,
            base_url: None,
            max_input_tokens: 4000,
            usd_per_million_input_tokens: None,
            usd_per_million_output_tokens: None,
            timeout_seconds: 60,
        }
    }
}

impl SummarySettings {
    /// What no single field's type can say.
    pub(super) fn check(&self) -> Result<(), String> {
        let prices = [
            ("usd_per_million_input_tokens", self.usd_per_million_input_tokens),
            ("usd_per_million_output_tokens", self.usd_per_million_output_tokens),
        ];
        for (name, value) in prices {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                return Err(format!("summary.{name}: use 0 or more dollars"));
            }
        }
        if prices[0].1.is_some() != prices[1].1.is_some() {
            return Err(format!("a price needs both summary.{} and summary.{}", prices[0].0, prices[1].0));
        }
        if self.model.is_none() && (self.base_url.is_some() || prices[0].1.is_some()) {
            return Err("settings of [summary] are set, but not summary.model".into());
        }
        if self.max_input_tokens < 100 || self.timeout_seconds == 0 {
            return Err(
                "summary.max_input_tokens: use 100 or more; summary.timeout_seconds: use 1 or more".into()
            );
        }
        Ok(())
    }
}

/// Who makes vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI, or a server that speaks its protocol (`base_url`).
    Openai,
    /// A model on this machine (`model_dir`).
    Local,
}
