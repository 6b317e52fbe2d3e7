//! Mending an index in Qdrant.

use std::collections::BTreeSet;

use lectern_index::document::SourceName;
use lectern_index::head::Head;
use lectern_index::qdrant::points::{self, Build, field};
use qdrant_client::qdrant::{
    DeletePointsBuilder, Filter, PointsIdsList, RetrievedPoint, SetPayloadPointsBuilder, Value,
};

use super::mark;
use crate::exit::Failure;
use crate::ledger;
use crate::store::WriteError;
use crate::store::qdrant::{QdrantStore, Role};
use crate::verify::{Difference, Findings, Kind, vectors};

/// Mends what lies in Qdrant and the ledger, and marks the documents that must be indexed again.
/// Returns their sources, with the settings they were indexed with.
pub(super) async fn mend(
    store: &QdrantStore,
    findings: &Findings,
) -> Result<Vec<(SourceName, Option<String>)>, Failure> {
    let failed = |error| store.ledger().error(error);
    let has = |kind: Kind| findings.differences.iter().any(|difference| difference.kind == kind);
    let mut again: BTreeSet<SourceName> = BTreeSet::new();
    for (role, state) in store.builds().await? {
        let build = &state.build;
        if role == Role::Kept {
            continue;
        }
        for head in &state.heads {
            let concerns = |kinds: &[Kind]| {
                let one = |found: &Difference| {
                    found.source.as_ref() == Some(&head.source) && kinds.contains(&found.kind)
                };
                findings.differences.iter().any(one)
            };
            // What is not in the ledger, or lost its document, is found to be new.
            if concerns(&[Kind::Ledger, Kind::Orphan]) {
                again.insert(head.source.clone());
            }
            if has(Kind::Orphan) {
                sweep(store, build, head).await?;
                store
                    .clean(store.collection(&build.fingerprint).name(), &head.source, head.generation)
                    .await?;
            }
            if has(Kind::Ledger) {
                restore(store, build, head).await?;
            }
            if has(Kind::Head) || has(Kind::Orphan) {
                recount(store, build, head).await?;
            }
        }
        let mut gone = Vec::new();
        for difference in &findings.differences {
            let Some(source) = difference.source.clone().filter(|source| state.head(source).is_none()) else {
                continue;
            };
            match difference.kind {
                // Whether it is to be there again is for the next sync to say.
                Kind::Ledger => gone.push(source),
                // Nothing of it can be read: it is indexed again.
                _ => again.extend([source]),
            }
        }
        let mut db = store.ledger().pool().begin().await.map_err(failed)?;
        for source in gone {
            ledger::forget(&mut db, &build.fingerprint, &source).await.map_err(failed)?;
        }
        if let (true, Some(embedder), Some(dimensions)) =
            (has(Kind::Vector), &build.embedder, build.dimensions)
        {
            vectors::forget_damaged(&mut db, embedder.as_str(), dimensions).await.map_err(failed)?;
        }
        for difference in &findings.differences {
            let (Some(source), Some(path)) = (&difference.source, &difference.path) else { continue };
            if matches!(difference.kind, Kind::Document | Kind::Vector) {
                mark(&mut db, &build.fingerprint, difference, source, path).await.map_err(failed)?;
                again.insert(source.clone());
            }
        }
        db.commit().await.map_err(failed)?;
    }
    let mut db = store.ledger().pool().acquire().await.map_err(failed)?;
    let mut origins = Vec::new();
    for source in again {
        let origin = ledger::origin(&mut db, &source).await.map_err(failed)?;
        origins.push((source, origin));
    }
    Ok(origins)
}

/// Restores the ledger of every build from Qdrant, and the vectors; returns how many documents it
/// knows.
pub(crate) async fn rebuild_ledger(store: &QdrantStore) -> Result<u64, WriteError> {
    let mut documents = 0;
    for (_, state) in store.builds().await? {
        for head in &state.heads {
            documents += restore(store, &state.build, head).await?;
        }
        if let Some(embedder) = &state.build.embedder {
            store.keep_vectors(&state.build, embedder).await?;
        }
    }
    Ok(documents)
}

async fn restore(store: &QdrantStore, build: &Build, head: &Head) -> Result<u64, WriteError> {
    let failed = |error| store.ledger().error(error);
    let documents = store.recorded(&build.fingerprint, head).await?;
    let mut db = store.ledger().pool().begin().await.map_err(failed)?;
    ledger::restore(&mut db, &build.fingerprint, head, &documents).await.map_err(failed)?;
    db.commit().await.map_err(failed)?;
    Ok(documents.len() as u64)
}

/// Deletes the chunks of documents that are not there.
async fn sweep(store: &QdrantStore, build: &Build, head: &Head) -> Result<(), WriteError> {
    let collection = store.collection(&build.fingerprint);
    let paths = store.client().call(|_| collection.paths(&head.source, head.generation)).await?;
    let paths: BTreeSet<String> = paths.into_iter().map(|(path, _)| path).collect();
    let of_source = || vec![points::of(&head.source), points::is("chunk")];
    let chunks = store.client().call(|_| collection.scroll(Filter::must(of_source()), &[field::PATH], false));
    let path = |point: RetrievedPoint| point.payload.get(field::PATH)?.as_str().cloned();
    let lost: BTreeSet<String> = chunks.await?.into_iter().filter_map(path).collect();
    for path in lost.difference(&paths) {
        let mut filter = of_source();
        filter.push(points::matches(field::PATH, path));
        let delete = DeletePointsBuilder::new(collection.name()).points(Filter::must(filter)).wait(true);
        store.client().delete(delete.build()).await?;
    }
    Ok(())
}

/// Makes a head count what is there.
async fn recount(store: &QdrantStore, build: &Build, head: &Head) -> Result<(), WriteError> {
    let collection = store.collection(&build.fingerprint);
    let (documents, chunks) = store.counts(collection.name(), &head.source, head.generation).await?;
    let counts = [("documents", documents), ("chunks", chunks)];
    let counts = counts.map(|(name, count)| (name.to_owned(), Value::from(count as i64)));
    let set = SetPayloadPointsBuilder::new(collection.name(), counts)
        .points_selector(PointsIdsList { ids: vec![points::head_id(&head.source)] })
        .wait(true);
    store.client().set(set.build()).await
}
