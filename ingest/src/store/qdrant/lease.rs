//! One writer at a time, whichever machine it is on: a lease in a collection of its own, taken and
//! renewed by conditional writes, which Qdrant carries out one after another.
//!
//! It ends by itself a minute after its holder was last heard of. Who has the same ledger has the
//! same name, so after a kill the next sync on that machine takes it over at once; the lock file
//! keeps two processes there apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use lectern_index::config::IndexSettings;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, FieldType,
    Filter, GetPointsBuilder, NamedVectors, PointId, PointStruct, Range, SparseVectorParamsBuilder,
    SparseVectorsConfigBuilder, UpsertPointsBuilder, Value,
};
use tokio::task::JoinHandle;

use super::client::{Client, one_after_another};
use super::layout::replicated;
use crate::exit::Failure;
use crate::store::WriteError;

/// How long a lease lasts after it was renewed. Shorter: a writer that is only slow loses it. Longer:
/// where a machine was lost, its successor waits.
const LASTS: Duration = Duration::from_secs(60);

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(15);

/// The only point of the collection.
const POINT: u64 = 1;

/// The right to write, kept until it is given back or lost.
pub(super) struct Lease {
    held: Held,
    lost: Arc<AtomicBool>,
    renewing: JoinHandle<()>,
}

#[derive(Clone)]
struct Held {
    client: Client,
    collection: String,
    holder: String,
}

impl Lease {
    /// Takes the lease of the index `name` for `holder`; exit code 7 where another one has it.
    pub(super) async fn take(
        client: &Client,
        name: &str,
        holder: String,
        settings: &IndexSettings,
    ) -> Result<Self, Failure> {
        let held = Held { client: client.clone(), collection: format!("{name}__lease"), holder };
        held.make(settings).await?;
        if let Some(until) = held.renew().await? {
            return Err(client.locked(&until));
        }
        let lost = Arc::new(AtomicBool::new(false));
        let renewing = tokio::spawn(held.clone().keep(lost.clone()));
        Ok(Self { held, lost, renewing })
    }

    /// Fails where it is not ours any more: asked right before something becomes visible.
    pub(super) async fn check(&self) -> Result<(), WriteError> {
        let theirs = match self.lost.load(Ordering::Relaxed) {
            true => Some("now".to_owned()),
            false => self.held.renew().await?,
        };
        match theirs {
            None => Ok(()),
            Some(_) => Err(self.held.client.failure(
                "is being written by another lectern-ingest, which took over while this one could not reach it: nothing was published",
            )),
        }
    }

    /// Gives it back. Where that fails it ends by itself.
    pub(super) async fn release(&self) {
        self.renewing.abort();
        let Held { client, collection, holder } = &self.held;
        if !self.lost.load(Ordering::Relaxed) {
            let ours = Filter::must([Condition::matches("holder", holder.clone())]);
            let delete = DeletePointsBuilder::new(collection).points(ours).wait(true);
            if let Err(error) = client.qdrant().delete_points(delete).await {
                tracing::debug!("the lease was not given back: {error}");
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Held {
    /// Makes the collection, where there is none, with as many copies as the index has: it is to be
    /// there when the index is.
    async fn make(&self, settings: &IndexSettings) -> Result<(), WriteError> {
        let name = &self.collection;
        let mut none = SparseVectorsConfigBuilder::default();
        none.add_named_vector_params("none", SparseVectorParamsBuilder::default());
        let create = CreateCollectionBuilder::new(name).sparse_vectors_config(none).shard_number(1);
        self.client.create(replicated(create, settings).build()).await?;
        for (field, kind) in [("holder", FieldType::Keyword), ("until", FieldType::Integer)] {
            let index = CreateFieldIndexCollectionBuilder::new(name, field, kind).wait(true).build();
            self.client
                .call(|qdrant| {
                    let index = index.clone();
                    async move { qdrant.create_field_index(index).await }
                })
                .await?;
        }
        Ok(())
    }

    /// Takes or prolongs it; until when another one has it, where that is so.
    async fn renew(&self) -> Result<Option<String>, WriteError> {
        let now = Utc::now();
        let until = now.timestamp() + LASTS.as_secs() as i64;
        let payload = [("holder", self.holder.clone().into()), ("until", until.into())];
        let payload = payload.map(|(name, value): (&str, Value)| (name.to_owned(), value));
        let point =
            PointStruct::new(POINT, NamedVectors::default(), std::collections::HashMap::from(payload));
        let free = Filter::should([
            Condition::matches("holder", self.holder.clone()),
            Condition::range("until", Range { lt: Some(now.timestamp() as f64), ..Range::default() }),
        ]);
        let take = UpsertPointsBuilder::new(&self.collection, vec![point])
            .update_filter(free)
            .ordering(one_after_another())
            .wait(true)
            .build();
        self.client.upsert(take).await?;
        let point = vec![PointId::from(POINT)];
        let get = GetPointsBuilder::new(&self.collection, point).with_payload(true).build();
        let found = self.client.get(get).await?;
        let payload = found.into_iter().next().map(|point| point.payload).unwrap_or_default();
        if payload.get("holder").and_then(Value::as_str) == Some(&self.holder) {
            return Ok(None);
        }
        let until = payload.get("until").and_then(Value::as_integer).unwrap_or_default();
        let until = DateTime::from_timestamp(until, 0).unwrap_or(now);
        Ok(Some(until.to_rfc3339_opts(SecondsFormat::Secs, true)))
    }

    /// Prolongs it until it is lost. Where Qdrant cannot be reached it may not be: whoever publishes
    /// looks.
    async fn keep(self, lost: Arc<AtomicBool>) {
        loop {
            tokio::time::sleep(RENEWED).await;
            if let Ok(Some(_)) = self.renew().await {
                lost.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}
