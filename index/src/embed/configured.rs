//! From `[embedding]` to an [`Embedder`].

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::{EmbeddingSettings, Provider};
use crate::embed::Embedder;
use crate::embed::openai::{self, OpenAi, Options};
use crate::tokens::Tokenizer;

/// The variable that holds the key.
pub const KEY: &str = "OPENAI_API_KEY";

/// The variable that holds the address, where no setting does.
const BASE_URL: &str = "OPENAI_BASE_URL";

/// An embedder that cannot be made of its settings; the message says which and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadEmbedder(String);

/// The embedder of these settings; `None` in lexical mode. `variable` reads the environment: the key
/// is a secret, and stands nowhere else.
///
/// Nothing is asked of the service. A local model is loaded, which takes about a second.
pub fn configured(
    settings: &EmbeddingSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Arc<dyn Embedder>>, BadEmbedder> {
    match settings.provider {
        None => Ok(None),
        Some(Provider::Openai) => Ok(Some(Arc::new(openai(settings, variable)?))),
        Some(Provider::Local) => local(settings).map(Some),
    }
}

fn openai(
    settings: &EmbeddingSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<OpenAi, BadEmbedder> {
    let model = settings.model.clone().unwrap_or_else(|| "text-embedding-3-small".into());
    let (base_url, key) = service(settings.base_url.as_ref(), variable)?;
    let known = openai::known(&model);
    let Some(dimensions) = settings.dimensions.or(known.map(|(dimensions, _)| dimensions)) else {
        return Err(BadEmbedder(format!(
            "embedding.dimensions: say how long the vectors of {model:?} are (its model card says so)"
        )));
    };
    let tokenizer = tokenizer(settings.tokenizer.as_deref())?;
    let options = Options {
        input_tokens: settings.max_input_tokens.map_or(openai::INPUT_TOKENS, |tokens| tokens as usize),
        price: settings.usd_per_million_tokens.or(known.map(|(_, price)| price)),
        prefixes: (
            settings.document_prefix.clone().unwrap_or_default(),
            settings.query_prefix.clone().unwrap_or_default(),
        ),
        requests: settings.concurrent_requests.unwrap_or(8),
        timeout: Duration::from_secs(settings.timeout_seconds.unwrap_or(60)),
        model,
        dimensions,
        base_url,
        key,
        tokenizer,
    };
    OpenAi::new(options).map_err(|error| BadEmbedder(format!("no HTTPS client can be made: {error}")))
}

/// Address and key of a service that speaks OpenAI's protocol; `set` is the address in the settings. Fails
/// where that holds what may be a secret, since addresses are in errors and reports.
pub fn service(
    set: Option<&String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(String, Option<SecretString>), BadEmbedder> {
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let base_url = set.cloned().or_else(|| variable(BASE_URL));
    let base_url = base_url.as_deref().unwrap_or(openai::BASE_URL).trim_end_matches('/').to_owned();
    if base_url.contains(['@', '?', '#']) {
        return Err(BadEmbedder(format!(
            "base_url (or {BASE_URL}) holds a name or password, or a setting: write https://HOST/v1, and the key into {KEY}"
        )));
    }
    Ok((base_url, variable(KEY).map(|key| SecretString::from(key.trim()))))
}

/// The tokenizer of this name, or of the file of this name.
fn tokenizer(name: Option<&str>) -> Result<Tokenizer, BadEmbedder> {
    let Some(name) = name else { return Ok(Tokenizer::cl100k()) };
    if let Some(tokenizer) = Tokenizer::by_name(name) {
        return Ok(tokenizer);
    }
    #[cfg(feature = "local")]
    return Tokenizer::from_file(std::path::Path::new(name)).map_err(|error| BadEmbedder(error.to_string()));
    #[cfg(not(feature = "local"))]
    Err(BadEmbedder(format!(
        "embedding.tokenizer = {name:?}: use cl100k_base or o200k_base (a tokenizer.json needs a build with --features local)"
    )))
}

#[cfg(not(feature = "local"))]
fn local(_: &EmbeddingSettings) -> Result<Arc<dyn Embedder>, BadEmbedder> {
    Err(BadEmbedder(
        "embedding.provider = \"local\": this program was built without local models: build it with --features local"
            .into(),
    ))
}

#[cfg(feature = "local")]
fn local(settings: &EmbeddingSettings) -> Result<Arc<dyn Embedder>, BadEmbedder> {
    match crate::embed::local::open(settings) {
        Ok(embedder) => Ok(Arc::new(embedder)),
        Err(error) => Err(BadEmbedder(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_secret() {
        let with = |url: &str| service(Some(&url.to_owned()), |_| None).map(|(base_url, _)| base_url);
        for secret in ["https://me:hunter2@host/v1", "https://host/v1?key=hunter2", "https://host/v1#hunter2"]
        {
            let error = with(secret).expect_err("a secret").to_string();
            assert!(error.contains(KEY) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(with("https://host/v1/").expect("an address"), "https://host/v1");
    }
}
