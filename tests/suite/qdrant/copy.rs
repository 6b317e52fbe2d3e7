//! Backups as lines, which any index loads.

use super::contract::fill;
use super::{in_qdrant, on_each};
use crate::ingest::workspace::page;

#[test]
fn a_backup_brings_everything_back_into_either_index() {
    on_each(|place, workspace| {
        fill(&workspace, 12);
        workspace.synced(&[]);
        let whole = workspace.export();
        assert_eq!(workspace.run(&["backup", "copy.jsonl"]).0, 0, "{place}");
        assert_eq!(workspace.run(&["backup", "copy.jsonl"]).0, 2, "{place}: never overwritten");
        workspace.write("part0/page0000.md", page(0, 1));
        workspace.remove("part1/page0001.md");
        workspace.synced(&[]);
        assert_ne!(workspace.export(), whole);
        let (code, out, error) = workspace.run(&["restore", "copy.jsonl"]);
        assert_eq!(code, 0, "{place}: {out}{error}");
        assert_eq!(workspace.export(), whole, "{place}");
        workspace.verified();
        // The next sync notices what changed since.
        let synced = workspace.synced(&[]);
        assert_eq!(
            (&synced["documents"]["changed"], &synced["documents"]["removed"]),
            (&1.into(), &1.into())
        );
        assert_eq!(workspace.export(), workspace.fresh_export(), "{place}");

        let copy = std::fs::read_to_string(workspace.root().join("copy.jsonl")).expect("the backup");
        let cut: String =
            copy.lines().take(copy.lines().count() - 3).map(|line| format!("{line}\n")).collect();
        std::fs::write(workspace.root().join("cut.jsonl"), cut).expect("a file");
        let current = workspace.export();
        let (code, _, error) = workspace.run(&["restore", "cut.jsonl"]);
        assert!(code == 2 && error.contains("cut off"), "{place}: {error}");
        assert_eq!(workspace.export(), current, "{place}: a part is not published");
        let lines = |from: usize| copy.lines().skip(from).map(|line| format!("{line}\n"));
        let changed = [
            copy.replace("version0", "version9"),
            copy.lines().take(copy.lines().count() - 1).map(|line| format!("{line}\n")).collect(),
            format!("{copy}\n"),
            format!("{copy}{copy}"),
            lines(0).take(3).chain(lines(2)).collect(),
        ];
        for bad in changed {
            std::fs::write(workspace.root().join("bad.jsonl"), bad).expect("a file");
            let (code, _, error) = workspace.run(&["restore", "bad.jsonl"]);
            assert!(code == 2 && error.contains("bad.jsonl"), "{place}: {error}");
            assert_eq!(workspace.export(), current, "{place}: nothing of it is published");
        }
    });
}

#[test]
fn a_database_is_no_backup_for_qdrant() {
    in_qdrant(|workspace| {
        std::fs::write(workspace.root().join("old.db"), b"SQLite format 3\0 and so on").expect("a file");
        let (code, _, error) = workspace.run(&["restore", "old.db"]);
        assert!(code == 2 && error.contains("copy --from"), "{error}");
    });
}
