//! What goes wrong in repositories and on the way: the right exit code, a message that says what to
//! do, and an index that is the old one or the new one.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::miniature::{Fault, Miniature};
use super::program::Program;
use super::repository::Repository;

const TARGET: &str = "github:acme/docs";

fn setup() -> (Repository, Miniature, Program) {
    let repository = Repository::with(&[("a.md", "# A\n\nText.\n"), ("docs/b.md", "# B\n")]);
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    (repository, github, program)
}

/// Syncs, expects `code` and a message with these words, and the index as it was.
fn refused(program: &Program, target: &str, code: i32, words: &[&str]) {
    let before = program.export();
    let report = program.sync(target, code);
    let error = report["error"].as_str().unwrap();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
    assert_eq!(program.export(), before);
}

#[test]
fn a_deleted_ref_leaves_the_old_index() {
    let (repository, _github, program) = setup();
    repository.git(&["branch", "release"]);
    program.sync("github:acme/docs@release", 0);
    repository.git(&["branch", "--delete", "release"]);
    refused(&program, "github:acme/docs@release", 4, &["acme/docs", "\"release\"", "check `ref`", "stays"]);
}

#[test]
fn a_force_pushed_ref_is_followed() {
    let (repository, _github, program) = setup();
    repository.write("c.md", "# C\n");
    repository.commit();
    program.sync(TARGET, 0);
    repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    repository.write("a.md", "# Another history\n");
    let head = repository.commit();
    let report = program.sync(TARGET, 0);
    assert_eq!((&report["commit"], &report["documents"]["removed"]), (&head.into(), &1.into()));
    assert!(program.documents()["a.md"].contains("Another history"));
}

#[test]
fn an_empty_repository_is_refused_and_says_why() {
    let repository = Repository::empty();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    let report = program.sync(TARGET, 6);
    assert!(report["error"].as_str().unwrap().contains("no document at all"), "{report}");
}

#[test]
fn a_missing_folder_is_an_error_a_file_too() {
    let (repository, _github, program) = setup();
    program.sync("github:acme/docs/docs", 0);
    repository.rename("docs/b.md", "guide/b.md");
    repository.commit();
    refused(&program, "github:acme/docs/docs", 4, &["no folder \"docs\"", "check `path`"]);
    let report = Program::new(&_github).sync("github:acme/docs/a.md", 4);
    assert!(report["error"].as_str().unwrap().contains("not a folder"), "{report}");
}

#[test]
fn a_renamed_repository_is_followed_and_said() {
    let (repository, github, program) = setup();
    program.sync(TARGET, 0);
    github.rename("acme/docs", "acme/handbook");
    let same = program.sync(TARGET, 0);
    assert!(same["usage"]["notes"][0].as_str().unwrap().contains("renamed or transferred"), "{same}");
    repository.write("a.md", "# New\n");
    repository.commit();
    program.sync(TARGET, 0);
    assert!(program.documents()["a.md"].contains("New"));
    assert!(
        program.export().contains("https://github.com/acme/handbook/blob/"),
        "permalinks name the new one"
    );
}

#[test]
fn a_mass_delete_is_refused_and_readers_are_told_how_far_behind_they_are() {
    let (repository, github, program) = setup();
    for n in 0..30 {
        repository.write(&format!("{n}.md"), format!("# {n}\n"));
    }
    repository.commit();
    program.sync(TARGET, 0);
    for n in 0..30 {
        repository.remove(&format!("{n}.md"));
        repository.commit();
    }
    github.asked();
    refused(&program, TARGET, 6, &["--allow-mass-delete"]);
    let status = program.run(&["status", "--json", "--index", "lectern.db"]);
    assert!(status.stdout.contains("\"commits_behind\":30"), "{}", status.stdout);
}

