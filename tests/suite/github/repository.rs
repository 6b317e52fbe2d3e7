//! Real git repositories, made by the `git` command.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A repository with a work tree, gone when dropped.
pub struct Repository {
    folder: TempDir,
    commits: std::cell::Cell<u64>,
}

impl Repository {
    /// An empty one, whose default branch will be `main`.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Self { folder, commits: std::cell::Cell::new(0) };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// One with these files in one commit.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self::empty();
        for (path, content) in files {
            repository.write(path, content);
        }
        repository.commit();
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        let to = self.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.path().join(from), to).unwrap();
    }

    pub fn link(&self, path: &str, target: &str) {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        symlink(target, file).unwrap();
    }

    /// Puts a submodule at `path`, into the next commit.
    pub fn submodule(&self, path: &str) {
        let entry = format!("160000,0123456789012345678901234567890123456789,{path}");
        self.git(&["update-index", "--add", "--cacheinfo", &entry]);
        // An empty folder is what a clone without its submodules has: `git add` leaves the entry alone.
        std::fs::create_dir_all(self.path().join(path)).unwrap();
    }

    /// Commits everything; each commit is a minute after the one before. Returns its SHA.
    pub fn commit(&self) -> String {
        self.commits.set(self.commits.get() + 1);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs git here; panics if it fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        let minute = 1_700_000_000 + 60 * self.commits.get();
        let output = command(self.path())
            .args(arguments)
            .env("GIT_AUTHOR_DATE", format!("{minute} +0000"))
            .env("GIT_COMMITTER_DATE", format!("{minute} +0000"))
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Runs git in a repository's folder.
pub fn git(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A git that no configuration of the machine changes.
pub fn command(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_COMMITTER_NAME", "A")
        .env("GIT_COMMITTER_EMAIL", "a@example.org")
        .args(["-c", "gc.auto=0", "-c", "core.autocrlf=false"]);
    git
}

/// All files of a folder, deep.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}
