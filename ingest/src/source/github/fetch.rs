//! The contents of files: blob by blob where few are wanted, out of the archive where many are.
//! Every content is what its SHA-1 says, whichever way it came.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;
use lectern_index::document::BlobSha;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::archive::{self, ArchiveError, Bounds};
use super::client::{Body, Patience, Refusal, chain};
use super::deadline::Deadline;
use super::listing::Repo;
use crate::source::{Entry, Fetched, SourceError};

/// Up to this many different blobs are asked for one by one. Higher: more of the hour's requests;
/// lower: whole archives for a few changed files.
const FEW: usize = 100;

/// Requests for blobs at once. GitHub's secondary limits turn on who sends more.
const AT_ONCE: usize = 8;

/// Times a blob is asked for if what comes is not what its SHA-1 says.
const TRIES: usize = 3;

/// Packed pieces on their way to the decoder.
const PIECES: usize = 8;

/// What is wanted: content, and the documents that have it.
pub(super) type Wanted = BTreeMap<BlobSha, Vec<Entry>>;

/// Where contents go.
pub(super) type Sender = mpsc::Sender<Result<Fetched, SourceError>>;

/// Sends everything that is wanted to `sender`, each entry once.
pub(super) async fn deliver(
    repo: &Repo<'_>,
    commit: &str,
    mut wanted: Wanted,
    max_archive_bytes: u64,
    sender: &Sender,
) -> Result<(), Refusal> {
    let few = repo.client.credentials().known() && wanted.len() <= FEW;
    if !few && !wanted.is_empty() {
        from_archive(repo, commit, &mut wanted, max_archive_bytes, sender).await?;
    }
    // What the archive lacks or has otherwise (export-ignore, export-subst, line ends).
    one_by_one(repo, wanted, sender).await
}

async fn one_by_one(repo: &Repo<'_>, wanted: Wanted, sender: &Sender) -> Result<(), Refusal> {
    let blobs = wanted.into_iter().map(|(sha, entries)| async move {
        let content = one(repo, &sha, entries.first().map_or(0, |entry| entry.bytes)).await;
        (entries, content)
    });
    let mut blobs = futures::stream::iter(blobs).buffer_unordered(AT_ONCE);
    while let Some((entries, content)) = blobs.next().await {
        repo.client.deadline().put_off(send(sender, entries, content?)).await;
    }
    Ok(())
}

/// One blob; the inner error concerns it alone.
async fn one(repo: &Repo<'_>, sha: &BlobSha, bytes: u64) -> Result<Result<Vec<u8>, String>, Refusal> {
    for _ in 0..TRIES {
        match repo.blob(sha.as_str(), bytes).await {
            Ok(content) if BlobSha::of(&content) == *sha => return Ok(Ok(content)),
            Ok(_) => tracing::debug!(%sha, "a blob is not what its SHA-1 says"),
            Err(Refusal::Status(status, message))
                if matches!(status, StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY)
                    || message.contains("too large") =>
            {
                return Ok(Err(format!(
                    "GitHub does not give out its content ({} {message})",
                    status.as_u16()
                )));
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(Err("GitHub's content of it is not what its SHA-1 says: sync again later".into()))
}

/// Takes what is wanted out of the archive of a commit. Tried again as long as each try finds
/// something new; what is found is not wanted any more.
async fn from_archive(
    repo: &Repo<'_>,
    commit: &str,
    wanted: &mut Wanted,
    max_bytes: u64,
    sender: &Sender,
) -> Result<(), Refusal> {
    let mut patience = Patience::default();
    let bounds = Bounds { bytes: max_bytes, entries: 2_000_000, ratio: 400 };
    loop {
        let before = wanted.len();
        let body = repo
            .client
            .open(&repo.route(&format!("tarball/{commit}")), "application/vnd.github+json", &mut patience)
            .await?;
        match unpack(body, bounds, repo.client.deadline(), wanted, sender).await {
            Ok(()) => return Ok(()),
            Err(ArchiveError::Bomb(reason)) => {
                return Err(Refusal::Unreachable(format!(
                    "the archive of {commit} is not read any further: {reason}; if that is meant, raise github.max_archive_bytes"
                )));
            }
            Err(ArchiveError::Broken(reason)) => {
                if wanted.len() < before {
                    patience = Patience::default();
                }
                repo.client
                    .again(&mut patience, &format!("the archive of {commit} was cut: {reason}"))
                    .await?;
            }
        }
    }
}

/// Reads one archive as it arrives. At most a few pieces of it and one file are in memory.
async fn unpack(
    body: Body,
    bounds: Bounds,
    deadline: &Deadline,
    wanted: &mut Wanted,
    sender: &Sender,
) -> Result<(), ArchiveError> {
    let sizes: BTreeSet<u64> = wanted.values().flatten().map(|entry| entry.bytes).collect();
    let (pieces, incoming) = mpsc::channel(PIECES);
    let (files, mut found) = mpsc::channel::<(BlobSha, Vec<u8>)>(1);
    let enough = Arc::new(AtomicBool::new(false));
    let stop = enough.clone();
    let decoder = tokio::task::spawn_blocking(move || {
        let going = || !stop.load(Ordering::Relaxed);
        let incoming = Pieces { incoming, current: Bytes::new(), stop: &stop };
        let result = archive::read(
            incoming,
            bounds,
            |size| going() && sizes.contains(&size),
            |content| files.blocking_send((BlobSha::of(&content), content)).is_ok() && going(),
        );
        if going() { result } else { Ok(()) }
    });
    let take = async {
        while let Some((sha, content)) = found.recv().await {
            if let Some(entries) = wanted.remove(&sha) {
                deadline.put_off(send(sender, entries, Ok(content))).await;
            }
            if wanted.is_empty() {
                enough.store(true, Ordering::Relaxed);
                break;
            }
        }
        drop(found);
    };
    tokio::join!(feed(body, deadline.length(), pieces), take);
    decoder.await.unwrap_or_else(|error| Err(ArchiveError::Broken(error.to_string())))
}

/// Passes the body on, piece by piece, until it ends or nobody listens. The deadline is on waiting
/// for GitHub alone: whoever embeds what comes out may take as long as it takes.
async fn feed(mut body: Body, deadline: Duration, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut left = deadline;
    loop {
        let asked = Instant::now();
        let piece = match tokio::time::timeout(left, body.frame()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_) => continue,
            },
            Ok(Some(Err(error))) => Err(io::Error::other(chain(&error))),
            Err(_) => Err(io::Error::other("it took longer than github.deadline_seconds")),
        };
        left = left.saturating_sub(asked.elapsed());
        let last = piece.is_err();
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}

/// What arrives, for a reader that blocks.
struct Pieces<'a> {
    incoming: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    stop: &'a AtomicBool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("nothing more is wanted"));
            }
            match self.incoming.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.current = piece?,
            }
        }
        let read = buffer.len().min(self.current.len());
        buffer[..read].copy_from_slice(&self.current.split_to(read));
        Ok(read)
    }
}

/// Sends one content to every document that has it. A receiver that is gone wants nothing more: the
/// whole work is dropped with it.
async fn send(sender: &Sender, mut entries: Vec<Entry>, content: Result<Vec<u8>, String>) {
    let last = entries.pop();
    for entry in entries {
        let _ = sender.send(Ok(Fetched { entry, content: content.clone() })).await;
    }
    if let Some(entry) = last {
        let _ = sender.send(Ok(Fetched { entry, content })).await;
    }
}
