//! Pruning an index in Qdrant.

use std::collections::BTreeSet;

use lectern_index::config::Config;
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::qdrant::State;
use lectern_index::qdrant::points::{self, Point};
use qdrant_client::qdrant::{DeleteCollectionBuilder, DeletePointsBuilder, Filter};
use sqlx::SqliteConnection;

use super::Pruned;
use crate::exit::{Exit, Failure};
use crate::store::WriteError;
use crate::store::qdrant::{QdrantStore, Role};
use crate::{cli, ledger};

/// Removes what `options` names. What is removed of Qdrant goes first: a run that is cut short finds
/// the ledger as it was, and is run again.
pub(super) async fn prune(
    store: &QdrantStore,
    config: &Config,
    options: &cli::Prune,
    current: &Fingerprint,
) -> Result<Pruned, Failure> {
    let mut pruned = Pruned::default();
    if options.builds {
        pruned.builds = builds(store, current).await?;
    }
    if options.sources {
        pruned.sources = sources(store, config).await?;
    }
    if options.cache {
        (pruned.vectors, pruned.summaries) = cache(store).await?;
    }
    Ok(pruned)
}

/// Serves the build that was served before; its fingerprint, if there is one.
pub(super) async fn rollback(store: &QdrantStore) -> Result<Option<String>, WriteError> {
    let builds = store.builds().await?.into_iter();
    let kept = builds.filter(|(role, _)| *role == Role::Kept).map(|(_, state)| state.build);
    let Some(build) = kept.max_by(|a, b| a.served_at.cmp(&b.served_at)) else { return Ok(None) };
    store.serve(&build.fingerprint).await?;
    Ok(Some(build.fingerprint.to_string()))
}

async fn builds(store: &QdrantStore, current: &Fingerprint) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    let builds = store.builds().await?;
    if builds.iter().all(|(role, _)| *role != Role::Serving) {
        return Err(Failure::new(
            Exit::Refused,
            "no build is served, so --builds could remove the one that was: run `lectern-ingest sync`, which serves a complete one, then prune; nothing was removed",
        ));
    }
    for (role, State { build, .. }) in builds {
        match role {
            Role::Serving => continue,
            Role::Filling if build.fingerprint == *current => continue,
            Role::Filling | Role::Kept => {}
        }
        store.check_lease().await?;
        let collection = store.collection(&build.fingerprint);
        let delete = DeleteCollectionBuilder::new(collection.name()).build();
        let deleted =
            store.client().send(delete, |qdrant, old| async move { qdrant.delete_collection(old).await });
        deleted.await?;
        let mut db = store.ledger().pool().begin().await.map_err(|error| store.ledger().error(error))?;
        super::forget_build(&mut db, build.fingerprint.as_str())
            .await
            .map_err(|error| store.ledger().error(error))?;
        db.commit().await.map_err(|error| store.ledger().error(error))?;
        removed.push(build.fingerprint.to_string());
    }
    Ok(removed)
}

async fn sources(store: &QdrantStore, config: &Config) -> Result<Vec<SourceName>, WriteError> {
    let builds = store.builds().await?;
    let failed = |error| store.ledger().error(error);
    // Of those whose removal was cut short only the ledger knows.
    let mut db = store.ledger().pool().acquire().await.map_err(failed)?;
    let mut gone = BTreeSet::new();
    for (_, State { build, heads }) in &builds {
        gone.extend(heads.iter().map(|head| head.source.clone()));
        gone.extend(ledger::sources(&mut db, &build.fingerprint).await.map_err(failed)?);
    }
    drop(db);
    gone.retain(|name| config.source.iter().all(|settings| settings.name != *name));
    for name in &gone {
        store.check_lease().await?;
        for (_, state) in &builds {
            let collection = store.collection(&state.build.fingerprint);
            // The head first: from then on nobody is shown a part of the source.
            for filter in [vec![points::of(name), points::is("head")], vec![points::of(name)]] {
                let delete =
                    DeletePointsBuilder::new(collection.name()).points(Filter::must(filter)).wait(true);
                store.client().delete(delete.build()).await?;
            }
        }
        let mut db = store.ledger().pool().begin().await.map_err(|error| store.ledger().error(error))?;
        super::forget_source(&mut db, name).await.map_err(|error| store.ledger().error(error))?;
        db.commit().await.map_err(|error| store.ledger().error(error))?;
    }
    Ok(gone.into_iter().collect())
}

/// Forgets the vectors and summaries of texts that no build has; returns how many.
async fn cache(store: &QdrantStore) -> Result<(u64, u64), WriteError> {
    let failed = |error| store.ledger().error(error);
    let mut db = store.ledger().pool().begin().await.map_err(failed)?;
    let make = "CREATE TEMP TABLE used (embedder TEXT NOT NULL, text_hash BLOB NOT NULL, PRIMARY KEY (embedder, text_hash))";
    sqlx::query(make).execute(&mut *db).await.map_err(failed)?;
    for (_, state) in store.builds().await? {
        let Some(embedder) = &state.build.embedder else { continue };
        let collection = store.collection(&state.build.fingerprint);
        let mut next = None;
        loop {
            let filter = Filter::must([points::is("chunk")]);
            let page = store.client().call(|_| collection.page(filter.clone(), &[], false, next.clone()));
            let (page, after) = page.await?;
            for point in page {
                let Ok(Point::Chunk(point)) = Point::read(point.payload) else { continue };
                note(&mut db, embedder.as_str(), point.chunk.text_hash().as_bytes()).await.map_err(failed)?;
            }
            next = after;
            if next.is_none() {
                break;
            }
        }
    }
    let unused = "DELETE FROM vectors WHERE NOT EXISTS \
                  (SELECT 1 FROM used WHERE used.embedder = vectors.embedder AND used.text_hash = vectors.text_hash)";
    let vectors = sqlx::query(unused).execute(&mut *db).await.map_err(failed)?.rows_affected();
    let unused = "DELETE FROM summaries WHERE blob_sha NOT IN (SELECT blob_sha FROM ledger_documents)";
    let summaries = sqlx::query(unused).execute(&mut *db).await.map_err(failed)?.rows_affected();
    sqlx::query("DROP TABLE used").execute(&mut *db).await.map_err(failed)?;
    db.commit().await.map_err(failed)?;
    Ok((vectors, summaries))
}

async fn note(db: &mut SqliteConnection, embedder: &str, text_hash: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR IGNORE INTO used VALUES (?, ?)")
        .bind(embedder)
        .bind(text_hash)
        .execute(db)
        .await
        .map(drop)
}
