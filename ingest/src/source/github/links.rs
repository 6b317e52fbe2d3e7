//! Symlinks: followed within the repository, never out of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt};
use http::StatusCode;

use super::client::Refusal;
use super::listing::{Kind, MAX_HOPS, Node, Repo, join, parent};
use super::select::{Blob, Rules};
use crate::source::Problem;

/// Different link targets read from one repository: each costs a request.
const MAX_TARGETS: usize = 100;

/// Files behind links to folders: links to folders with links could multiply them without end.
const MAX_COPIES: usize = 200_000;

/// A link target is a path; a longer one is none.
const MAX_TARGET_BYTES: u64 = 4096;

/// Requests for link targets at once.
const AT_ONCE: usize = 8;

/// What the links of a listing lead to.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Files, at the path of the link or below it.
    pub(super) files: Vec<(String, Blob)>,
    /// Links that lead out of the repository, or to a submodule.
    pub(super) skipped: Vec<Problem>,
    /// Links to nothing, and in circles.
    pub(super) failures: Vec<Problem>,
}

/// Where one link leads.
enum End {
    File(Blob),
    /// A folder, by its path in the repository, with its tree where it was not listed.
    Folder(String, Option<String>),
    Skipped(&'static str),
    Failed(&'static str),
}

/// Follows the links among `nodes`, which were listed at `root` of `commit`.
pub(super) async fn follow(
    repo: &Repo<'_>,
    commit: &str,
    root: &str,
    nodes: &[Node],
    rules: &Rules,
) -> Result<Followed, Refusal> {
    let mut followed = Followed::default();
    let links: Vec<&Node> =
        nodes.iter().filter(|node| node.kind == Kind::Link && rules.may_lead(&node.path)).collect();
    if links.is_empty() {
        return Ok(followed);
    }
    let full = |path: &str| join(root, path).unwrap_or_default();
    let mut map = Map {
        repo,
        commit,
        root,
        nodes: nodes.iter().map(|node| (full(&node.path), node)).collect(),
        targets: HashMap::new(),
    };
    map.read_targets(&links).await?;
    let mut files: BTreeMap<String, Blob> = nodes
        .iter()
        .filter(|node| node.kind == Kind::File)
        .map(|node| (full(&node.path), Blob { sha: node.sha.clone(), size: node.size }))
        .collect();
    let mut folders = Vec::new();
    for link in links {
        let problem = |reason: &str| Problem { path: link.path.clone(), reason: reason.into() };
        match map.resolve(&full(&link.path)).await? {
            End::File(blob) => {
                files.insert(full(&link.path), blob.clone());
                followed.files.push((link.path.clone(), blob));
            }
            End::Folder(target, tree) => folders.push((link, target, tree)),
            End::Skipped(reason) => followed.skipped.push(problem(reason)),
            End::Failed(reason) => followed.failures.push(problem(reason)),
        }
    }
    let mut copied = 0;
    // Twice, so that a folder behind a link may hold a link to a folder in its turn.
    for _ in 0..2 {
        for (link, target, tree) in &mut folders {
            let path = full(&link.path);
            let below = if target.is_empty() { String::new() } else { format!("{target}/") };
            if format!("{path}/").starts_with(&below) {
                let reason = "a link that leads back to a folder above it".into();
                followed.failures.push(Problem { path: link.path.clone(), reason });
                continue;
            }
            if let Some(sha) = tree.take() {
                let (listed, _) = repo.tree(&sha).await?;
                let listed = listed.into_iter().filter(|node| node.kind == Kind::File);
                files.extend(
                    listed.map(|node| {
                        (format!("{below}{}", node.path), Blob { sha: node.sha, size: node.size })
                    }),
                );
            }
            let copies: Vec<(String, Blob)> = files
                .range(below.clone()..)
                .take_while(|(file, _)| file.starts_with(&below))
                .map(|(file, blob)| (file[below.len()..].to_owned(), blob.clone()))
                .filter(|(rest, _)| !files.contains_key(&format!("{path}/{rest}")))
                .take(MAX_COPIES - copied + 1)
                .collect();
            if copied + copies.len() > MAX_COPIES {
                let reason = format!("links to folders lead to more than {MAX_COPIES} files: narrow `path`");
                followed.failures.push(Problem { path: link.path.clone(), reason });
                continue;
            }
            copied += copies.len();
            for (rest, blob) in copies {
                files.insert(format!("{path}/{rest}"), blob.clone());
                followed.files.push((format!("{}/{rest}", link.path), blob));
            }
        }
    }
    followed.failures.sort();
    followed.failures.dedup();
    Ok(followed)
}

/// What is known of the repository at a commit.
struct Map<'a> {
    repo: &'a Repo<'a>,
    commit: &'a str,
    root: &'a str,
    nodes: HashMap<String, &'a Node>,
    /// Texts of links, by their blob.
    targets: HashMap<String, String>,
}

impl Map<'_> {
    async fn read_targets(&mut self, links: &[&Node]) -> Result<(), Refusal> {
        let wanted: BTreeSet<String> = links.iter().map(|link| link.sha.clone()).collect();
        let read = wanted.into_iter().take(MAX_TARGETS).map(|sha| self.read_target(sha));
        self.targets = futures::stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(())
    }

