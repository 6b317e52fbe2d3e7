//! How little is asked.

use super::miniature::Miniature;
use super::program::Program;
use super::repository::Repository;

const TARGET: &str = "github:acme/docs/content/en/docs/eino@main";

fn thousand() -> Repository {
    let repository = Repository::empty();
    for n in 0..1000 {
        repository.write(
            &format!("content/en/docs/eino/part{}/page{n}.md", n % 20),
            format!("# Page {n}\n\nText {n}.\n"),
        );
        repository.write(&format!("src/file{n}.rs"), "fn main() {}\n");
    }
    repository.commit();
    repository
}

#[test]
fn a_sync_asks_as_little_as_possible() {
    let repository = thousand();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);

    let first = program.sync(TARGET, 0);
    let asked = github.asked();
    assert_eq!(first["documents"]["added"], 1000);
    assert!(asked.len() <= 6, "first sync of 1,000 documents: {asked:#?}");
    assert_eq!(first["usage"]["requests"], asked.len());
    assert!(first["usage"]["requests_left"].as_u64().unwrap() > 4900);
    assert!(first["usage"]["resets_at"].is_string());

    let again = program.sync(TARGET, 0);
    assert_eq!(again["documents"]["unchanged"], 1000);
    assert_eq!(github.asked().len(), 1, "nothing new");

    for n in 0..5 {
        repository
            .write(&format!("content/en/docs/eino/part{n}/page{n}.md"), format!("# Page {n}\n\nNew.\n"));
    }
    // Two commits, so that they have to be counted too.
    repository.commit();
    repository.write("src/file1.rs", "fn other() {}\n");
    repository.commit();
    let changed = program.sync(TARGET, 0);
    let asked = github.asked();
    assert_eq!(changed["documents"]["changed"], 5);
    assert!(asked.len() <= 10, "5 changed documents: {asked:#?}");
    assert_eq!(changed["commit"], repository.head());
}

#[test]
fn nobody_is_asked_for_much_either() {
    let repository = thousand();
    let github = Miniature::of(&repository);
    let program = Program::anonymous(&github);
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 1000);
    assert!(github.asked().len() <= 6);
    repository.write("content/en/docs/eino/part1/page1.md", "# New\n");
    repository.commit();
    assert_eq!(program.sync(TARGET, 0)["documents"]["changed"], 1);
    // Ref, folder, tree, and the archive with its redirect.
    assert_eq!(github.asked().len(), 5);
}

#[test]
fn changed_settings_list_an_unchanged_commit_again() {
    let repository = Repository::with(&[("a.md", "# A\n"), ("b.md", "# B\n")]);
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    let configure = |more: &str| {
        let text = format!("[[source]]\nname = \"docs\"\ngithub = \"acme/docs\"\n{more}");
        std::fs::write(program.folder.path().join("lectern.toml"), text).unwrap();
        let ended = program.run(&["sync", "--json"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["sources"][0].clone()
    };
    assert_eq!(configure("")["documents"]["total"], 2);
    github.asked();
    assert_eq!(configure("exclude = [\"b.md\"]")["documents"]["total"], 1);
    assert!(github.asked().len() > 1);
    assert_eq!(configure("exclude = [\"b.md\"]")["documents"]["total"], 1);
    assert_eq!(github.asked().len(), 1);
}

#[test]
fn branches_tags_and_commits_are_refs() {
    let repository = Repository::with(&[("a.md", "# One\n")]);
    let first = repository.head();
    repository.git(&["tag", "v1.0"]);
    repository.git(&["tag", "--annotate", "--message", "two", "docs@2.0.0"]);
    repository.git(&["branch", "feature/new"]);
    repository.write("a.md", "# Two\n");
    let second = repository.commit();
    let github = Miniature::of(&repository);
    for (reference, commit) in [
        ("", &second),
        ("@main", &second),
        ("@v1.0", &first),
        ("@docs@2.0.0", &first),
        ("@feature/new", &first),
        ("@tags/v1.0", &first),
        (&format!("@{first}"), &first),
        (&format!("@{}", &first[..10]), &first),
    ] {
        let report = Program::new(&github).sync(&format!("github:acme/docs{reference}"), 0);
        assert_eq!(report["commit"], **commit, "{reference}");
    }
}
