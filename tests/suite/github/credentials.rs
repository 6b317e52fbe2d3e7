//! Who asks, who is refused, and where secrets go: to the API and nowhere else. (That none is in
//! anything written, every run of every test looks for itself.)

use std::process::Command;

use super::miniature::{App, Asked, Fault, Host, Miniature};
use super::program::{Program, TOKEN};
use super::repository::Repository;

const TARGET: &str = "github:acme/docs";

fn private() -> (Repository, Miniature) {
    let repository = Repository::with(&[("a.md", "# A\n\nText.\n"), ("b.md", "# B\n")]);
    let github = Miniature::start();
    github.add_private("acme/docs", &repository);
    (repository, github)
}

fn authorizations(asked: &[Asked], host: Host) -> Vec<Option<&str>> {
    asked.iter().filter(|it| it.host == host).map(|it| it.authorization.as_deref()).collect()
}

#[test]
fn a_token_goes_to_the_api_and_to_nothing_else() {
    let repository = Repository::empty();
    for n in 0..200 {
        repository.write(&format!("{n}.md"), format!("# {n}\n"));
    }
    repository.commit();
    let github = Miniature::start();
    github.add_private("acme/docs", &repository);
    let program = Program::new(&github);
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 200);
    let asked = github.asked();
    let bearer = format!("Bearer {TOKEN}");
    assert!(authorizations(&asked, Host::Api).iter().all(|it| *it == Some(bearer.as_str())), "{asked:#?}");
    assert_eq!(authorizations(&asked, Host::Archives), [None], "{asked:#?}");
}

#[test]
fn a_redirect_of_a_blob_takes_no_token_along() {
    let (_repository, github) = private();
    let elsewhere = Miniature::start();
    github.plan("git/blobs", 1, Fault::Redirect(format!("{}/steal", elsewhere.url())));
    let program = Program::new(&github);
    program.sync(TARGET, 3);
    let asked = elsewhere.asked();
    assert_eq!(authorizations(&asked, Host::Api), [None], "{asked:#?}");
}

#[test]
fn what_nobody_may_see_names_repository_permission_and_setting() {
    let (_repository, github) = private();
    let report = Program::anonymous(&github).sync(TARGET, 4);
    let error = report["error"].as_str().unwrap();
    for word in ["acme/docs", "GITHUB_TOKEN", "Contents: read"] {
        assert!(error.contains(word), "{error}");
    }
    github.plan("commits", 1, Fault::Status(403, "Resource not accessible by personal access token", vec![]));
    let report = Program::new(&github).sync(TARGET, 4);
    let error = report["error"].as_str().unwrap();
    for word in ["acme/docs", "GITHUB_TOKEN", "Contents: read", "not accessible"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_wrong_token_is_not_tried_again_and_not_repeated() {
    let (_repository, github) = private();
    let program = Program::new(&github).with("GITHUB_TOKEN", "ghp_TESTSECRETexpired");
    let report = program.sync(TARGET, 4);
    assert!(report["error"].as_str().unwrap().contains("expired or revoked"), "{report}");
    assert_eq!(github.asked().len(), 1);
    // Not even if GitHub says it back.
    github.plan("commits", 1, Fault::Status(401, "Bad credentials: ghp_TESTSECRETexpired", vec![]));
    program.sync(TARGET, 4);
}

fn install(program: Program, github: &Miniature, token_seconds: i64) -> Program {
    github.install(App { id: 12, installation: 34, token_seconds, tokens: vec![] });
    let key = program.folder.path().join("app.pem");
    let made =
        Command::new("openssl").args(["genrsa", "-traditional", "-out"]).arg(&key).arg("2048").output();
    assert!(made.unwrap().status.success(), "openssl makes the App's key");
    program
        .with("LECTERN_GITHUB_APP_ID", "12")
        .with("LECTERN_GITHUB_INSTALLATION_ID", "34")
        .with("GITHUB_APP_PRIVATE_KEY_FILE", key.to_str().unwrap())
}

#[test]
fn an_app_s_token_is_made_used_and_made_anew() {
    let (repository, github) = private();
    let program = install(Program::anonymous(&github), &github, 3600);
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 2);
    let asked = github.asked();
    let minted = |asked: &[Asked]| asked.iter().filter(|it| it.path.ends_with("/access_tokens")).count();
    assert_eq!(minted(&asked), 1, "{asked:#?}");
    assert!(asked[1..].iter().all(|it| it.authorization.as_deref() == Some("Bearer ghs_TESTSECRETminted0")));

    // A token that is about to run out is replaced before it is used.
    let hasty = install(Program::anonymous(&github), &github, 5);
    repository.write("a.md", "# New\n");
    repository.commit();
    assert_eq!(hasty.sync(TARGET, 0)["documents"]["added"], 2);
    assert!(minted(&github.asked()) > 1);

    // One that is refused all the same is replaced once.
    github.plan("git/trees", 1, Fault::Status(401, "Bad credentials", vec![]));
    let again = install(Program::anonymous(&github), &github, 3600);
    assert_eq!(again.sync(TARGET, 0)["documents"]["added"], 2);
    assert_eq!(minted(&github.asked()), 2);
}

#[test]
fn an_app_that_is_not_installed_is_told_what_to_check() {
    let (_repository, github) = private();
    let program = install(Program::anonymous(&github), &github, 3600).with("LECTERN_GITHUB_APP_ID", "99");
    let report = program.sync(TARGET, 4);
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("github.app_id") && error.contains("GITHUB_APP_PRIVATE_KEY"), "{error}");
    let program = Program::anonymous(&github)
        .with("LECTERN_GITHUB_APP_ID", "12")
        .with("LECTERN_GITHUB_INSTALLATION_ID", "34")
        .with("GITHUB_APP_PRIVATE_KEY", "PRIVATE KEY of no kind");
    let ended = program.run(&["sync", TARGET]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}

#[test]
fn enterprise_has_its_own_address() {
    let (_repository, github) = private();
    github.prefix("/api/v3");
    let url = github.url();
    let program = Program::new(&github)
        .with("GITHUB_API_URL", "http://127.0.0.1:9")
        .with("LECTERN_GITHUB_BASE_URL", &format!("{url}/"));
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 2);
    // Through a rename, whose redirect names the prefix too, and through the archive.
    github.rename("acme/docs", "acme/handbook");
    let other = Program::new(&github).sync(TARGET, 0);
    assert!(other["usage"]["notes"][0].as_str().unwrap().contains("renamed"), "{other}");
    let nobody = Program::new(&github).with("GITHUB_TOKEN", "");
    nobody.sync(TARGET, 4);
}
