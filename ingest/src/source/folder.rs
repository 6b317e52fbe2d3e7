//! A folder as a source. Every file is read and hashed on every run: time stamps lie (checkouts,
//! restores, clocks), hashes do not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use lectern_index::chunk::Hash;
use lectern_index::document::{BlobSha, SourceName};
use rayon::prelude::*;

use crate::source::{Entry, Fetched, Listing, Problem, Snapshot, Source, SourceError};

/// A folder of documents.
pub struct Folder {
    name: SourceName,
    root: PathBuf,
    include: Vec<String>,
    exclude: Vec<String>,
    globs: (GlobSet, GlobSet),
    max_file_bytes: u64,
}

impl Folder {
    /// A folder at `root`. Fails if a glob is malformed.
    pub fn new(
        name: SourceName,
        root: PathBuf,
        include: &[String],
        exclude: &[String],
        max_file_bytes: u64,
    ) -> anyhow::Result<Self> {
        let globs = (globs(include)?, globs(exclude)?);
        Ok(Self { name, root, include: include.to_vec(), exclude: exclude.to_vec(), globs, max_file_bytes })
    }

    fn error(&self, reason: impl std::fmt::Display) -> SourceError {
        SourceError { name: self.name.clone(), reason: reason.to_string() }
    }

    /// All files that count, hashed.
    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        let root = self.root.canonicalize().map_err(|error| {
            self.error(format!("the folder {} cannot be read: {error}", self.root.display()))
        })?;
        if !root.is_dir() {
            return Err(self.error(format!("{} is not a folder", self.root.display())));
        }
        let mut found = self.walk(&root);
        let hashed: Vec<(String, Result<_, String>)> = std::mem::take(&mut found.files)
            .into_par_iter()
            .map(|(path, file)| (path, hash(&file, self.max_file_bytes)))
            .collect();
        let mut snapshot = Snapshot::default();
        for (path, hashed) in hashed {
            match hashed {
                Ok((blob_sha, bytes)) => snapshot.entries.push(Entry { path, blob_sha, bytes }),
                Err(reason) => found.failures.push(Problem { path, reason }),
            }
        }
        found.failures.sort();
        found.failures.dedup();
        found.skipped.sort();
        snapshot.failures = found.failures;
        snapshot.skipped = found.skipped;
        Ok(snapshot)
    }

    fn walk(&self, root: &Path) -> Found {
        let (inside, outside) = (root.to_owned(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
        let escaped = outside.clone();
        let mut walk = WalkBuilder::new(root);
        walk.follow_links(true).require_git(false).ignore(false).filter_entry(move |entry| {
            // A link that leads out of the root would publish what nobody chose to publish.
            let leads_out = entry.path_is_symlink()
                && entry.path().canonicalize().is_ok_and(|target| !target.starts_with(&inside));
            if leads_out && let Ok(mut outside) = escaped.lock() {
                outside.push(entry.path().to_owned());
            }
            !leads_out
        });
        let mut found = Found::default();
        for entry in walk.build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    self.consider(root, entry.path(), &mut found);
                }
                Ok(_) => {}
                Err(error) => found.failures.extend(self.walk_error(root, &error)),
            }
        }
        let outside = outside.lock().map(|paths| paths.clone()).unwrap_or_default();
        for path in outside {
            if let Ok(path) = relative(root, &path)
                && (self.counts(&path) || !path.contains('.'))
            {
                found.skipped.push(Problem { path, reason: "a link that leads out of the folder".into() });
            }
        }
        found
    }

    fn consider(&self, root: &Path, file: &Path, found: &mut Found) {
        match relative(root, file) {
            Ok(path) if self.counts(&path) => {
                found.files.insert(path, file.to_owned());
            }
            Ok(_) => {}
            Err(lossy) if self.counts(&lossy) => {
                let reason = "the file name is not UTF-8: rename the file".into();
                found.failures.push(Problem { path: lossy, reason });
            }
            Err(_) => {}
        }
    }

    fn counts(&self, path: &str) -> bool {
        self.globs.0.is_match(path) && !self.globs.1.is_match(path)
    }

    /// Errors of the walk, with the path they concern.
    fn walk_error(&self, root: &Path, error: &ignore::Error) -> Option<Problem> {
        match error {
            ignore::Error::WithPath { path, err } => {
                let path = relative(root, path).unwrap_or_else(|lossy| lossy);
                match &**err {
                    ignore::Error::Loop { .. } => None,
                    // A link to nowhere concerns us only if it is called like a document.
                    ignore::Error::Io(io)
                        if io.kind() == std::io::ErrorKind::NotFound && !self.counts(&path) =>
                    {
                        None
                    }
                    other => Some(Problem { path, reason: plain(other) }),
                }
            }
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
                self.walk_error(root, err)
            }
            ignore::Error::Loop { child, .. } => {
                let path = relative(root, child).unwrap_or_else(|lossy| lossy);
                Some(Problem { path, reason: "a link that leads back to a folder above it".into() })
            }
            ignore::Error::Partial(errors) => errors.iter().find_map(|error| self.walk_error(root, error)),
            other => Some(Problem { path: String::new(), reason: plain(other) }),
        }
    }
}

