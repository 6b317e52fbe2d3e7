//! Runs the real `lectern-ingest` against the miniature, and looks for secrets in everything that it
//! writes.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::miniature::Miniature;
use super::repository::files;
use crate::programs::program;

/// What every secret of these tests contains, so that none is overlooked.
pub const MARKS: [&str; 3] = ["TESTSECRET", "CODELOADSECRET", "PRIVATE KEY"];

/// The token of most tests.
pub const TOKEN: &str = "ghp_TESTSECRETtoken";

/// An index and how to sync into it.
pub struct Program {
    pub folder: TempDir,
    url: String,
    environment: Vec<(String, String)>,
}

/// How a run ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// A program that asks `github`, as nobody, and logs everything.
    pub fn anonymous(github: &Miniature) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: github.url(), environment: Vec::new() }
    }

    /// The same with a token, which the miniature expects.
    pub fn new(github: &Miniature) -> Self {
        github.expect_token(TOKEN);
        Self::anonymous(github).with("GITHUB_TOKEN", TOKEN)
    }

    /// Sets a variable of the environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs a command to its end. Panics if a secret is found in anything that was written.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let ended = Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        self.assert_no_secret(&ended);
        ended
    }

    /// The command, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("lectern-ingest"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GITHUB_API_URL", &self.url)
            .env("LECTERN_LOG", "trace,sqlx=info")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Syncs `github:acme/docs…` and gives the one source's report. Panics unless it ends with `code`.
    pub fn sync(&self, target: &str, code: i32) -> Value {
        self.sync_with(target, &[], code)
    }

    /// The same with more arguments.
    pub fn sync_with(&self, target: &str, more: &[&str], code: i32) -> Value {
        let mut arguments = vec!["sync", target, "--json", "--index", "lectern.db"];
        arguments.extend(more);
        let ended = self.run(&arguments);
        assert_eq!(ended.code, code, "{}\n{}", ended.stdout, ended.stderr);
        let report: Value = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
        report["sources"][0].clone()
    }

    /// All that is published, one JSON object a line.
    pub fn export(&self) -> String {
        let ended = self.run(&["export", "--index", "lectern.db"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout
    }

    /// Path and text of every document.
    pub fn documents(&self) -> std::collections::BTreeMap<String, String> {
        let mut documents = std::collections::BTreeMap::<String, String>::new();
        for line in self.export().lines() {
            let chunk: Value = serde_json::from_str(line).unwrap();
            let path = chunk["path"].as_str().unwrap().to_owned();
            documents.entry(path).or_default().push_str(chunk["text"].as_str().unwrap());
        }
        documents
    }

    fn assert_no_secret(&self, ended: &Ended) {
        for mark in MARKS {
            assert!(!ended.stdout.contains(mark), "a secret on stdout: {}", ended.stdout);
            assert!(!ended.stderr.contains(mark), "a secret on stderr: {}", ended.stderr);
            for file in files(self.folder.path()) {
                // Keys and configurations that the test itself wrote are where secrets belong.
                if file.extension().is_some_and(|ending| ending == "pem") {
                    continue;
                }
                let content = std::fs::read(&file).unwrap();
                let found = content.windows(mark.len()).any(|window| window == mark.as_bytes());
                assert!(!found, "a secret in {}", file.display());
            }
        }
    }
}
