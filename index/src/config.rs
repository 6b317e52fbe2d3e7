//! `lectern.toml`: read once, parsed into typed settings, shared by both programs.
//!
//! A setting comes from, in rising order: its default, the file, the environment
//! (`LECTERN_SECTION_KEY`), `--set section.key=value`. Secrets come from the environment alone and
//! are in no struct of this module. An unknown key is an error that names the known ones.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::citation::convention;

mod env_file;
mod index;
mod models;
mod schedule;
mod settings;

pub use env_file::read_env_file;
pub use index::IndexSettings;
pub use models::{EmbeddingSettings, Provider, SummarySettings};
pub use schedule::{BadSchedule, Schedule};
pub use settings::*;

/// The file that is read when `--config` names none and it exists.
pub const DEFAULT_FILE: &str = "lectern.toml";

/// `LECTERN_…` variables that are no settings: secrets, and what tests, benches and logs read.
const NOT_SETTINGS: &[&str] = &["LECTERN_CONFIG", "LECTERN_TOKEN", "LECTERN_LOG", "LECTERN_CORPORA"];

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the index is.
    pub index: IndexSettings,
    /// What turns text into vectors.
    pub embedding: EmbeddingSettings,
    /// Which model writes summaries.
    pub summary: SummarySettings,
    /// How documents are cut.
    pub chunk: ChunkConfig,
    /// What a sync may do.
    pub sync: SyncSettings,
    /// How the daemon runs.
    pub daemon: DaemonSettings,
    /// How serve listens.
    pub serve: ServeSettings,
    /// What holds for every repository.
    pub github: GithubSettings,
    /// The sources.
    pub source: Vec<SourceSettings>,
}

