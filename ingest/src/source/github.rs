//! A folder of a GitHub repository as a source.
//!
//! A run pins the ref to a commit with its first request, and everything after that is about that
//! commit: a push in the meantime is the next run's business. As little is asked as possible:
//!
//! | | requests |
//! |---|---|
//! | nothing new | 1: the ref |
//! | something new | + 1 for the folder, + 1 for its tree, + 1 to count the commits |
//! | few files changed | + 1 for each, at most 8 at once |
//! | many changed, or nobody is logged in | + 2 for the archive |
//!
//! Retries, links and folders that GitHub cuts cost more.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use lectern_index::chunk::Hash;
use lectern_index::config::GithubSettings;
use lectern_index::document::SourceName;
use lectern_index::head::Repository;
use tokio::sync::mpsc;

use self::answers::Commit;
use self::client::{Client, Refusal};
use self::credentials::Credentials;
use self::explain::{Asked, explain};
use self::fetch::Wanted;
use self::listing::{MAX_HOPS, Repo, join, parent};
use self::location::Location;
use self::select::Rules;
use crate::source::folder::globs;
use crate::source::{Entry, Fetched, Listing, Snapshot, Source, SourceError, Usage};

pub mod address;
mod answers;
mod archive;
mod client;
pub mod credentials;
mod deadline;
mod explain;
mod fetch;
mod limits;
mod links;
mod listing;
pub mod location;
mod select;

/// Where the API is unless something else is said.
const GITHUB: &str = "https://api.github.com";

/// The variable by which GitHub's own tools are pointed at another server.
const API_URL: &str = "GITHUB_API_URL";

/// A folder of a repository at a ref.
pub struct Github {
    name: SourceName,
    location: Location,
    rules: Rules,
    described: String,
    client: Client,
    max_archive_bytes: u64,
}

/// What of a repository's files is wanted.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Globs of the files that count, relative to the location's path.
    pub include: Vec<String>,
    /// Globs of the files among them that do not.
    pub exclude: Vec<String>,
    /// Larger files are reported, not read.
    pub max_file_bytes: u64,
}

impl Github {
    /// A source at `location`. Secrets, and the API's address where `settings` have none, are read
    /// from `variable`. Fails if something of it cannot be used: a glob, an address, a key.
    pub fn new(
        name: SourceName,
        location: Location,
        selection: &Selection,
        settings: &GithubSettings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let base = settings.base_url.clone().or_else(|| variable(API_URL)).filter(|url| !url.is_empty());
        let base = base.unwrap_or_else(|| GITHUB.to_owned());
        let address = base.trim_end_matches('/').parse::<http::Uri>().ok();
        let address = address.filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        let Some(address) = address else {
            return Err("github.base_url (or GITHUB_API_URL) is no address of an API: write https://HOST/api/v3, without a name or password".into());
        };
        let credentials = Credentials::read(settings, variable)?;
        let client = Client::new(
            address,
            credentials,
            Duration::from_secs(settings.timeout_seconds),
            Duration::from_secs(settings.deadline_seconds),
        )?;
        let rules = Rules {
            include: globs(&selection.include).map_err(|error| error.to_string())?,
            exclude: globs(&selection.exclude).map_err(|error| error.to_string())?,
            max_file_bytes: selection.max_file_bytes,
        };
        let described = format!("github {base} {location} {:?} {selection:?}", location.path);
        Ok(Self { name, location, rules, described, client, max_archive_bytes: settings.max_archive_bytes })
    }

