use proptest::prelude::*;

use super::*;

fn blob(content: u8) -> BlobSha {
    BlobSha::of(&[content])
}

fn entry(path: &str, content: u8) -> Entry {
    Entry { path: path.into(), blob_sha: blob(content), bytes: 1 }
}

fn known(documents: &[(&str, u8)]) -> Known {
    documents
        .iter()
        .map(|(path, content)| (path.to_string(), KnownDocument { blob_sha: blob(*content), skipped: None }))
        .collect()
}

#[test]
fn equal_content_under_a_new_path_is_a_rename() {
    let plan = plan(&[entry("b.md", 1), entry("c.md", 2)], &known(&[("a.md", 1), ("c.md", 2)]), &[]);
    assert_eq!(plan.renamed, [Rename { from: "a.md".into(), to: entry("b.md", 1) }]);
    assert_eq!(plan.unchanged, ["c.md"]);
    assert!(plan.added.is_empty() && plan.removed.is_empty() && plan.changed.is_empty());
}

#[test]
fn a_copy_is_a_second_document() {
    let plan = plan(&[entry("a.md", 1), entry("b.md", 1)], &known(&[("a.md", 1)]), &[]);
    assert_eq!(plan.added, [entry("b.md", 1)]);
    assert!(plan.renamed.is_empty());
}

#[test]
fn what_cannot_be_read_is_kept() {
    let failures = [Problem { path: "dir".into(), reason: "permission denied".into() }];
    let plan = plan(&[], &known(&[("dir/a.md", 1), ("dir.md", 2)]), &failures);
    assert_eq!(plan.removed, ["dir.md"]);
}

#[test]
fn mass_deletion_is_refused() {
    assert!(refusal(0, 0, 0, 0.5, 10).is_some());
    assert!(refusal(0, 3, 3, 0.5, 10).is_some());
    assert!(refusal(9, 20, 11, 0.5, 10).is_some());
    assert!(refusal(10, 20, 10, 0.5, 10).is_none(), "not more than 10");
    assert!(refusal(80, 100, 20, 0.5, 10).is_none(), "not more than half");
}

fn tree() -> impl Strategy<Value = BTreeMap<String, u8>> {
    prop::collection::btree_map("[a-d](/[a-c])?", 0u8..4, 0..8)
}

proptest! {
    /// Carrying out the plan turns what was known into what is listed, whatever both are.
    #[test]
    fn a_plan_carried_out_gives_the_listing(old in tree(), new in tree()) {
        let mut state: BTreeMap<String, BlobSha> = old.iter().map(|(p, c)| (p.clone(), blob(*c))).collect();
        let known: Known = state.iter().map(|(p, b)| (p.clone(), KnownDocument { blob_sha: b.clone(), skipped: None })).collect();
        let entries: Vec<Entry> = new.iter().map(|(p, c)| entry(p, *c)).collect();
        let plan = plan(&entries, &known, &[]);
        for path in plan.removed.iter().chain(plan.renamed.iter().map(|r| &r.from)) {
            prop_assert!(state.remove(path).is_some(), "{path} was removed twice or never known");
        }
        for entry in plan.added.iter().chain(plan.renamed.iter().map(|r| &r.to)) {
            prop_assert!(state.insert(entry.path.clone(), entry.blob_sha.clone()).is_none());
        }
        for entry in &plan.changed {
            prop_assert!(state.insert(entry.path.clone(), entry.blob_sha.clone()).is_some_and(|old| old != entry.blob_sha));
        }
        let listed: BTreeMap<String, BlobSha> = entries.iter().map(|e| (e.path.clone(), e.blob_sha.clone())).collect();
        prop_assert_eq!(state, listed);
        // No content is fetched that the index already holds.
        for rename in &plan.renamed {
            prop_assert_eq!(&known[&rename.from].blob_sha, &rename.to.blob_sha);
        }
        for added in &plan.added {
            prop_assert!(!plan.removed.iter().any(|path| known[path].blob_sha == added.blob_sha));
        }
    }
}