/// A configuration that cannot be used; the message says where and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Reads the configuration: `file` (it must exist), else [`DEFAULT_FILE`] if that exists, then
    /// `environment`, then `sets` (`section.key=value`). `index` is another index than the configured
    /// one: what the others say of that one's collection, and for a file all that they say of Qdrant,
    /// does not count.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        index: Option<&str>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let mut table = read_file(file)?;
        let in_file = table.get("index").and_then(|section| section.get("url")).cloned();
        let mut overrides = Vec::new();
        for (name, value) in environment {
            if let Some((section, key)) = setting_of_variable(&name)? {
                overrides.push((format!("the environment variable {name}"), section, key, value));
            }
        }
        overrides.sort();
        if let Some(url) = index {
            let is_qdrant = url.starts_with("http://") || url.starts_with("https://");
            let counts = |key: &str| is_qdrant && key != "collection";
            overrides.retain(|(_, section, key, _)| section != "index" || counts(key));
            if let Some(Value::Table(section)) = table.get_mut("index") {
                section.retain(|key, _| counts(key));
            }
        }
        let by_variables = overrides.len();
        for set in sets {
            let parsed = set.split_once('=').and_then(|(key, value)| Some((key.split_once('.')?, value)));
            let Some(((section, key), value)) = parsed else {
                return Err(ConfigError(format!("--set {set:?} is not of the form section.key=value")));
            };
            overrides.push((format!("--set {set}"), section.into(), key.into(), value.into()));
        }
        overrides.extend(index.map(|url| ("--index".into(), "index".into(), "url".into(), url.into())));
        let last = overrides.iter().rposition(|(_, section, key, _)| section == "index" && key == "url");
        if let Some((origin, .., value)) =
            last.filter(|&last| last < by_variables).map(|last| &overrides[last])
            && in_file.is_some_and(|url| url.as_str() != Some(value))
        {
            // Units and images set it: who changes the file alone would not see that nothing changed.
            tracing::warn!("{origin} stands above index.url of the configuration file");
        }
        for (origin, section, key, value) in overrides {
            let value = typed(&origin, &section, &key, &value)?;
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key, value);
            }
        }
        let config: Self =
            table.try_into().map_err(|error: toml::de::Error| advise("the configuration", &error))?;
        config.check()?;
        Ok(config)
    }

    /// What no single field's type can say.
    fn check(&self) -> Result<(), ConfigError> {
        if !(16..=8191).contains(&self.chunk.max_tokens) {
            return Err(ConfigError(format!("chunk.max_tokens = {}: use 16 to 8191", self.chunk.max_tokens)));
        }
        if self.chunk.overlap_tokens > self.chunk.max_tokens / 2 {
            return Err(ConfigError(format!(
                "chunk.overlap_tokens = {} is more than half of chunk.max_tokens = {}",
                self.chunk.overlap_tokens, self.chunk.max_tokens
            )));
        }
        if !(0.0..=1.0).contains(&self.sync.mass_delete_ratio) {
            return Err(ConfigError("sync.mass_delete_ratio is a share: use 0 to 1".into()));
        }
        if self.sync.concurrent_sources == 0 {
            return Err(ConfigError("sync.concurrent_sources: use 1 or more".into()));
        }
        if self.github.timeout_seconds == 0 || self.github.deadline_seconds == 0 {
            return Err(ConfigError(
                "github.timeout_seconds and github.deadline_seconds: use 1 or more".into(),
            ));
        }
        if self.github.app_id.is_some() != self.github.installation_id.is_some() {
            return Err(ConfigError(
                "a GitHub App needs both github.app_id and github.installation_id".into(),
            ));
        }
        self.index.check().map_err(ConfigError)?;
        self.summary.check().map_err(ConfigError)?;
        self.embedding.check(self.summary.model.is_some()).map_err(ConfigError)?;
        let serve = &self.serve;
        for (name, value, least) in [
            ("max_body_bytes", serve.max_body_bytes as u64, 1024),
            ("max_concurrent", serve.max_concurrent as u64, 1),
            ("timeout_seconds", serve.timeout_seconds, 1),
            ("embed_timeout_ms", serve.embed_timeout_ms, 1),
        ] {
            if value < least {
                return Err(ConfigError(format!("serve.{name} = {value}: use {least} or more")));
            }
        }
        for (name, address) in [("serve", &serve.listen), ("daemon", &self.daemon.listen)] {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                return Err(ConfigError(format!(
                    "{name}.listen = {address:?}: use ADDRESS:PORT, as in 127.0.0.1:8080"
                )));
            }
        }
        if let Err(error) = self.daemon.schedule.parse::<Schedule>() {
            return Err(ConfigError(format!("daemon.{error}")));
        }
        for (i, source) in self.source.iter().enumerate() {
            if self.source[..i].iter().any(|other| other.name == source.name) {
                return Err(ConfigError(format!(
                    "two sources are named {:?}: names are unique",
                    source.name.as_str()
                )));
            }
            let name = source.name.as_str();
            if let Some(Err(error)) = source.schedule.as_ref().map(|text| text.parse::<Schedule>()) {
                return Err(ConfigError(format!("source {name:?}: {error}")));
            }
            let names_page = |template: &String| {
                template.contains("{slug}")
                    || template.contains("{path}")
                    || convention::read(template).is_some()
            };
            if let Some(template) = source.url_template.as_ref().filter(|template| !names_page(template)) {
                let names: Vec<&str> = convention::CONVENTIONS.iter().map(|(name, _)| *name).collect();
                return Err(ConfigError(format!(
                    "source {name:?}: url_template = {template:?} is the same for every document: put {{slug}} or {{path}} into it, or begin it with one of {} and a colon",
                    names.join(", ")
                )));
            }
            let problem = match (&source.folder, &source.github) {
                (None, None) => "needs `folder` or `github`",
                (Some(_), Some(_)) => "has both `folder` and `github`: use one",
                (Some(_), None) if source.reference.is_some() => "has a `ref`, but no `github`",
                _ if source.path.split('/').any(|part| part == "..") => "has a `path` that leads out of it",
                _ => continue,
            };
            return Err(ConfigError(format!("source {name:?} {problem}")));
        }
        Ok(())
    }
}

fn read_file(file: Option<&Path>) -> Result<Table, ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Table::new());
        }
        Err(error) => return Err(ConfigError(format!("{} cannot be read: {error}", path.display()))),
    };
    // Parsed as the real thing first: only then do errors name line and column.
    toml::from_str::<Config>(&text).map_err(|error| advise(&path.display().to_string(), &error))?;
    toml::from_str(&text).map_err(|error| advise(&path.display().to_string(), &error))
}

/// Section and key that a variable sets; `None` if it sets nothing of ours.
fn setting_of_variable(name: &str) -> Result<Option<(String, String)>, ConfigError> {
    let ours = name.strip_prefix("LECTERN_").filter(|_| {
        !NOT_SETTINGS.contains(&name)
            && !name.starts_with("LECTERN_TEST_")
            && !name.starts_with("LECTERN_BENCH_")
    });
    let Some(ours) = ours else { return Ok(None) };
    match ours.split_once('_') {
        Some((section, key)) => Ok(Some((section.to_lowercase(), key.to_lowercase()))),
        None => Err(ConfigError(format!(
            "the environment variable {name} names no setting: use LECTERN_SECTION_KEY, as in LECTERN_INDEX_URL"
        ))),
    }
}

