//! A temporary folder with documents and an index of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::programs;

/// Documents in `docs`, an index beside them; both gone when dropped.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    /// A file or a URL.
    index: PathBuf,
}

impl Workspace {
    /// With these documents.
    pub(crate) fn new(documents: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self { index: folder.path().join("lectern.db"), folder };
        std::fs::create_dir(workspace.docs()).expect("a folder");
        for (path, text) in documents {
            workspace.write(path, text);
        }
        workspace
    }

    /// With `n` documents of a few sections each, no two alike.
    pub(crate) fn with_documents(n: usize) -> Self {
        let workspace = Self::new(&[]);
        for i in 0..n {
            workspace.write(&format!("part{}/page{i:04}.md", i % 7), page(i, 0));
        }
        workspace
    }

    /// With its index elsewhere; the ledger stays in the folder.
    pub(crate) fn with_index(self, url: String) -> Self {
        Self { index: url.into(), ..self }
    }

    /// With no documents, and an index in a folder of its own.
    pub(crate) fn with_index_in(folder: &str) -> Self {
        let mut workspace = Self::new(&[]);
        let folder = workspace.root().join(folder);
        std::fs::create_dir(&folder).expect("a folder");
        workspace.index = folder.join("lectern.db");
        workspace
    }

    /// Everything lies below it.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The documents.
    pub(crate) fn docs(&self) -> PathBuf {
        self.root().join("docs")
    }

    /// The index: a file or a URL.
    pub(crate) fn index(&self) -> PathBuf {
        self.index.clone()
    }

    /// Writes a document.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.docs().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a written file");
    }

    /// Removes a document.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.docs().join(path)).expect("a file to remove");
    }

    /// A command of `lectern-ingest` on this index.
    pub(crate) fn ingest(&self, arguments: &[&str]) -> Command {
        let mut command = programs::command("lectern-ingest");
        command.args(arguments).arg("--index").arg(self.index()).current_dir(self.root());
        command
    }

    /// Exit code, stdout and stderr of a command on this index.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        programs::text(programs::run(&mut self.ingest(arguments)))
    }

    /// Syncs `docs` and gives exit code and report.
    pub(crate) fn sync(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["sync", "docs", "--json"];
        all.extend(arguments);
        let (code, out, error) = self.run(&all);
        let report =
            serde_json::from_str(&out).unwrap_or_else(|_| panic!("not one JSON object: {out:?}\n{error}"));
        (code, report)
    }

    /// Syncs `docs`, which must go well, and gives the source's report.
    pub(crate) fn synced(&self, arguments: &[&str]) -> Value {
        let (code, report) = self.sync(arguments);
        assert_eq!(code, 0, "{report}");
        report["sources"][0].clone()
    }

    /// Everything that is published.
    pub(crate) fn export(&self) -> String {
        let (code, out, error) = self.run(&["export"]);
        assert_eq!(code, 0, "{error}");
        out
    }

    /// `verify` finds nothing.
    pub(crate) fn verified(&self) {
        let (code, out, error) = self.run(&["verify"]);
        assert_eq!(code, 0, "{out}{error}");
    }

    /// What a fresh index of the documents as they are now exports.
    pub(crate) fn fresh_export(&self) -> String {
        let fresh = self.root().join("fresh.db");
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", fresh.display()));
        }
        let mut sync = programs::command("lectern-ingest");
        sync.args(["sync", "docs", "--index"]).arg(&fresh).current_dir(self.root());
        let (code, _, error) = programs::text(programs::run(&mut sync));
        assert_eq!(code, 0, "{error}");
        let mut export = programs::command("lectern-ingest");
        programs::text(programs::run(export.args(["export", "--index"]).arg(&fresh))).1
    }
}

/// A page with sections, paragraphs, a list and code; `version` changes its text.
pub(crate) fn page(i: usize, version: usize) -> String {
    let mut text =
        format!("---\ntitle: Page {i}\n---\n\n# Page {i}\n\nversion{version} of page{i} begins.\n\n");
    for section in 0..3 {
        text.push_str(&format!(
            "## Section {section} of {i}\n\nThe function `handle_{i}_{section}` is called when request {section} arrives. \
             It reads the header, checks the length and answers in version{version}.\n\n- first item {i}\n- second item {section}\n\n\
             ```rust\nfn handle_{i}_{section}() -> u32 {{ {version} }}\n```\n\n"
        ));
    }
    text
}
