//! One writer at a time, whichever machine it is on: a lease in a collection of its own, taken and
//! renewed by conditional writes, which Qdrant carries out one after another.
//!
//! It ends by itself a minute after its holder was last heard of. Its holder is named after the lock
//! file that keeps two processes on a machine apart, so after a kill the next sync there takes it over
//! at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use lectern_index::config::IndexSettings;
use lectern_index::qdrant::points;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, FieldType,
    Filter, GetPointsBuilder, NamedVectors, PointId, PointStruct, Range, SetPayloadPointsBuilder,
    SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpsertPointsBuilder, Value,
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

/// For how long after a renewal a call may begin: it, and a difference of clocks, end before the lease.
const TRUSTED: Duration = Duration::from_secs(30);

/// What is said to a writer whose lease another one has.
pub(super) const TAKEN: &str = "is being written by another lectern-ingest, which took over while this one could not reach it: nothing was published";

/// The right to write, kept until it is given back or lost.
pub(super) struct Lease {
    held: Held,
    renewing: JoinHandle<()>,
}

/// The lease of this process, for when it is told to stop.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// Gives back the lease that this process holds, if any: for a process that is told to stop in the
/// middle of its work.
pub async fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(held) = held {
        held.release().await;
    }
}

/// What a writer knows of its lease without asking.
pub(super) struct Fence {
    renewed: Mutex<Instant>,
    lost: AtomicBool,
}

/// Whether a call may begin.
pub(super) enum Right {
    /// Nobody else writes before it ends.
    Held,
    /// It was not renewed for too long.
    Uncertain,
    /// Somebody else has it.
    Lost,
}

impl Fence {
    pub(super) fn right(&self) -> Right {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        match self.lost.load(Ordering::Relaxed) {
            true => Right::Lost,
            false if renewed.elapsed() < TRUSTED => Right::Held,
            false => Right::Uncertain,
        }
    }
}

#[derive(Clone)]
struct Held {
    client: Client,
    collection: String,
    holder: String,
    /// This process.
    run: String,
    fence: Arc<Fence>,
}

impl Lease {
    /// Takes the lease of the index `name` for `holder`; exit code 7 where another one has it.
    pub(super) async fn take(
        client: &Client,
        name: &str,
        holder: String,
        settings: &IndexSettings,
    ) -> Result<Self, Failure> {
        let fence = Arc::new(Fence { renewed: Mutex::new(Instant::now()), lost: AtomicBool::new(false) });
        let held = Held {
            client: client.clone(),
            collection: format!("{name}__lease"),
            holder,
            run: uuid::Uuid::now_v7().to_string(),
            fence,
        };
        held.make(settings).await?;
        // Before it is: a process that is stopped meanwhile gives back what it may have.
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        if let Some(until) = held.take().await? {
            return Err(client.locked(&until));
        }
        let renewing = tokio::spawn(held.clone().keep());
        Ok(Self { held, renewing })
    }

    /// What its holder knows of it.
    pub(super) fn fence(&self) -> Arc<Fence> {
        self.held.fence.clone()
    }

    /// Fails where it is not ours any more: asked right before something becomes visible, since the
    /// clock that the fence reads stands still while a machine is suspended.
    pub(super) async fn check(&self) -> Result<(), WriteError> {
        match self.held.renew().await? {
            None => Ok(()),
            Some(_) => Err(self.held.client.failure(TAKEN)),
        }
    }

    /// Gives it back. Where that fails it ends by itself.
    pub(super) async fn release(&self) {
        self.renewing.abort();
        HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.held.release().await;
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
        for (field, kind) in
            [("holder", FieldType::Keyword), ("run", FieldType::Keyword), ("until", FieldType::Integer)]
        {
            let index = CreateFieldIndexCollectionBuilder::new(name, field, kind).wait(true);
            self.client.index(index.build()).await?;
        }
        Ok(())
    }

    async fn release(&self) {
        let Held { client, collection, run, fence, .. } = self;
        if !fence.lost.load(Ordering::Relaxed) {
            let ours = Filter::must([points::matches("run", run)]);
            let delete = DeletePointsBuilder::new(collection).points(ours).wait(true);
            if let Err(error) = client.qdrant().delete_points(delete).await {
                tracing::debug!("the lease was not given back: {error}");
            }
        }
    }

    /// Takes it where nobody has it, or whoever did held the same lock: that one was killed. Until when
    /// another one has it, where that is so.
    async fn take(&self) -> Result<Option<String>, WriteError> {
        let (now, asked) = (Utc::now(), Instant::now());
        let payload = [
            ("holder", self.holder.as_str().into()),
            ("run", self.run.as_str().into()),
            ("until", until(now).into()),
        ];
        let payload = payload.map(|(name, value): (&str, Value)| (name.to_owned(), value));
        let point =
            PointStruct::new(POINT, NamedVectors::default(), std::collections::HashMap::from(payload));
        let free = Filter::should([
            points::matches("holder", &self.holder),
            Condition::range("until", Range { lt: Some(now.timestamp() as f64), ..Range::default() }),
        ]);
        let take = UpsertPointsBuilder::new(&self.collection, vec![point])
            .update_filter(free)
            .ordering(one_after_another())
            .wait(true)
            .build();
        self.client.upsert(take).await?;
        self.look(asked).await
    }

    /// Prolongs it, if nobody took it in between, even if they have given it back.
    async fn renew(&self) -> Result<Option<String>, WriteError> {
        let (now, asked) = (Utc::now(), Instant::now());
        let payload = [("until".to_owned(), Value::from(until(now)))];
        let renew = SetPayloadPointsBuilder::new(&self.collection, payload)
            .points_selector(Filter::must([points::matches("run", &self.run)]))
            .ordering(one_after_another())
            .wait(true)
            .build();
        self.client.set(renew).await?;
        self.look(asked).await
    }

    /// Whether it is this run's since `asked`; until when another one has it, where that is so.
    async fn look(&self, asked: Instant) -> Result<Option<String>, WriteError> {
        let point = vec![PointId::from(POINT)];
        let get = GetPointsBuilder::new(&self.collection, point).with_payload(true).build();
        let found = self.client.get(get).await?;
        let payload = found.into_iter().next().map(|point| point.payload).unwrap_or_default();
        if payload.get("run").and_then(Value::as_str) == Some(&self.run) {
            *self.fence.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
            return Ok(None);
        }
        self.fence.lost.store(true, Ordering::Relaxed);
        match payload.get("until").and_then(Value::as_integer) {
            Some(until) => {
                let until = DateTime::from_timestamp(until, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
                Ok(Some(until.to_rfc3339_opts(SecondsFormat::Secs, true)))
            }
            None if payload.is_empty() => Err(self.client.failure(TAKEN)),
            None => Err(self.client.failure(format!(
                "cannot be written: the collection {} is not Lectern's, and it keeps there who writes; choose another index.collection, or move that away",
                self.collection
            ))),
        }
    }

    /// Prolongs it until it is lost.
    async fn keep(self) {
        loop {
            tokio::time::sleep(RENEWED).await;
            // Where it cannot be asked for it may be ours still.
            let _ = self.renew().await;
            if self.fence.lost.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// When a lease that is taken or renewed now ends, in seconds.
fn until(now: DateTime<Utc>) -> i64 {
    now.timestamp() + LASTS.as_secs() as i64
}
