//! From settings and command line to the sources of a run.

use std::path::{Path, PathBuf};

use lectern_index::config::{Config, SourceSettings, default_include};
use lectern_index::document::SourceName;

use crate::exit::Failure;
use crate::source::Source;
use crate::source::folder::Folder;
use crate::source::github::location::{Location, SCHEME};
use crate::source::github::{Github, Selection, address};
use crate::sync::Target;

/// The sources that `targets` name, or the configured ones where it names none.
pub fn targets(config: &Config, targets: &[String]) -> Result<Vec<Target>, Failure> {
    if targets.is_empty() {
        if config.source.is_empty() {
            return Err(Failure::usage(
                "there is nothing to sync: name a folder, as in `lectern-ingest sync docs`, or add a [[source]] to lectern.toml",
            ));
        }
        return config.source.iter().map(|settings| configured(settings, config)).collect();
    }
    let mut found: Vec<Target> = Vec::new();
    for target in targets {
        let target = named(config, target)?;
        let name = target.source.name();
        if found.iter().any(|other| other.source.name() == name) {
            return Err(Failure::usage(format!(
                "two targets would both be the source {name}: sync them one by one into indexes of their own, or give them names in lectern.toml"
            )));
        }
        found.push(target);
    }
    Ok(found)
}

/// A target of the command line: a folder or a repository. One that is configured keeps its settings.
fn named(config: &Config, target: &str) -> Result<Target, Failure> {
    if target.starts_with(SCHEME) {
        return repository(config, Location::parse(target).map_err(Failure::usage)?);
    }
    if let Some(location) = address::parse(target) {
        return repository(config, location.map_err(Failure::usage)?);
    }
    let folder = PathBuf::from(target);
    let is_this = |settings: &&SourceSettings| {
        settings.folder.as_ref().is_some_and(|configured| same(&configured.join(&settings.path), &folder))
    };
    if let Some(settings) = config.source.iter().find(is_this) {
        return configured(settings, config);
    }
    let name = folder_name(&folder)?;
    // Absolute, so that a repair finds it from any working directory.
    let folder = folder.canonicalize().unwrap_or(folder);
    configured(&SourceSettings { folder: Some(folder), ..unnamed(name) }, config)
}

/// A repository. One that is configured, at the same folder and ref, keeps its settings.
fn repository(config: &Config, wanted: Location) -> Result<Target, Failure> {
    for settings in &config.source {
        let Some(github) = &settings.github else { continue };
        let location = Location::new(github, &settings.path, settings.reference.as_deref());
        if location.is_ok_and(|location| location.is_same(&wanted)) {
            return configured(settings, config);
        }
    }
    let name = wanted.default_name().map_err(Failure::usage)?;
    let github = Some(wanted.to_string());
    let Location { path, reference, .. } = wanted;
    configured(&SourceSettings { github, path, reference, ..unnamed(name) }, config)
}

/// The settings of a source that has none.
fn unnamed(name: SourceName) -> SourceSettings {
    SourceSettings {
        name,
        folder: None,
        github: None,
        reference: None,
        path: String::new(),
        include: default_include(),
        exclude: Vec::new(),
        url_template: None,
        version: None,
        schedule: None,
    }
}

/// A source with these settings.
pub fn configured(settings: &SourceSettings, config: &Config) -> Result<Target, Failure> {
    let name = settings.name.clone();
    let max_file_bytes = config.sync.max_file_bytes;
    let source: Result<Box<dyn Source>, String> = match (&settings.folder, &settings.github) {
        (Some(folder), _) => {
            let root = folder.join(&settings.path);
            Folder::new(name, root, &settings.include, &settings.exclude, max_file_bytes)
                .map(|folder| Box::new(folder) as _)
                .map_err(|error| error.to_string())
        }
        (None, Some(github)) => {
            let (include, exclude) = (settings.include.clone(), settings.exclude.clone());
            let selection = Selection { include, exclude, max_file_bytes };
            let variable = |name: &str| std::env::var(name).ok();
            Location::new(github, &settings.path, settings.reference.as_deref())
                .and_then(|location| Github::new(name, location, &selection, &config.github, variable))
                .map(|github| Box::new(github) as _)
        }
        (None, None) => Err("it needs `folder` or `github`".into()),
    };
    let source = source.map_err(|reason| Failure::usage(format!("source {}: {reason}", settings.name)))?;
    Ok(Target { source, settings: settings.clone() })
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The folder's own name as a source name; characters that names cannot have become dashes.
fn folder_name(folder: &Path) -> Result<SourceName, Failure> {
    let full =
        folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
    let own = full.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned());
    let allowed = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = own.chars().map(allowed).take(64).collect();
    SourceName::parse(name.trim_start_matches(['.', '-'])).map_err(|_| {
        Failure::usage(format!(
            "the folder {} gives no source name: add it to lectern.toml with a name",
            folder.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_names() {
        let name = |path: &str| {
            folder_name(Path::new(path)).map(|name| name.to_string()).map_err(|error| error.message)
        };
        assert_eq!(name("/x/rust-book"), Ok("rust-book".into()));
        assert_eq!(name("/x/rust-book/"), Ok("rust-book".into()));
        assert_eq!(name("/x/my docs (v2)"), Ok("my-docs--v2-".into()));
        assert_eq!(name("/x/.github"), Ok("github".into()));
        assert!(name("/x/...").is_err());
    }
}
