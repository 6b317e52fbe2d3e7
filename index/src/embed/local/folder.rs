//! What a folder says of the model in it: as sentence-transformers saves it, old versions and new, or
//! plain transformers with a `tokenizer.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::BadModel;
use super::model::{Architecture, Pooling};

/// A folder that holds a model Lectern can compute.
pub(super) struct Folder {
    /// What whoever made the model called it.
    pub(super) name: String,
    pub(super) config: PathBuf,
    pub(super) tokenizer: PathBuf,
    pub(super) weights: PathBuf,
    pub(super) architecture: Architecture,
    pub(super) pooling: Pooling,
    /// Tokens the model reads of a text, prefix and special tokens included.
    pub(super) limit: usize,
    pub(super) document_prefix: String,
    pub(super) query_prefix: String,
}

impl Folder {
    /// Reads everything but tokenizer and weights, of which it looks that they are there.
    pub(super) fn read(dir: &Path) -> Result<Self, BadModel> {
        if !dir.is_dir() {
            return Err(BadModel(format!(
                "embedding.model_dir = {dir:?} is no folder: download a model and name the folder with its config.json"
            )));
        }
        let Modules { transformer, pooling } = Modules::read(dir)?;
        let config = transformer.join("config.json");
        let described: Map<String, Value> = required(&config, "the description of the model")?;
        let architecture = architecture(&config, &described)?;
        let weights = transformer.join("model.safetensors");
        if !weights.is_file() {
            return Err(missing(
                &weights,
                "the weights: save the model with save_pretrained(…, safe_serialization=True), in one file",
            ));
        }
        let tokenizer = transformer.join("tokenizer.json");
        if !tokenizer.is_file() {
            return Err(missing(
                &tokenizer,
                "the tokenizer: save it with the `use_fast` tokenizers of transformers",
            ));
        }
        let prompts = Prompts::read(dir)?;
        Ok(Self {
            name: name(&described),
            limit: limit(&transformer, &architecture)?,
            config,
            tokenizer,
            weights,
            architecture,
            pooling,
            document_prefix: prompts.of(&["document", "passage", "corpus"]),
            query_prefix: prompts.of(&["query"]),
        })
    }
}

fn missing(path: &Path, what: &str) -> BadModel {
    BadModel(format!("{} is missing, {what}", path.display()))
}

/// A JSON file; `None` where there is none.
fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BadModel> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| BadModel(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BadModel(format!("{}: {error}", path.display()))),
    }
}

fn required<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, BadModel> {
    optional(path)?.ok_or_else(|| missing(path, what))
}

/// What `modules.json` lists: from text to vector, step by step.
struct Modules {
    /// The folder of the transformer.
    transformer: PathBuf,
    pooling: Pooling,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    /// A Python class; its module has moved over time.
    #[serde(rename = "type")]
    class: String,
}

impl Modules {
    fn read(dir: &Path) -> Result<Self, BadModel> {
        let path = dir.join("modules.json");
        let Some(modules) = optional::<Vec<Module>>(&path)? else {
            // A plain transformers model: sentence-transformers takes the mean then, too.
            return Ok(Self { transformer: dir.to_owned(), pooling: Pooling::Mean });
        };
        let (mut transformer, mut pooling) = (None, None);
        for Module { path: folder, class } in &modules {
            match class.rsplit('.').next() {
                Some("Transformer") => transformer = Some(dir.join(folder)),
                Some("Pooling") => pooling = Some(self::pooling(&dir.join(folder).join("config.json"))?),
                // Every vector is made length one anyway.
                Some("Normalize") => {}
                _ => {
                    return Err(BadModel(format!(
                        "{}: a step {class}, which Lectern cannot compute; take a model of Transformer, Pooling and Normalize",
                        path.display()
                    )));
                }
            }
        }
        match (transformer, pooling) {
            (Some(transformer), Some(pooling)) => Ok(Self { transformer, pooling }),
            _ => Err(BadModel(format!("{}: no Transformer with a Pooling", path.display()))),
        }
    }
}

