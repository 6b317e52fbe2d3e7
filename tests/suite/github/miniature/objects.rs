//! Commits, trees, blobs and contents, read from a real repository by `git`.

use std::path::Path;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json as value};

use super::answer::{error, json, raw};
use crate::github::repository::git;

pub struct Place<'a> {
    pub folder: &'a Path,
    pub name: &'a str,
    pub rest: &'a str,
    pub query: &'a str,
    pub accept: &'a str,
    pub tree_entries: usize,
}

pub fn answer(place: &Place<'_>) -> Response {
    if place.git(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_none() {
        return error(409, "Git Repository is empty.");
    }
    let (call, argument) = match place.rest {
        rest if rest.starts_with("git/trees/") => ("trees", &rest["git/trees/".len()..]),
        rest if rest.starts_with("git/blobs/") => ("blobs", &rest["git/blobs/".len()..]),
        rest => rest.split_once('/').unwrap_or((rest, "")),
    };
    match call {
        "commits" => place.commit(argument),
        "contents" => place.content(argument),
        "trees" => place.tree(argument),
        "blobs" => place.blob(argument),
        "compare" => place.compare(argument),
        _ => error(404, "Not Found"),
    }
}

impl Place<'_> {
    /// What git prints; `None` if it fails.
    fn git(&self, arguments: &[&str]) -> Option<String> {
        let output = git(self.folder, arguments);
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned())
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    fn commit(&self, reference: &str) -> Response {
        let forms = ["refs/heads/", "refs/tags/", "refs/", ""]
            .map(|prefix| format!("{prefix}{reference}^{{commit}}"));
        let found = forms.iter().find_map(|form| self.git(&["rev-parse", "--verify", "--quiet", form]));
        let Some(sha) = found else { return error(422, &format!("No commit found for SHA: {reference}")) };
        let shown = self.git(&["show", "--no-patch", "--format=%T%n%cI%n%P", &sha]).unwrap();
        let mut lines = shown.lines();
        let (tree, date) = (lines.next().unwrap(), lines.next().unwrap());
        let parents: Vec<Value> =
            lines.next().unwrap_or("").split_whitespace().map(|sha| value!({ "sha": sha })).collect();
        // One page of changed files; 300 are the most there is on one.
        let names = self.git(&["show", "--format=", "--name-only", &sha]).unwrap();
        let per_page: usize = self.query("per_page").map_or(300, |n| n.parse().unwrap());
        let files: Vec<Value> =
            names.lines().take(per_page).map(|name| value!({ "filename": name, "patch": "@@" })).collect();
        json(
            StatusCode::OK,
            &value!({
                "sha": sha,
                "html_url": format!("https://github.com/{}/commit/{sha}", self.name),
                "commit": { "tree": { "sha": tree }, "committer": { "name": "A", "date": date } },
                "parents": parents,
                "files": files,
            }),
        )
    }

    fn content(&self, path: &str) -> Response {
        let reference = self.query("ref").unwrap_or("HEAD");
        let listed = self.git(&["ls-tree", "-l", "-z", reference, path]).unwrap_or_default();
        let Some(entry) = listed.split('\0').find_map(Entry::read) else { return error(404, "Not Found") };
        assert_eq!(self.accept, "application/vnd.github.object+json", "only this form is answered");
        let mut body = value!({ "name": path, "path": path, "sha": entry.sha, "size": entry.size });
        let kind = match entry.mode.as_str() {
            "040000" => "dir",
            "160000" => "submodule",
            "120000" => {
                body["target"] = self.git(&["cat-file", "blob", &entry.sha]).into();
                "symlink"
            }
            _ => "file",
        };
        body["type"] = kind.into();
        if kind == "dir" {
            // At most 1,000 of them, as documented.
            let listed = self.git(&["ls-tree", "-l", "-z", &entry.sha]).unwrap();
            let names = listed.split('\0').filter_map(Entry::read).take(1000);
            body["entries"] = names.map(|it| value!({ "name": it.path, "sha": it.sha })).collect();
        }
        json(StatusCode::OK, &body)
    }

    fn tree(&self, sha: &str) -> Response {
        let mut arguments = vec!["ls-tree", "-l", "-z"];
        if self.query("recursive").is_some() {
            arguments.extend(["-r", "-t"]);
        }
        arguments.push(sha);
        let Some(listed) = self.git(&arguments) else { return error(404, "Not Found") };
        let entries: Vec<Entry> = listed.split('\0').filter_map(Entry::read).collect();
        let truncated = entries.len() > self.tree_entries;
        let tree: Vec<Value> = entries
            .into_iter()
            .take(self.tree_entries)
            .map(|Entry { mode, kind, sha, size, path }| match kind.as_str() {
                "blob" => value!({ "path": path, "mode": mode, "type": kind, "sha": sha, "size": size }),
                _ => value!({ "path": path, "mode": mode, "type": kind, "sha": sha }),
            })
            .collect();
        json(StatusCode::OK, &value!({ "sha": sha, "tree": tree, "truncated": truncated }))
    }

    fn blob(&self, sha: &str) -> Response {
        assert_eq!(self.accept, "application/vnd.github.raw+json", "only this form is answered");
        let output = git(self.folder, &["cat-file", "blob", sha]);
        if output.status.success() { raw(output.stdout) } else { error(404, "Not Found") }
    }

    fn compare(&self, range: &str) -> Response {
        let (base, head) = range.split_once("...").unwrap();
        match self.git(&["rev-list", "--count", &format!("{base}..{head}")]) {
            Some(count) => {
                let count: u64 = count.parse().unwrap();
                json(
                    StatusCode::OK,
                    &value!({ "status": "ahead", "ahead_by": count, "total_commits": count, "commits": [] }),
                )
            }
            None => error(404, "Not Found"),
        }
    }
}

/// A line of `git ls-tree -l -z`.
struct Entry {
    mode: String,
    kind: String,
    sha: String,
    size: u64,
    path: String,
}

impl Entry {
    fn read(line: &str) -> Option<Self> {
        let (meta, path) = line.split_once('\t')?;
        let mut meta = meta.split_whitespace().map(str::to_owned);
        let (mode, kind, sha) = (meta.next()?, meta.next()?, meta.next()?);
        Some(Self { mode, kind, sha, size: meta.next()?.parse().unwrap_or(0), path: path.to_owned() })
    }
}