/// What a walk finds, by relative path.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, PathBuf>,
    skipped: Vec<Problem>,
    failures: Vec<Problem>,
}

#[async_trait]
impl Source for Folder {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn settings(&self) -> String {
        let described = format!("folder {:?} {:?} {}", self.include, self.exclude, self.max_file_bytes);
        Hash::of(described.as_bytes()).to_string()
    }

    async fn list(&self, _known: Option<&str>) -> Result<Listing, SourceError> {
        tokio::task::block_in_place(|| self.snapshot()).map(Listing::Snapshot)
    }

    fn fetch<'a>(
        &'a self,
        _snapshot: &'a Snapshot,
        entries: Vec<Entry>,
    ) -> BoxStream<'a, Result<Fetched, SourceError>> {
        futures::stream::iter(entries)
            .map(move |mut entry| {
                let content =
                    tokio::task::block_in_place(|| read(&self.root.join(&entry.path), self.max_file_bytes));
                if let Ok(content) = &content {
                    entry.blob_sha = BlobSha::of(content);
                    entry.bytes = content.len() as u64;
                }
                Ok(Fetched { entry, content })
            })
            .boxed()
    }
}

/// Compiles globs. Fails if one is malformed.
pub(super) fn globs(patterns: &[String]) -> anyhow::Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(Glob::new(pattern)?);
    }
    Ok(builder.build()?)
}

/// The path below `root` with `/` between its parts; the lossy form where it is not UTF-8.
fn relative(root: &Path, path: &Path) -> Result<String, String> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| below.to_string_lossy().into_owned())
}

fn hash(file: &Path, max_bytes: u64) -> Result<(BlobSha, u64), String> {
    let content = read(file, max_bytes)?;
    Ok((BlobSha::of(&content), content.len() as u64))
}

/// Reads a file of at most `max_bytes`; never more than that, even if it grows meanwhile.
fn read(file: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let open = File::open(file).map_err(|error| io_reason(&error))?;
    let bytes = open.metadata().map_err(|error| io_reason(&error))?.len();
    let mut content = Vec::with_capacity(bytes.min(max_bytes) as usize + 1);
    open.take(max_bytes + 1).read_to_end(&mut content).map_err(|error| io_reason(&error))?;
    if content.len() as u64 > max_bytes {
        return Err(format!("larger than {max_bytes} bytes: raise sync.max_file_bytes, or exclude it"));
    }
    Ok(content)
}

fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        std::io::ErrorKind::NotFound => "cannot be read: it vanished, or is a link to nothing".into(),
        _ => format!("cannot be read: {error}"),
    }
}

fn plain(error: &ignore::Error) -> String {
    match error.io_error() {
        Some(io) => io_reason(io),
        None => error.to_string(),
    }
}