/// Reads `1_Pooling/config.json`: one name in new versions, a flag for each way in old ones.
fn pooling(path: &Path) -> Result<Pooling, BadModel> {
    let config: Map<String, Value> = required(path, "how the vectors of tokens become one")?;
    let mut names: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => {
            let set = config.iter().filter(|(_, value)| **value == Value::Bool(true));
            set.filter_map(|(key, _)| key.strip_prefix("pooling_mode_")).collect()
        }
    };
    if config.get("include_prompt") == Some(&Value::Bool(false)) {
        names.push("include_prompt = false");
    }
    let one = match names[..] {
        ["cls_token"] => Some(Pooling::Cls),
        ["mean_tokens"] => Some(Pooling::Mean),
        [name] => Pooling::by_name(name),
        _ => None,
    };
    one.ok_or_else(|| {
        BadModel(format!(
            "{}: pooling by {}, which Lectern cannot compute; take a model that pools by mean or cls",
            path.display(),
            if names.is_empty() { "nothing".into() } else { names.join(" and ") }
        ))
    })
}

fn architecture(path: &Path, config: &Map<String, Value>) -> Result<Architecture, BadModel> {
    let bad = |error: serde_json::Error| BadModel(format!("{}: {error}", path.display()));
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    if let Some(kind) = text("position_embedding_type").filter(|kind| *kind != "absolute") {
        return Err(BadModel(format!("{}: positions are {kind}, not absolute", path.display())));
    }
    let mut config = config.clone();
    // New versions leave out what is as always.
    config.entry("position_embedding_type").or_insert_with(|| "absolute".into());
    let kind = text("model_type").unwrap_or_default();
    match kind {
        "bert" => serde_json::from_value(config.into()).map(Architecture::Bert).map_err(bad),
        "roberta" | "xlm-roberta" | "camembert" => {
            serde_json::from_value(config.into()).map(Architecture::Roberta).map_err(bad)
        }
        _ => Err(BadModel(format!(
            "{}: model_type {kind:?}, which Lectern cannot compute; take a model of type bert, roberta, xlm-roberta or camembert",
            path.display()
        ))),
    }
}

/// The name the model was given, without whose it is; where its folder lies says nothing.
fn name(config: &Map<String, Value>) -> String {
    let text = |key: &str| config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let given = text("_name_or_path").and_then(|path| path.trim_end_matches('/').rsplit('/').next());
    given.or(text("model_type")).unwrap_or("model").to_owned()
}

/// Tokens the model reads of a text. The `truncation` of `tokenizer.json` is what somebody last
/// computed with, and often less.
fn limit(dir: &Path, architecture: &Architecture) -> Result<usize, BadModel> {
    let file = |name: &str| optional::<Map<String, Value>>(&dir.join(name));
    let number = |config: Option<Map<String, Value>>, key: &str| config?.get(key)?.as_f64();
    let said = match number(file("sentence_bert_config.json")?, "max_seq_length") {
        Some(said) => Some(said),
        // Where a tokenizer has no limit, this is a very large number.
        None => number(file("tokenizer_config.json")?, "model_max_length"),
    };
    let positions = architecture.positions();
    Ok(said.map_or(positions, |said| positions.min(said as usize)))
}

/// What the model wants in front of a text.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Prompts {
    prompts: std::collections::BTreeMap<String, Option<String>>,
    default_prompt_name: Option<String>,
}

impl Prompts {
    fn read(dir: &Path) -> Result<Self, BadModel> {
        Ok(optional(&dir.join("config_sentence_transformers.json"))?.unwrap_or_default())
    }

    /// The first of these prompts that there is, else the default one, else none.
    fn of(&self, names: &[&str]) -> String {
        let default = self.default_prompt_name.as_deref();
        let mut names = names.iter().copied().chain(default);
        names.find_map(|name| self.prompts.get(name)?.clone()).unwrap_or_default()
    }
}
