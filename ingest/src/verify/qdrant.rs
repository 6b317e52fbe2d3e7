//! Verifies an index in Qdrant, and the ledger beside it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use lectern_index::analyse;
use lectern_index::chunk::ChunkId;
use lectern_index::head::Head;
use lectern_index::qdrant::points::{self, Build, ChunkPoint, field};
use lectern_index::search::StoredDocument;
use qdrant_client::qdrant::{Condition, Filter, Range};

use super::{Findings, Kind, document, vectors};
use crate::store::WriteError;
use crate::store::qdrant::{QdrantStore, Role};

/// Documents read at once.
const AT_ONCE: usize = 8;

/// What one document was found to be.
struct Looked {
    path: String,
    blob_sha: String,
    ids: Vec<ChunkId>,
    problems: Vec<(Kind, String)>,
}

/// Verifies everything that is published in the builds that are served or being filled.
pub(crate) async fn verify(store: &QdrantStore) -> Result<Findings, WriteError> {
    let mut findings = Findings::default();
    if store.state(&store.served()).await?.is_none() {
        findings.add(
            None,
            None,
            Kind::Head,
            "nothing is served: the next sync that completes a build serves it",
        );
    }
    for (role, state) in store.builds().await? {
        if role == Role::Kept {
            continue;
        }
        let mut db = store.ledger().pool().acquire().await.map_err(|error| store.ledger().error(error))?;
        let known = crate::ledger::sources(&mut db, &state.build.fingerprint).await;
        for name in known.map_err(|error| store.ledger().error(error))? {
            if state.head(&name).is_some() {
                continue;
            }
            let collection = store.collection(&state.build.fingerprint);
            let left = store.client().count(collection.name(), Filter::must([points::of(&name)])).await?;
            let (kind, reason) = match left {
                0 => (
                    Kind::Ledger,
                    "the ledger knows it, the index has nothing of it: it was pruned, or is lost",
                ),
                _ => (Kind::Head, "the ledger knows it, the index has no head of it"),
            };
            findings.add(Some(&name), None, kind, reason);
        }
        drop(db);
        for head in &state.heads {
            source(store, &state.build, head, &mut findings).await?;
        }
    }
    Ok(findings)
}

async fn source(
    store: &QdrantStore,
    build: &Build,
    head: &Head,
    findings: &mut Findings,
) -> Result<(), WriteError> {
    let name = Some(&head.source);
    let collection = store.collection(&build.fingerprint);
    let paths = store.client().call(|_| collection.paths(&head.source, head.generation)).await?;
    let looked = futures::stream::iter(paths).map(|(path, _)| look(store, build, head, path));
    let looked: Vec<Looked> = looked.buffered(AT_ONCE).try_collect().await?;
    let mut indexed = BTreeMap::new();
    let mut chunks = 0;
    for Looked { path, blob_sha, ids, problems } in looked {
        for (kind, detail) in problems {
            findings.add(name, Some(&path), kind, detail);
        }
        chunks += ids.len() as u64;
        indexed.insert(path, (blob_sha, ids));
    }
    findings.documents += indexed.len() as u64;
    findings.chunks += chunks;
    let counted = store.counts(collection.name(), &head.source, head.generation).await?;
    if counted != (indexed.len() as u64, chunks) {
        let detail = format!(
            "{} documents and {} chunks are there, {} documents with {chunks} chunks can be read",
            counted.0,
            counted.1,
            indexed.len()
        );
        findings.add(name, None, Kind::Orphan, detail);
    } else if (head.documents, head.chunks) != counted {
        let detail = format!(
            "the head counts {} documents and {} chunks, there are {} and {chunks}",
            head.documents,
            head.chunks,
            indexed.len()
        );
        findings.add(name, None, Kind::Head, detail);
    }
    let staged = Range { gt: Some(head.generation as f64), ..Range::default() };
    let staged = [points::of(&head.source), Condition::range(field::FROM, staged)];
    match store.client().count(collection.name(), Filter::must(staged)).await? {
        0 => {}
        n => findings.add(name, None, Kind::Orphan, format!("{n} staged points of a sync that did not end")),
    }
    let mut db = store.ledger().pool().acquire().await.map_err(|error| store.ledger().error(error))?;
    super::ledger(&mut db, &build.fingerprint, head, &indexed, findings)
        .await
        .map_err(|error| store.ledger().error(error))
}

/// Reads a document with its vectors, and says what differs.
async fn look(store: &QdrantStore, build: &Build, head: &Head, path: String) -> Result<Looked, WriteError> {
    let collection = store.collection(&build.fingerprint);
    let stored = store.client().call(|_| collection.document_as_it_is(head, &path)).await?;
    let chunks = store.client().call(|_| collection.chunks(head, &path, build.embedder.is_some())).await?;
    let ids: Vec<ChunkId> = chunks.iter().filter_map(|(id, ..)| points::read_chunk_id(id)).collect();
    let mut problems = Vec::new();
    let mut blob_sha = String::new();
    if let Some(stored) = &stored {
        let details = document::check(stored, &ids, &build.fingerprint, &build.chunk);
        problems.extend(details.into_iter().map(|detail| (Kind::Document, detail)));
        blob_sha = stored.document.blob_sha.to_string();
        if let Some(detail) = canary(store, build, head, stored).await? {
            problems.push((Kind::Document, detail));
        }
    }
    for (_, ChunkPoint { chunk, text_hash, .. }, vector) in &chunks {
        let mut say =
            |kind, detail: String| problems.push((kind, format!("chunk {}: {detail}", chunk.ordinal)));
        if *text_hash != chunk.text_hash().to_string() {
            say(Kind::Document, "its text does not have the recorded hash".into());
        }
        let Some(dimensions) = build.dimensions else { continue };
        let blank = chunk.searchable().trim().is_empty();
        let bytes =
            |numbers: &Vec<f32>| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        match vector.as_ref().map(bytes) {
            None if blank => {}
            None => say(Kind::Vector, "has no vector".into()),
            Some(bytes) => {
                if let Some(defect) = vectors::defect(&bytes, dimensions) {
                    say(Kind::Vector, defect);
                }
            }
        }
    }
    Ok(Looked { path, blob_sha, ids, problems })
}

/// A query made of a document's own first words must find it.
async fn canary(
    store: &QdrantStore,
    build: &Build,
    head: &Head,
    stored: &StoredDocument,
) -> Result<Option<String>, WriteError> {
    let telling =
        stored.chunks.iter().map(|chunk| analyse::analysed(&chunk.text)).find(|terms| !terms.is_empty());
    let Some(terms) = telling else { return Ok(None) };
    let terms: Vec<&str> = terms.split(' ').take(8).collect();
    let collection = store.collection(&build.fingerprint);
    let path = &stored.document.path;
    let found = store.client().call(|_| collection.finds(head, path, &terms)).await?;
    Ok((!found).then(|| "a search for its own words does not find it".into()))
}
