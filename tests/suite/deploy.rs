//! What a deployment is made of, held against the programs: images, Fly, compose, systemd, Kubernetes,
//! releases, the reference of settings; and the scripts that start and check one.

mod both;
mod files;
mod fly;
mod reference;
mod releases;
mod smoke;
mod versions;

use std::path::Path;

use lectern_index::config::Config;
use serde_json::Value;

use crate::programs::root;

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file.
fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The settings that the programs get out of a `lectern.toml` and variables.
fn settings(file: &str, environment: &[(String, String)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("lectern.toml");
    std::fs::write(&path, file).expect("a written file");
    Config::load(Some(&path), environment.iter().cloned(), None, &[]).map_err(|error| error.to_string())
}

/// Variables of the programs that are no settings, as the reference lists them.
fn other_variables() -> Vec<String> {
    let page = read("docs/configuration.md");
    let (_, rest) = page.split_once("## Environment variables that are not settings").expect("the section");
    let section = rest.split("\n## ").next().expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| code(row.split('|').nth(1).unwrap_or_default())).collect()
}

/// What stands between backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Variables that a deployment sets are known to the programs, and give settings that can be used.
/// Secrets are not among them.
fn effective(environment: &[(String, String)]) -> Result<Config, String> {
    let known = other_variables();
    for (name, _) in environment {
        let secret = ["TOKEN", "KEY"].iter().any(|part| name.ends_with(part));
        if secret {
            return Err(format!("{name} is a secret: it does not stand in a file"));
        }
        if !name.starts_with("LECTERN_") && !known.contains(name) {
            return Err(format!("{name} is read by no program"));
        }
    }
    settings("", environment)
}

/// The stages of the Dockerfile, each with its instructions.
fn stages() -> Vec<(String, Vec<String>)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let mut stages: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with("FROM ") {
            let name = line.split(" AS ").nth(1).expect("every stage has a name");
            stages.push((name.to_owned(), Vec::new()));
        }
        stages.last_mut().expect("FROM comes first").1.push(line.to_owned());
    }
    stages
}

/// A stage with everything it is made from within the Dockerfile, the beginning first.
fn stage(name: &str) -> Vec<String> {
    let stages = stages();
    let (_, lines) =
        stages.iter().find(|(stage, _)| stage == name).unwrap_or_else(|| panic!("no stage {name}"));
    let from = lines[0].split(' ').nth(1).expect("FROM what");
    let mut all = if stages.iter().any(|(stage, _)| stage == from) { stage(from) } else { Vec::new() };
    all.extend(lines.iter().cloned());
    all
}

/// The variables that an image sets.
fn image_environment(name: &str) -> Vec<(String, String)> {
    let lines = stage(name);
    let set = lines.iter().filter_map(|line| line.strip_prefix("ENV "));
    set.flat_map(|pairs| pairs.split_whitespace().map(|pair| pair.split_once('=').expect("NAME=VALUE")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The port of an address.
fn port(address: &str) -> u64 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("ADDRESS:PORT")
}

/// Seconds of `15s` or `2m`.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("{text:?} has no unit: s, m or h")),
    };
    number.parse::<u64>().map(|number| number * factor).map_err(|_| format!("{text:?} is no duration"))
}

/// How long the slower of the two programs takes to end.
fn grace() -> u64 {
    let defaults = Config::default();
    defaults.serve.grace_seconds.max(defaults.daemon.shutdown_grace_seconds)
}

/// Whether a path is in the repository.
fn exists(path: &str) -> bool {
    root().join(Path::new(path)).exists()
}