/// The value as the setting's type: as TOML where that fits, else as a string.
fn typed(origin: &str, section: &str, key: &str, value: &str) -> Result<Value, ConfigError> {
    let fits = |value: &Value| -> Result<(), toml::de::Error> {
        let inner = Table::from_iter([(key.to_owned(), value.clone())]);
        Table::from_iter([(section.to_owned(), Value::Table(inner))]).try_into::<Config>().map(drop)
    };
    let as_toml =
        toml::from_str::<Table>(&format!("v = {value}")).ok().and_then(|mut table| table.remove("v"));
    let as_string = Value::String(value.to_owned());
    if let Some(value) = as_toml.filter(|value| fits(value).is_ok()) {
        return Ok(value);
    }
    fits(&as_string).map_err(|error| advise(origin, &error))?;
    Ok(as_string)
}

/// The `known` name that `unknown` may be a slip of: most of the letters are the same.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = known.map(|name| (strsim::damerau_levenshtein(unknown, name), name)).min()?;
    (distance * 3 <= name.chars().count().max(unknown.chars().count())).then_some(name)
}

/// The error with the place it was found in and, for an unknown name, the one it may be a slip of.
fn advise(origin: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.to_string();
    let message = message.trim_end();
    // serde: "unknown field `x`, expected one of `a`, `b`" or "expected `a`"
    let names: Vec<&str> = error.message().split('`').skip(1).step_by(2).collect();
    let nearest = match names.split_first() {
        Some((unknown, known)) if error.message().starts_with("unknown") => {
            nearest(unknown, known.iter().copied()).map(|name| format!("\n  did you mean `{name}`?"))
        }
        _ => None,
    };
    ConfigError(format!("{origin}: {message}{}", nearest.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], sets: &[&str]) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lectern.toml");
        std::fs::write(&path, file).expect("a written file");
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        Config::load(Some(&path), environment, None, &sets).map_err(|error| error.to_string())
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let file = "[chunk]\nmax_tokens = 100";
        let env = ("LECTERN_CHUNK_MAX_TOKENS", "200");
        let tokens = |file, env: &[_], sets: &[_]| {
            load(file, env, sets).expect("a good configuration").chunk.max_tokens
        };
        assert_eq!(tokens("", &[], &[]), 512);
        assert_eq!(tokens(file, &[], &[]), 100);
        assert_eq!(tokens(file, &[env], &[]), 200);
        assert_eq!(tokens(file, &[env], &["chunk.max_tokens=300"]), 300);
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let error = load("[chunk]\nmax_token = 1", &[], &[]).expect_err("an unknown key");
        assert!(error.contains("did you mean `max_tokens`?") && error.contains("lectern.toml"), "{error}");
        let error = load("", &[("LECTERN_INDEX_ULR", "x")], &[]).expect_err("an unknown variable");
        assert!(error.contains("LECTERN_INDEX_ULR") && error.contains("did you mean `url`?"), "{error}");
        let error = load("", &[], &["chnk.max_tokens=1"]).expect_err("an unknown section");
        assert!(error.contains("did you mean `chunk`?"), "{error}");
        let error = load("[sync]\nfrobnicate = 1", &[], &[]).expect_err("an unknown key");
        assert!(error.contains("concurrent_sources") && !error.contains("did you mean"), "{error}");
    }

    #[test]
    fn strings_that_look_like_numbers_stay_strings() {
        let config = load("", &[("LECTERN_INDEX_URL", "123")], &[]).expect("a path may be a number");
        assert_eq!(config.index.url, "123");
    }

    #[test]
    fn a_source_is_one_thing() {
        let with = |rest: &str| load(&format!("[[source]]\nname = \"x\"\n{rest}"), &[], &[]);
        let good =
            with("github = \"o/r\"\nref = \"v1\"\nurl_template = \"hugo:https://x.org\"").expect("good");
        assert_eq!(good.source[0].reference.as_deref(), Some("v1"));
        for (bad, says) in [
            ("", "needs `folder` or `github`"),
            ("folder = \"a\"\ngithub = \"o/r\"", "has both"),
            ("folder = \"a\"\nref = \"v1\"", "no `github`"),
            ("folder = \"a\"\nschedule = \"daily\"", "source \"x\": schedule \"daily\""),
            ("folder = \"a\"\nurl_template = \"https://x.org\"", "{slug}"),
        ] {
            let error = with(bad).expect_err(bad);
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_their_names() {
        for set in [
            "chunk.max_tokens=1",
            "chunk.overlap_tokens=400",
            "sync.mass_delete_ratio=2",
            "github.deadline_seconds=0",
            "github.app_id=1",
            "serve.max_concurrent=0",
            "index.collection=docs",
            "index.url=http://localhost:6334",
            "embedding.provider=cohere",
            "embedding.model=x",
            "serve.listen=nonsense",
            "serve.listen=:8080",
            "daemon.listen=127.0.0.1:99999",
            "daemon.schedule=hourly",
            "nonsense",
        ] {
            let error = load("", &[], &[set]).expect_err(set);
            assert!(error.contains(set.split('=').next().expect("a name")), "{error}");
        }
    }
}
