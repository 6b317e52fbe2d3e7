//! Rate limits, faults of the server, and the deadline over all of it.

use std::time::{Duration, Instant};

use super::miniature::{Fault, Miniature};
use super::program::Program;
use super::repository::Repository;

const TARGET: &str = "github:acme/docs";

fn setup() -> (Repository, Miniature, Program) {
    let repository = Repository::with(&[("a.md", "# A\n\nText.\n"), ("b.md", "# B\n")]);
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    (repository, github, program)
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// The hour is used up, and begins anew in so many seconds.
fn used_up(seconds: i64) -> Fault {
    let headers = vec![
        ("x-ratelimit-limit", "60".into()),
        ("x-ratelimit-remaining", "0".into()),
        ("x-ratelimit-reset", (now() + seconds).to_string()),
    ];
    Fault::Status(403, "API rate limit exceeded for 127.0.0.1.", headers)
}

#[test]
fn limits_are_sat_out() {
    let (_repository, github, program) = setup();
    github.plan("git/trees", 1, used_up(2));
    github.plan(
        "git/blobs",
        1,
        Fault::Status(429, "You have exceeded a secondary rate limit", vec![("retry-after", "1".into())]),
    );
    let started = Instant::now();
    let report = program.sync(TARGET, 0);
    assert_eq!(report["documents"]["added"], 2);
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_wait_past_the_deadline_is_not_begun() {
    let (repository, github, program) = setup();
    program.sync(TARGET, 0);
    let before = program.export();
    repository.write("a.md", "# New\n");
    repository.commit();
    github.plan("git/trees", 1, used_up(3000));
    let started = Instant::now();
    let report = program.sync_with(TARGET, &["--set", "github.deadline_seconds=60"], 4);
    assert!(started.elapsed() < Duration::from_secs(30));
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("rate limit") && error.contains("github.deadline_seconds = 60"), "{error}");
    assert_eq!(report["usage"]["requests_left"], 0);
    assert_eq!(program.export(), before, "the old index is served");
    program.sync(TARGET, 0);
    assert!(program.documents()["a.md"].contains("New"));
}

#[test]
fn nobody_is_told_that_a_token_would_help() {
    let (_repository, github, _) = setup();
    let program = Program::anonymous(&github);
    github.plan("commits", 1, used_up(3000));
    let report = program.sync_with(TARGET, &["--set", "github.deadline_seconds=5"], 4);
    assert!(report["error"].as_str().unwrap().contains("set GITHUB_TOKEN"), "{report}");
}

#[test]
fn a_limit_in_the_middle_of_fetching_publishes_nothing_by_halves() {
    let (repository, github, program) = setup();
    program.sync(TARGET, 0);
    let before = program.export();
    for n in 0..20 {
        repository.write(&format!("{n}.md"), format!("# {n}\n"));
    }
    repository.commit();
    github.plan("git/blobs/0", 100, used_up(3000));
    github.plan("git/blobs/1", 100, used_up(3000));
    github.plan("git/blobs/2", 100, used_up(3000));
    program.sync_with(TARGET, &["--set", "github.deadline_seconds=5"], 4);
    assert_eq!(program.export(), before);
}

#[test]
fn faults_of_the_server_are_tried_again() {
    let (_repository, github, program) = setup();
    github.plan("commits", 2, Fault::Status(502, "Server Error", vec![]));
    github.plan("git/trees", 1, Fault::Cut(0.5));
    github.plan("git/blobs", 1, Fault::Cut(0.5));
    github.plan("git/blobs", 1, Fault::Status(503, "", vec![("retry-after", "1".into())]));
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 2);
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let (_repository, github, program) = setup();
    github.plan("git/trees", 1, Fault::Silent(Duration::from_secs(20)));
    let started = Instant::now();
    program.sync_with(TARGET, &["--set", "github.timeout_seconds=1"], 0);
    assert!(started.elapsed() < Duration::from_secs(15));
    github.plan("commits", 100, Fault::Silent(Duration::from_secs(20)));
    let more = ["--set", "github.timeout_seconds=1", "--set", "github.deadline_seconds=3"];
    let started = Instant::now();
    let report = program.sync_with(TARGET, &more, 4);
    assert!(started.elapsed() < Duration::from_secs(15));
    assert!(report["error"].as_str().unwrap().contains("github.deadline_seconds = 3"), "{report}");
}

#[test]
fn a_server_that_stays_broken_or_is_not_there_ends_the_run() {
    let (repository, github, program) = setup();
    program.sync(TARGET, 0);
    let before = program.export();
    repository.write("a.md", "# New\n");
    repository.commit();
    github.plan("git/trees", 100, Fault::Status(500, "", vec![]));
    let report = program.sync(TARGET, 4);
    assert!(report["error"].as_str().unwrap().contains("githubstatus.com"), "{report}");
    assert_eq!(program.export(), before);
    let nowhere = Program::anonymous(&github).with("GITHUB_API_URL", "http://127.0.0.1:1");
    let report = nowhere.sync(TARGET, 4);
    assert!(report["error"].as_str().unwrap().contains("cannot be reached"), "{report}");
}

#[test]
fn a_cut_archive_is_read_again_for_what_is_missing() {
    let repository = Repository::empty();
    for n in 0..300 {
        // Does not compress well, so that there is something to cut.
        let noise: String = (0..200).map(|i| format!("{:x} ", (n * 7919 + i * 104729) % 65521)).collect();
        repository.write(&format!("{n}.md"), format!("# {n}\n\n{noise}\n"));
    }
    repository.commit();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    for share in [0.3, 0.6, 0.9, 0.01] {
        github.plan("legacy.tar.gz", 1, Fault::Cut(share));
    }
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 300);
    let archives = github.asked().iter().filter(|it| it.path.contains("legacy")).count();
    assert_eq!(archives, 5);
    assert_eq!(program.documents().len(), 300);
}