    fn repo(&self) -> Repo<'_> {
        Repo { client: &self.client, location: &self.location }
    }

    fn error(&self, refusal: Refusal, asked: Asked<'_>) -> SourceError {
        let reason = explain(refusal, &self.location, self.client.credentials(), asked);
        SourceError { name: self.name.clone(), reason }
    }

    /// The folder that is listed, links on the way followed, and its tree.
    async fn folder(&self, commit: &Commit) -> Result<(String, String), SourceError> {
        let mut path = self.location.path.clone();
        for _ in 0..MAX_HOPS {
            if path.is_empty() {
                return Ok((path, commit.commit.tree.sha.clone()));
            }
            let content = self.repo().content(&commit.sha, &path).await;
            let content = content.map_err(|refusal| self.error(refusal, Asked::Folder(&path)))?;
            path = match (content.kind.as_str(), content.target) {
                ("dir", _) => return Ok((path, content.sha)),
                ("symlink", Some(target)) => join(parent(&path), &target).unwrap_or_else(|| "..".into()),
                (kind, _) => {
                    let reason = format!("{path:?} is a {kind}, not a folder: name the folder in `path`");
                    return Err(self.error(Refusal::Unreachable(reason), Asked::Folder(&path)));
                }
            };
            if path == ".." {
                break;
            }
        }
        let reason = format!("{:?} is a link that leads to no folder of the repository", self.location.path);
        Err(self.error(Refusal::Unreachable(reason), Asked::Folder(&path)))
    }

    async fn snapshot(&self, commit: Commit, known: Option<&str>) -> Result<Snapshot, SourceError> {
        let (path, tree) = self.folder(&commit).await?;
        let repo = self.repo();
        let other = |what| move |refusal| self.error(refusal, Asked::Other(what));
        let (nodes, failures) = repo.tree(&tree).await.map_err(other("the list of files"))?;
        let links = links::follow(&repo, &commit.sha, &path, &nodes, &self.rules).await;
        let links = links.map_err(other("what a link leads to"))?;
        let mut snapshot = Snapshot { failures, skipped: links.skipped, ..Snapshot::default() };
        snapshot.failures.extend(links.failures);
        select::select(&self.rules, &nodes, links.files, &mut snapshot);
        if let Some(known) = known {
            let next = commit.parents.len() == 1 && commit.parents[0].sha == known;
            snapshot.commits_behind = if next { Some(1) } else { repo.ahead(known, &commit.sha).await };
            // One commit further, it is what changed everything that changed. Further than that, to
            // ask would cost a request for each document.
            snapshot.updated_at = commit.commit.committer.and_then(|by| by.date).filter(|_| next);
        }
        snapshot.repository =
            Some(Repository { url: web(&commit.html_url, &commit.sha, &self.location), path });
        snapshot.commit = Some(commit.sha);
        Ok(snapshot)
    }
}

#[async_trait]
impl Source for Github {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn settings(&self) -> String {
        Hash::of(self.described.as_bytes()).to_string()
    }

    async fn list(&self, known: Option<&str>) -> Result<Listing, SourceError> {
        self.client.begin();
        let commit = match self.repo().commit().await {
            Ok(commit) => commit,
            // A repository without any commit: nothing to list, and nothing wrong with it.
            Err(Refusal::Status(http::StatusCode::CONFLICT, _)) => {
                return Ok(Listing::Snapshot(Snapshot::default()));
            }
            Err(refusal) => return Err(self.error(refusal, Asked::Reference)),
        };
        if known == Some(commit.sha.as_str()) {
            return Ok(Listing::Unchanged);
        }
        self.snapshot(commit, known).await.map(Listing::Snapshot)
    }

    fn fetch<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        entries: Vec<Entry>,
    ) -> BoxStream<'a, Result<Fetched, SourceError>> {
        let mut wanted: Wanted = BTreeMap::new();
        for entry in entries {
            wanted.entry(entry.blob_sha.clone()).or_default().push(entry);
        }
        // One document ahead: while one is worked on, the next is fetched.
        let (sender, mut receiver) = mpsc::channel(1);
        let work = async move {
            let commit = snapshot.commit.as_deref().unwrap_or("HEAD");
            let done = fetch::deliver(&self.repo(), commit, wanted, self.max_archive_bytes, &sender).await;
            if let Err(refusal) = done {
                let _ = sender.send(Err(self.error(refusal, Asked::Other("files")))).await;
            }
        };
        let contents = stream::poll_fn(move |context| receiver.poll_recv(context));
        let work = stream::once(work).filter_map(|()| std::future::ready(None));
        stream::select(contents, work).boxed()
    }

    fn usage(&self) -> Option<Usage> {
        Some(self.client.usage())
    }
}

/// The repository's page, from a commit's: also right on Enterprise, and after a rename.
fn web(commit_page: &str, sha: &str, location: &Location) -> String {
    let page = commit_page.strip_suffix(&format!("/commit/{sha}"));
    match page.filter(|page| page.starts_with("https://") || page.starts_with("http://")) {
        Some(page) => page.to_owned(),
        None => format!("https://github.com/{location}"),
    }
}