#[test]
fn a_tar_bomb_is_not_unpacked() {
    let (repository, github, _) = setup();
    let program = Program::anonymous(&github);
    program.sync(TARGET, 0);
    repository.write("a.md", "# New\n");
    repository.commit();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..(100 << 20) / 4096 {
        encoder.write_all(&[0; 4096]).unwrap();
    }
    let mut bomb = Vec::new();
    let mut header = tar::Header::new_ustar();
    header.set_size(1 << 32);
    header.set_cksum();
    let mut whole = GzEncoder::new(&mut bomb, Compression::best());
    whole.write_all(header.as_bytes()).unwrap();
    whole.finish().unwrap();
    bomb.extend(encoder.finish().unwrap());
    github.replace_archives(bomb);
    refused(&program, TARGET, 4, &["times its size", "github.max_archive_bytes"]);
    let more = ["--set", "github.max_archive_bytes=1000000"];
    let report = program.sync_with(TARGET, &more, 4);
    assert!(report["error"].as_str().unwrap().contains("more than 1000000 bytes"), "{report}");
}

#[test]
fn names_in_an_archive_lead_nowhere() {
    let (_repository, github, _) = setup();
    let program = Program::anonymous(&github);
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [("../../../a.md", "# A\n\nText.\n"), ("/tmp/lectern-b.md", "# B\n")] {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    github.replace_archives(builder.into_inner().unwrap().finish().unwrap());
    program.sync(TARGET, 0);
    assert_eq!(program.documents().keys().collect::<Vec<_>>(), ["a.md", "docs/b.md"]);
    assert!(!std::path::Path::new("/tmp/lectern-b.md").exists());
}

#[test]
fn content_that_is_not_what_its_name_says_is_not_taken() {
    let (repository, github, program) = setup();
    program.sync(TARGET, 0);
    let before = program.documents();
    repository.write("a.md", "# New\n");
    repository.commit();
    github.plan("git/blobs", 2, Fault::Flipped);
    program.sync(TARGET, 0);
    assert!(program.documents()["a.md"].contains("New"), "asked again");
    repository.write("a.md", "# Newer\n");
    repository.commit();
    github.plan("git/blobs", 100, Fault::Flipped);
    let report = program.sync(TARGET, 3);
    assert!(report["failures"][0]["reason"].as_str().unwrap().contains("SHA-1"), "{report}");
    assert!(program.documents()["a.md"].contains("New"), "keeps the version it had");
    assert_eq!(program.documents().len(), before.len());
}

#[test]
fn what_is_no_answer_of_github_is_said_to_be_none() {
    let (_repository, github, program) = setup();
    github.plan("commits", 1, Fault::Garbage("<html>Please log in to the hotel's network</html>"));
    let report = program.sync(TARGET, 4);
    assert!(report["error"].as_str().unwrap().contains("github.base_url"), "{report}");
    github.plan("", 100, Fault::Redirect(format!("{}/repos/acme/docs/again", github.url())));
    let report = program.sync(TARGET, 4);
    assert!(report["error"].as_str().unwrap().contains("circles"), "{report}");
}

#[test]
fn one_failing_source_does_not_stop_the_others() {
    let (_repository, github, program) = setup();
    let config = "[[source]]\nname = \"gone\"\ngithub = \"acme/gone\"\n\n[[source]]\nname = \"docs\"\ngithub = \"acme/docs\"\n";
    std::fs::write(program.folder.path().join("lectern.toml"), config).unwrap();
    let ended = program.run(&["sync", "--json"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let of = |name: &str| {
        report["sources"].as_array().unwrap().iter().find(|it| it["source"] == name).unwrap().clone()
    };
    assert_eq!(of("docs")["documents"]["added"], 2);
    assert!(of("gone")["error"].as_str().unwrap().contains("acme/gone"));
    assert!(!github.asked().is_empty());
}

#[test]
fn targets_that_mean_nothing_are_usage_errors() {
    let (_repository, _github, program) = setup();
    for target in ["github:acme", "github:acme/docs@", "github:acme/../etc", "github:acme/docs/a/../../b"] {
        let ended = program.run(&["sync", target]);
        assert_eq!(ended.code, 2, "{target}: {}", ended.stderr);
    }
}
