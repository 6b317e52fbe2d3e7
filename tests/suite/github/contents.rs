//! What repositories contain.

use std::collections::BTreeMap;

use serde_json::Value;

use super::miniature::Miniature;
use super::program::Program;
use super::repository::Repository;

const TARGET: &str = "github:acme/docs/docs";

fn reasons(list: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|it| (text(&it["path"]), text(&it["reason"]))).collect()
}

/// Both ways of fetching: blob by blob, and out of the archive.
fn both(github: &Miniature) -> [Program; 2] {
    [Program::new(github), Program::anonymous(github)]
}

#[test]
fn everything_a_repository_holds_is_in_one_place_of_the_report() {
    let repository = Repository::empty();
    repository.write("docs/a.md", "# A\n\nText.\n");
    repository.write("docs/A.md", "# Large A\n");
    repository.write("docs/文档/über uns #1?&%41.md", "# Über\n");
    repository.write("docs/emoji 🦀/'quoted' \"name\".md", "# Crab\n");
    repository.write("docs/same.md", "# A\n\nText.\n");
    repository.write("docs/big.md", "x".repeat(3000));
    repository.write("docs/binary.md", [0u8, 159, 146, 150]);
    repository.write("docs/lfs.md", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    repository.write("docs/draft.md", "---\ndraft: true\n---\n# D\n");
    repository.write("docs/.hidden/x.md", "# Hidden\n");
    repository.write("docs/code.rs", "fn main() {}\n");
    repository.write("other/outside.md", "# Outside\n");
    repository.submodule("docs/vendor");
    repository.commit();
    let github = Miniature::of(&repository);
    for program in both(&github) {
        let report = program.sync_with(TARGET, &["--set", "sync.max_file_bytes=2000"], 3);
        let documents = program.documents();
        let paths: Vec<&str> = documents.keys().map(String::as_str).collect();
        let expected =
            ["A.md", "a.md", "emoji 🦀/'quoted' \"name\".md", "same.md", "文档/über uns #1?&%41.md"];
        assert_eq!(paths, expected);
        let failures = reasons(&report["failures"]);
        assert_eq!(failures.keys().collect::<Vec<_>>(), ["big.md", "binary.md"]);
        assert!(failures["big.md"].contains("sync.max_file_bytes"));
        let skipped = reasons(&report["skipped"]);
        assert_eq!(skipped.keys().collect::<Vec<_>>(), ["draft.md", "lfs.md", "vendor"]);
        assert!(program.export().contains(&format!(
            "https://github.com/acme/docs/blob/{}/docs/%E6%96%87%E6%A1%A3/%C3%BCber%20uns%20%231%3F%26%2541.md#L1",
            repository.head()
        )));
    }
}

#[test]
fn links_are_followed_inside_the_repository_only() {
    let repository = Repository::empty();
    repository.write("docs/v2/intro.md", "# Intro 2\n");
    repository.write("docs/v2/deep/more.md", "# More\n");
    repository.write("shared/note.md", "# Note\n");
    repository.write("shared/folder/inner.md", "# Inner\n");
    repository.link("docs/latest", "v2");
    repository.link("docs/index.md", "v2/intro.md");
    repository.link("docs/chain.md", "latest/intro.md");
    repository.link("docs/note.md", "../shared/note.md");
    repository.link("docs/folder", "../shared/folder");
    repository.link("docs/v2/up", "..");
    repository.link("docs/circle.md", "circle.md");
    repository.link("docs/nothing.md", "gone.md");
    repository.link("docs/etc.md", "/etc/passwd");
    repository.link("docs/out.md", "../../../secret.md");
    repository.link("docs/logo.png", "v2/logo.png");
    repository.commit();
    let github = Miniature::of(&repository);
    for program in both(&github) {
        let report = program.sync(TARGET, 3);
        let documents = program.documents();
        let found: Vec<(&str, &str)> =
            documents.iter().map(|(path, text)| (path.as_str(), text.trim())).collect();
        let expected = [
            ("chain.md", "# Intro 2"),
            ("folder/inner.md", "# Inner"),
            ("index.md", "# Intro 2"),
            ("latest/deep/more.md", "# More"),
            ("latest/intro.md", "# Intro 2"),
            ("note.md", "# Note"),
            ("v2/deep/more.md", "# More"),
            ("v2/intro.md", "# Intro 2"),
        ];
        assert_eq!(found, expected);
        let failures = reasons(&report["failures"]);
        assert_eq!(failures.keys().collect::<Vec<_>>(), ["circle.md", "nothing.md", "v2/up"], "{failures:?}");
        let skipped = reasons(&report["skipped"]);
        assert_eq!(skipped.keys().collect::<Vec<_>>(), ["etc.md", "out.md"], "{skipped:?}");
    }
}

/// Each level is two links to the one below.
#[test]
fn links_that_multiply_are_bounded() {
    let repository = Repository::with(&[("docs/keep.md", "# Keep\n"), ("docs/d00/x.txt", "x\n")]);
    for level in 1..=30 {
        for name in ["a", "b"] {
            repository.link(&format!("docs/d{level:02}/{name}"), &format!("../d{:02}", level - 1));
        }
    }
    repository.commit();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    let report = program.sync(TARGET, 3);
    let failures = reasons(&report["failures"]);
    assert!(failures.values().all(|reason| reason.contains("narrow `path`")), "{failures:?}");
    assert_eq!(program.documents().len(), 1);
}

#[test]
fn the_folder_itself_may_be_a_link() {
    let repository = Repository::with(&[("content/en/a.md", "# A\n")]);
    repository.link("docs", "content/en");
    repository.commit();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    program.sync(TARGET, 0);
    assert!(program.export().contains("/content/en/a.md#L1"), "permalinks lead through no link");
}

#[test]
fn what_the_archive_changes_or_lacks_comes_from_elsewhere() {
    let repository = Repository::empty();
    repository.write(
        ".gitattributes",
        "docs/hidden.md export-ignore\ndocs/version.md export-subst\ndocs/crlf.md text eol=crlf\n",
    );
    repository.write("docs/hidden.md", "# Not in archives\n");
    repository.write("docs/version.md", "# Version $Format:%H$\n");
    repository.write("docs/crlf.md", "# Line\n\nends\n");
    repository.write("docs/plain.md", "# Plain\n");
    repository.commit();
    let github = Miniature::of(&repository);
    let [by_blob, by_archive] = both(&github);
    by_blob.sync(TARGET, 0);
    github.asked();
    assert_eq!(by_archive.sync(TARGET, 0)["documents"]["added"], 4);
    let blobs = github.asked().iter().filter(|it| it.path.contains("git/blobs")).count();
    assert_eq!(blobs, 3);
    assert_eq!(by_archive.export(), by_blob.export());
    assert!(by_archive.documents()["version.md"].contains("$Format:%H$"));
}

#[test]
fn cut_listings_are_completed_folder_by_folder() {
    let repository = Repository::empty();
    for n in 0..60 {
        repository.write(&format!("docs/{}/{}/{n}.md", n % 4, n % 3), format!("# {n}\n"));
    }
    repository.commit();
    let github = Miniature::of(&repository);
    github.cut_trees(20);
    let program = Program::new(&github);
    assert_eq!(program.sync(TARGET, 0)["documents"]["added"], 60);
    // A folder that is cut even by itself: what is indexed below it stays.
    github.cut_trees(4);
    repository.write("docs/0/0/0.md", "# New\n");
    repository.commit();
    let report = program.sync(TARGET, 3);
    assert_eq!(report["documents"]["removed"], 0, "{report}");
    assert!(report["failures"][0]["reason"].as_str().unwrap().contains("only a part"), "{report}");
    assert_eq!(program.documents().len(), 60);
}

#[test]
fn versions_of_one_repository_stand_side_by_side() {
    let repository = Repository::with(&[("docs/a.md", "# One\n"), ("docs/b.md", "# Same\n")]);
    repository.git(&["tag", "v1"]);
    repository.write("docs/a.md", "# Two\n");
    repository.commit();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    let source = |name: &str, reference: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\ngithub = \"acme/docs\"\npath = \"docs\"\nref = \"{reference}\"\nversion = \"{reference}\"\n"
        )
    };
    let config = source("one", "v1") + &source("two", "main");
    std::fs::write(program.folder.path().join("lectern.toml"), config).unwrap();
    assert_eq!(program.run(&["sync"]).code, 0);
    let export = program.export();
    assert_eq!(export.lines().count(), 4);
    assert!(export.contains("# One") && export.contains("# Two"));
    // On the command line the same place keeps its configured name.
    let report = program.sync("github:Acme/Docs/docs@v1", 0);
    assert_eq!(report["source"], "one");
}
