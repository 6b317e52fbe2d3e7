//! What a release is made of: the workflow, the archive, the notes.

use std::process::Command;

use serde_json::Value;

use super::{exists, read, stages, yaml};
use crate::programs::{program, root, run, text};

fn jobs() -> serde_json::Map<String, Value> {
    let [workflow] = yaml(".github/workflows/release.yml").try_into().expect("one document");
    workflow["jobs"].as_object().expect("jobs").clone()
}

/// The commands of a job.
fn commands(job: &Value) -> String {
    let steps = job["steps"].as_array().expect("steps");
    steps.iter().filter_map(|step| step["run"].as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_workflow_names_what_there_is() {
    let jobs = jobs();
    let names: Vec<String> = stages().into_iter().map(|(name, _)| name).collect();
    for (name, job) in &jobs {
        let commands = commands(job);
        for needed in job["needs"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(job["needs"].is_string().then_some(&job["needs"]))
        {
            assert!(jobs.contains_key(needed.as_str().expect("a name")), "{name} needs {needed}");
        }
        for target in commands.split("--target ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            assert!(
                target.starts_with("\"$") || names.iter().any(|name| name == target),
                "no stage {target}"
            );
        }
        for images in commands.split("for program in ").skip(1).filter_map(|rest| rest.split(';').next()) {
            let mut images: Vec<&str> = images.split_whitespace().collect();
            images.sort_unstable();
            assert_eq!(images, ["all", "ingest", "serve"], "{name}");
        }
        for script in commands.split_whitespace().filter_map(|word| word.split("scripts/").nth(1)) {
            assert!(exists(&format!("scripts/{script}")), "{name} runs scripts/{script}");
        }
        let uses = job["steps"].as_array().expect("steps").iter().filter_map(|step| step["uses"].as_str());
        for action in uses {
            let pinned = action.split_once('@').is_some_and(|(_, at)| at.len() == 40);
            assert!(pinned, "{action} is not pinned to a commit");
        }
        assert!(!commands.contains("${{ github."), "{name}: what others choose is no part of a script");
    }
    let targets = |job: &str| -> Vec<String> {
        let rows = jobs[job]["strategy"]["matrix"]["include"].as_array().expect("a matrix").clone();
        rows.iter().map(|row| row["target"].as_str().expect("a target").to_owned()).collect()
    };
    assert_eq!(targets("linux"), ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]);
    assert_eq!(targets("macos"), ["aarch64-apple-darwin", "x86_64-apple-darwin"]);
}

#[test]
fn the_archive_has_what_an_operator_needs() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let programs = program("lectern-serve").parent().expect("a folder").to_path_buf();
    let mut pack = Command::new(root().join("scripts/package"));
    let (code, out, error) = text(run(pack.arg("test").arg(programs)));
    assert_eq!(code, 0, "{error}");
    let archive = root().join(out.trim());
    let version = env!("CARGO_PKG_VERSION");
    assert!(archive.ends_with(format!("dist/lectern-{version}-test.tar.gz")), "{out}");
    let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(work.path()).status();
    assert!(unpacked.expect("tar").success());
    std::fs::remove_file(&archive).expect("the archive");
    let folder = work.path().join(format!("lectern-{version}-test"));
    for file in
        ["lectern-serve.service", "lectern-ingest.service", "lectern-ingest.timer", "smoke", "LICENSE-MIT"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
    for program in ["lectern-ingest", "lectern-serve"] {
        let (code, out, _) = text(run(Command::new(folder.join(program)).arg("--version")));
        assert_eq!((code, out.trim()), (0, format!("{program} {version}").as_str()));
    }
}

#[test]
fn the_notes_of_a_version_are_its_section() {
    let notes = |version: &str| text(run(Command::new(root().join("scripts/release-notes")).arg(version)));
    let changelog = read("CHANGELOG.md");
    let versions = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split(']').next());
    let mut seen = 0;
    for version in versions {
        let (code, out, error) = notes(version);
        assert_eq!(code, 0, "{error}");
        let section = changelog.split(&format!("## [{version}]")).nth(1).expect("the section");
        let section = section.split("\n## [").next().expect("a section");
        let (_, body) = section.split_once('\n').expect("a heading");
        assert_eq!(out.trim(), body.trim());
        seen += 1;
    }
    assert!(seen > 0);
    for none in ["99.0.0", "0.1", "Unrel"] {
        let (code, out, error) = notes(none);
        assert_eq!((code, out.as_str()), (1, ""), "{error}");
        assert!(error.contains("no section"), "{error}");
    }
}
