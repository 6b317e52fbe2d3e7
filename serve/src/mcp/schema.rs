//! JSON schemas of what the tools take and give.
//!
//! Inputs are written by hand: schemas derived from Rust types say `null` and `int64` where a model
//! should read ranges and defaults. Outputs are derived, so that they cannot lag behind.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::arguments::{LIMIT, MAX_RESULTS, MAX_TOKENS};

fn object(required: &[&str], properties: Value) -> Arc<JsonObject> {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

fn source() -> Value {
    json!({"type": "string", "description": "Only this source; get_index_status lists them."})
}

fn path_prefix() -> Value {
    json!({"type": "string", "description": "Only documents whose path begins so, as in guides/."})
}

fn cursor() -> Value {
    json!({
        "type": "string",
        "description": "next_cursor of the last answer, to go on where it ended. Repeat the other arguments.",
    })
}

fn max_tokens(default: u32) -> Value {
    json!({
        "type": "integer",
        "minimum": MAX_TOKENS.start(),
        "maximum": MAX_TOKENS.end(),
        "default": default,
        "description": "The answer is never larger, in cl100k tokens.",
    })
}

pub(super) fn search_input() -> Arc<JsonObject> {
    object(
        &["query"],
        json!({
            "query": {
                "type": "string",
                "description": "What you look for, in a few words or a question. Identifiers count whole and in parts.",
            },
            "max_results": {
                "type": "integer",
                "minimum": MAX_RESULTS.start(),
                "maximum": MAX_RESULTS.end(),
                "default": 5,
                "description": "At most this many passages.",
            },
            "max_tokens": max_tokens(3000),
            "source": source(),
            "path_prefix": path_prefix(),
            "version": {
                "type": "string",
                "description": "Only sources that document this version; get_index_status lists them.",
            },
            "cursor": cursor(),
        }),
    )
}

pub(super) fn fetch_input() -> Arc<JsonObject> {
    object(
        &["path"],
        json!({
            "path": {"type": "string", "description": "Path of the document, as search_docs and list_docs give it."},
            "source": {
                "type": "string",
                "description": "Its source; needed only where several sources have the path.",
            },
            "heading": {
                "type": "string",
                "description": "Only the section under this heading: its text or its anchor.",
            },
            "start_line": {"type": "integer", "minimum": 1, "description": "Begin at this line of the file."},
            "max_tokens": max_tokens(8000),
            "cursor": cursor(),
        }),
    )
}

pub(super) fn list_input() -> Arc<JsonObject> {
    object(
        &[],
        json!({
            "source": source(),
            "path_prefix": path_prefix(),
            "limit": {
                "type": "integer",
                "minimum": LIMIT.start(),
                "maximum": LIMIT.end(),
                "default": 100,
                "description": "At most this many documents.",
            },
            "cursor": cursor(),
        }),
    )
}

pub(super) fn status_input() -> Arc<JsonObject> {
    object(&[], json!({}))
}

/// The schema of an answer: self-contained, and without formats that validators do not know.
pub(super) fn output<T: JsonSchema>() -> Arc<JsonObject> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    strip(&mut schema);
    match schema {
        Value::Object(mut schema) => {
            schema.remove("title");
            schema.remove("description");
            Arc::new(schema)
        }
        _ => Arc::default(),
    }
}

fn strip(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            split_nullable(object);
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Writes `type: [T, null]` as two branches: clients with one type a schema understand only that.
fn split_nullable(schema: &mut JsonObject) {
    let Some(Value::Array(types)) = schema.get("type") else { return };
    let Some(kind) = types.iter().find(|kind| *kind != "null").cloned() else { return };
    let description = schema.remove("description");
    let mut branch = std::mem::take(schema);
    branch.insert("type".into(), kind);
    schema.insert("anyOf".into(), json!([branch, {"type": "null"}]));
    schema.extend(description.map(|text| ("description".into(), text)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{FetchArguments, ListArguments, SearchArguments, StatusArguments, parse};
    use serde::de::DeserializeOwned;

    /// Every property the schema names is taken, and no other.
    fn agrees<T: DeserializeOwned>(schema: Arc<JsonObject>) {
        let properties = schema["properties"].as_object().expect("properties");
        let example = |schema: &Value| match schema["type"].as_str() {
            Some("integer") => schema.get("default").cloned().unwrap_or(json!(1)),
            _ => json!("x"),
        };
        let mut arguments: JsonObject =
            properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect();
        assert!(parse::<T>(Some(arguments.clone())).is_ok(), "{arguments:?}");
        arguments.insert("other".into(), json!("x"));
        assert!(parse::<T>(Some(arguments)).is_err());
    }

    #[test]
    fn input_schemas_say_what_is_taken() {
        agrees::<SearchArguments>(search_input());
        agrees::<FetchArguments>(fetch_input());
        agrees::<ListArguments>(list_input());
        agrees::<StatusArguments>(status_input());
    }

    #[test]
    fn output_schemas_are_self_contained() {
        let schema = output::<crate::answer::SearchAnswer>();
        let text = Value::Object((*schema).clone()).to_string();
        for unportable in ["$ref", "\"format\"", "\"type\":["] {
            assert!(!text.contains(unportable), "{unportable} in {text}");
        }
        assert_eq!(schema["type"], "object");
        for field in ["results", "omitted", "next_cursor", "mode", "degraded", "sources"] {
            assert!(schema["required"].as_array().expect("required").contains(&json!(field)), "{field}");
        }
    }
}
