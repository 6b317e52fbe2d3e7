//! The arguments of the tools: parsed at the edge, checked once, trusted inside.
//!
//! Every refusal says what to change, since it is a model that reads it.

use lectern_index::config::nearest;
use lectern_index::document::SourceName;
use lectern_index::search::{Filter, ReadError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What `max_tokens` may be.
pub const MAX_TOKENS: std::ops::RangeInclusive<i64> = 200..=20_000;
/// What `max_results` may be.
pub const MAX_RESULTS: std::ops::RangeInclusive<i64> = 1..=50;
/// What `limit` may be.
pub const LIMIT: std::ops::RangeInclusive<i64> = 1..=500;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The arguments cannot be used; the message says what to change.
    #[error("{0}")]
    Invalid(String),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] ReadError),
}

impl From<crate::cursor::ForeignCursor> for CallError {
    fn from(error: crate::cursor::ForeignCursor) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Arguments of `search_docs` as they come.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SearchArguments {
    /// What is sought.
    pub query: String,
    /// At most this many passages.
    pub max_results: Option<i64>,
    /// At most this many tokens.
    pub max_tokens: Option<i64>,
    /// Only this source.
    pub source: Option<String>,
    /// Only documents whose path begins so.
    pub path_prefix: Option<String>,
    /// Only sources of this version.
    pub version: Option<String>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Arguments of `fetch_doc` as they come.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchArguments {
    /// Path of the document.
    pub path: String,
    /// Its source.
    pub source: Option<String>,
    /// Only the section under this heading.
    pub heading: Option<String>,
    /// Begin at this line.
    pub start_line: Option<i64>,
    /// At most this many tokens.
    pub max_tokens: Option<i64>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Arguments of `list_docs` as they come.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListArguments {
    /// Only this source.
    pub source: Option<String>,
    /// Only documents whose path begins so.
    pub path_prefix: Option<String>,
    /// At most this many documents.
    pub limit: Option<i64>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Arguments of `get_index_status`: none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusArguments {}

/// Reads the arguments of a call. `null` counts as absent, as models send it so, and `2.0` is the
/// integer it is in JSON Schema.
pub fn parse<T: DeserializeOwned>(arguments: Option<Map<String, Value>>) -> Result<T, CallError> {
    let mut arguments = arguments.unwrap_or_default();
    arguments.retain(|_, value| !value.is_null());
    for value in arguments.values_mut().filter(|value| value.is_f64()) {
        // Up to 2^53 every integer is a number of its own.
        if let Some(whole) = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15) {
            *value = Value::from(whole as i64);
        }
    }
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| CallError::Invalid(format!("invalid arguments: {}", advise(&error.to_string()))))
}

/// The message of serde, which lists the names there are, with the one that an unknown name is
/// like, if any.
fn advise(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let nearest = match names.next() {
        Some(unknown) if message.starts_with("unknown field") => {
            nearest(unknown, names).map(|name| format!("; did you mean `{name}`?"))
        }
        _ => None,
    };
    format!("{message}{}", nearest.unwrap_or_default())
}

/// A number within its range, or its default.
pub fn within(
    name: &str,
    value: Option<i64>,
    default: usize,
    range: std::ops::RangeInclusive<i64>,
) -> Result<usize, CallError> {
    match value {
        None => Ok(default),
        Some(value) if range.contains(&value) => Ok(value as usize),
        Some(value) => Err(CallError::Invalid(format!(
            "{name} is {value}: use {} to {} (default {default})",
            range.start(),
            range.end()
        ))),
    }
}

/// A source's name.
pub fn source(name: Option<String>) -> Result<Option<SourceName>, CallError> {
    let parsed = name.as_deref().map(SourceName::parse).transpose();
    parsed
        .map_err(|error| CallError::Invalid(format!("{error}; get_index_status lists the sources there are")))
}

/// A search whose arguments were checked.
#[derive(Debug, Clone)]
pub struct SearchCall {
    /// What is sought.
    pub query: String,
    /// At most this many passages.
    pub max_results: usize,
    /// At most this many tokens, in each form of the answer.
    pub max_tokens: usize,
    /// Which documents count.
    pub filter: Filter,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl TryFrom<SearchArguments> for SearchCall {
    type Error = CallError;

    fn try_from(arguments: SearchArguments) -> Result<Self, CallError> {
        if arguments.query.trim().is_empty() {
            return Err(CallError::Invalid("query is empty: say in a few words what you look for".into()));
        }
        Ok(Self {
            query: arguments.query,
            max_results: within("max_results", arguments.max_results, 5, MAX_RESULTS)?,
            max_tokens: within("max_tokens", arguments.max_tokens, 3000, MAX_TOKENS)?,
            filter: Filter {
                source: source(arguments.source)?,
                path_prefix: arguments.path_prefix,
                version: arguments.version,
            },
            cursor: arguments.cursor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn search(value: Value) -> Result<SearchCall, String> {
        let Value::Object(map) = value else { panic!("an object") };
        parse::<SearchArguments>(Some(map)).and_then(SearchCall::try_from).map_err(|error| error.to_string())
    }

    #[test]
    fn refusals_say_what_to_change() {
        for (arguments, says) in [
            (json!({}), "missing field `query`"),
            (json!({"query": "  "}), "query is empty"),
            (json!({"query": "x", "max_results": 51}), "max_results is 51: use 1 to 50"),
            (json!({"query": "x", "max_tokens": 199}), "max_tokens is 199: use 200 to 20000"),
            (json!({"query": "x", "max_tokens": -1}), "max_tokens is -1: use 200 to 20000"),
            (json!({"query": "x", "max_token": 300}), "did you mean `max_tokens`?"),
            (json!({"query": "x", "question": 300}), "expected one of `query`, `max_results`"),
            (json!({"query": "x", "max_results": 2.5}), "2.5"),
            (json!({"query": "x", "source": "a/b"}), "is not allowed"),
            (json!({"query": 1}), "expected a string"),
        ] {
            let error = search(arguments).expect_err(says);
            assert!(error.contains(says), "{error} should say {says}");
        }
    }

    #[test]
    fn names_far_from_all_are_not_guessed_at() {
        let error = search(json!({"query": "x", "frobnicate": 1})).expect_err("an unknown name");
        assert!(error.contains("`cursor`") && !error.contains("did you mean"), "{error}");
    }

    #[test]
    fn numbers_without_a_fraction_are_integers() {
        let call = search(json!({"query": "x", "max_results": 2.0, "max_tokens": 3e2})).expect("a good call");
        assert_eq!((call.max_results, call.max_tokens), (2, 300));
    }

    #[test]
    fn absent_and_null_take_the_default() {
        let call = search(json!({"query": "x", "max_tokens": null, "source": null})).expect("a good call");
        assert_eq!((call.max_results, call.max_tokens, call.filter), (5, 3000, Filter::default()));
    }
}