    async fn read_target(&self, sha: String) -> Result<(String, String), Refusal> {
        let text = self.repo.blob(&sha, MAX_TARGET_BYTES).await?;
        Ok((sha, String::from_utf8_lossy(&text).into_owned()))
    }

    /// Follows the link at `path`, and links on the way, to their end.
    async fn resolve(&mut self, path: &str) -> Result<End, Refusal> {
        let mut place = path.to_owned();
        for _ in 0..MAX_HOPS {
            let next = match self.link_on_the_way(&place) {
                Some((link, sha)) => {
                    let Some(text) = self.target(&sha).await? else {
                        return Ok(End::Failed(
                            "the repository has too many different links: 100 are followed",
                        ));
                    };
                    join(parent(&link), &text)
                        .and_then(|to| join(&to, place[link.len()..].trim_start_matches('/')))
                }
                None => match self.look(&place).await? {
                    Ok(end) => return Ok(end),
                    Err(text) => join(parent(&place), &text),
                },
            };
            match next {
                Some(next) => place = next,
                None => return Ok(End::Skipped("a link that leads out of the repository")),
            }
        }
        Ok(End::Failed("a link that leads in circles"))
    }

    /// The first link that is passed on the way to `place`, and its blob.
    fn link_on_the_way(&self, place: &str) -> Option<(String, String)> {
        let ends = place.match_indices('/').map(|(at, _)| at).chain([place.len()]);
        ends.map(|end| &place[..end]).find_map(|prefix| {
            let node = self.nodes.get(prefix).filter(|node| node.kind == Kind::Link)?;
            Some((prefix.to_owned(), node.sha.clone()))
        })
    }

    async fn target(&mut self, sha: &str) -> Result<Option<String>, Refusal> {
        if !self.targets.contains_key(sha) && self.targets.len() < MAX_TARGETS {
            let (sha, text) = self.read_target(sha.to_owned()).await?;
            self.targets.insert(sha, text);
        }
        Ok(self.targets.get(sha).cloned())
    }

    /// What is at `place`; the text of the link, if it is one outside of what was listed.
    async fn look(&self, place: &str) -> Result<Result<End, String>, Refusal> {
        let nothing = Ok(End::Failed("a link to nothing"));
        match self.nodes.get(place) {
            Some(node) => {
                return Ok(Ok(match node.kind {
                    Kind::File => End::File(Blob { sha: node.sha.clone(), size: node.size }),
                    Kind::Submodule => End::Skipped("a link into a submodule"),
                    _ => End::Folder(place.to_owned(), None),
                }));
            }
            None if place == self.root => return Ok(Ok(End::Folder(place.to_owned(), None))),
            None if self.root.is_empty() || place.starts_with(&format!("{}/", self.root)) => {
                return Ok(nothing);
            }
            None => {}
        }
        let content = match self.repo.content(self.commit, place).await {
            Ok(content) => content,
            Err(Refusal::Status(StatusCode::NOT_FOUND, _)) => return Ok(nothing),
            Err(refusal) => return Err(refusal),
        };
        Ok(match (content.kind.as_str(), content.target) {
            ("symlink", Some(text)) => Err(text),
            ("file", _) => Ok(End::File(Blob { sha: content.sha, size: content.size })),
            ("dir", _) => Ok(End::Folder(place.to_owned(), Some(content.sha))),
            _ => Ok(End::Skipped("a link into a submodule")),
        })
    }
}
