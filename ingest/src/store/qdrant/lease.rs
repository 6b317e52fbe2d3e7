//! One writer at a time, whichever machine it is on: a lease in a collection of its own, taken, renewed
//! and given back by writes that Qdrant carries out one after another, each on the condition that the
//! lease is still that of the run it was of (compare and swap). So what a writer sent before it was
//! stopped does nothing when it arrives after the lease was given back.
//!
//! It ends by itself a minute after its holder was last heard of. Its holder is named after the lock
//! file that keeps two processes on a machine apart, so after a kill the next sync there takes it over
//! at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use lectern_index::config::IndexSettings;
use lectern_index::qdrant::points;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, FieldType, Filter,
    GetPointsBuilder, NamedVectors, PointId, PointStruct, SetPayloadPointsBuilder, SparseVectorParamsBuilder,
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

/// How soon it is renewed after that took too long, and asked for where nothing was changed.
const AGAIN: Duration = Duration::from_millis(500);

/// The only point of the collection.
const POINT: u64 = 1;

/// For how long after a renewal a call may begin: it, and a difference of clocks, end before the lease.
const TRUSTED: Duration = Duration::from_secs(30);

/// For how long it is tried to give a lease back. Longer: who stops a writer waits where Qdrant does not
/// answer. Shorter: over a bad network the next writer waits until the lease ends.
const GIVING_BACK: Duration = Duration::from_secs(3);

/// What is said to a writer whose lease another one has.
pub(super) const TAKEN: &str = "is being written by another lectern-ingest, which took over while this one could not reach it: nothing was published";

/// The right to write, kept until it is given back or lost.
pub(super) struct Lease {
    held: Held,
    renewing: JoinHandle<()>,
}

/// The lease of this process, for when it is told to stop.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// Gives back the lease that this process holds or was about to take, if any: for a process that is told
/// to stop in the middle of its work. Takes no more than some seconds: where Qdrant does not answer the
/// lease ends by itself.
pub async fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
    /// Somebody else has it, or it was given back.
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
    /// What it was when this run asked for it.
    from: Option<State>,
    fence: Arc<Fence>,
}

/// What Qdrant has of a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    holder: String,
    /// `None` where it was never taken.
    run: Option<String>,
    /// When it ends, in seconds since 1970; 0 where it was given back.
    until: i64,
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
            from: None,
            fence,
        };
        held.make(settings).await?;
        let held = held.take().await?;
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
        self.held.renew().await
    }

    /// Gives it back. Where that fails it ends by itself.
    pub(super) async fn release(&self) {
        self.renewing.abort();
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
    /// there when the index is. One of something else is refused, and nothing in it is changed.
    async fn make(&self, settings: &IndexSettings) -> Result<(), WriteError> {
        let name = &self.collection;
        if self.client.exists(name).await? {
            let others = Filter::must_not([Condition::has_id([POINT])]);
            if self.client.count(name, others).await? > 0 {
                return Err(self.not_ours());
            }
            self.read().await?;
        } else {
            let mut none = SparseVectorsConfigBuilder::default();
            none.add_named_vector_params("none", SparseVectorParamsBuilder::default());
            let create = CreateCollectionBuilder::new(name).sparse_vectors_config(none).shard_number(1);
            self.client.create(replicated(create, settings).build()).await?;
        }
        for (field, kind) in [("run", FieldType::Keyword), ("until", FieldType::Integer)] {
            let index = CreateFieldIndexCollectionBuilder::new(name, field, kind).wait(true);
            self.client.index(index.build()).await?;
        }
        Ok(())
    }

    /// Gives it back, also where this run only asked for it and the answer is not known.
    async fn release(&self) {
        if self.fence.lost.load(Ordering::Relaxed) {
            return;
        }
        let given_back = async {
            // Again until it is neither: this run may take or renew it in between.
            loop {
                let state = self.read().await?;
                if state.run.as_ref() != Some(&self.run) && Some(&state) != self.from.as_ref() {
                    return Ok::<_, WriteError>(());
                }
                // A run that never was: what is still on its way to Qdrant finds neither of the two.
                let nobody = State { run: Some(uuid::Uuid::now_v7().to_string()), ..State::default() };
                self.swap(state, nobody).await?;
            }
        };
        match tokio::time::timeout(GIVING_BACK, given_back).await {
            Ok(Ok(())) => self.fence.lost.store(true, Ordering::Relaxed),
            Ok(Err(error)) => tracing::debug!("the lease was not given back: {error}"),
            Err(_) => tracing::debug!("the lease was not given back within {GIVING_BACK:?}"),
        }
    }

    /// Takes it where nobody has it, or whoever did held the same lock: that one was killed. Exit code 7
    /// where another one has it.
    async fn take(mut self) -> Result<Self, Failure> {
        loop {
            let now = Utc::now();
            let state = self.read().await?;
            if state.run.as_ref() == Some(&self.run) {
                // It may have taken long.
                self.renew().await?;
                return Ok(self);
            }
            if state.holder != self.holder && state.until >= now.timestamp() {
                let until = DateTime::from_timestamp(state.until, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
                return Err(self.client.locked(&until.to_rfc3339_opts(SecondsFormat::Secs, true)));
            }
            if self.from.as_ref() == Some(&state) {
                // What was read is old: from a copy that lags.
                tokio::time::sleep(AGAIN).await;
            }
            self.from = Some(state.clone());
            // Before it is: a process that is stopped meanwhile gives back what it may have.
            *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clone());
            let ours = State { holder: self.holder.clone(), run: Some(self.run.clone()), until: until(now) };
            self.swap(state, ours).await?;
        }
    }

    /// Prolongs it, if nobody took it in between, even if they have given it back.
    async fn renew(&self) -> Result<(), WriteError> {
        let (now, asked) = (Utc::now(), Instant::now());
        let payload = [("until".to_owned(), Value::from(until(now)))];
        let renew = SetPayloadPointsBuilder::new(&self.collection, payload)
            .points_selector(Filter::must([points::matches("run", &self.run)]))
            .ordering(one_after_another())
            .wait(true)
            .build();
        self.client.set(renew).await?;
        if self.read().await?.run.as_ref() == Some(&self.run) {
            *self.fence.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
            return Ok(());
        }
        self.fence.lost.store(true, Ordering::Relaxed);
        Err(self.client.failure(TAKEN))
    }

    /// Writes what is to be there if it is still `from`: neither taken nor prolonged since that was read.
    /// Whether it was is told by reading it.
    async fn swap(&self, from: State, to: State) -> Result<(), WriteError> {
        let payload = [
            ("holder", Value::from(to.holder)),
            ("run", Value::from(to.run.unwrap_or_default())),
            ("until", Value::from(to.until)),
        ];
        let payload: HashMap<_, _> = payload.map(|(name, value)| (name.to_owned(), value)).into();
        // Asked of a point that is there; where there is none it is written.
        let unchanged = match from.run {
            Some(run) => vec![points::matches("run", &run), Condition::matches("until", from.until)],
            None => vec![Condition::is_empty("run")],
        };
        let point = PointStruct::new(POINT, NamedVectors::default(), payload);
        let swap = UpsertPointsBuilder::new(&self.collection, vec![point])
            .update_filter(Filter::must(unchanged))
            .ordering(one_after_another())
            .wait(true);
        self.client.upsert(swap.build()).await
    }

    async fn read(&self) -> Result<State, WriteError> {
        let point = vec![PointId::from(POINT)];
        let get = GetPointsBuilder::new(&self.collection, point).with_payload(true).build();
        let Some(found) = self.client.get(get).await?.into_iter().next() else { return Ok(State::default()) };
        let text = |field: &str| found.payload.get(field).and_then(Value::as_str).cloned();
        let (run, until) = (text("run"), found.payload.get("until").and_then(Value::as_integer));
        match until.filter(|_| run.is_some() || !found.payload.contains_key("run")) {
            Some(until) => Ok(State { holder: text("holder").unwrap_or_default(), run, until }),
            None => Err(self.not_ours()),
        }
    }

    fn not_ours(&self) -> WriteError {
        self.client.failure(format!(
            "cannot be written: the collection {} is not Lectern's, and it keeps there who writes; choose another index.collection, or move that away",
            self.collection
        ))
    }

    /// Prolongs it until it is lost.
    async fn keep(self) {
        loop {
            let wait = match self.fence.right() {
                Right::Held => RENEWED,
                Right::Uncertain => AGAIN,
                Right::Lost => return,
            };
            tokio::time::sleep(wait).await;
            // Where it cannot be asked for it may be ours still.
            let _ = self.renew().await;
        }
    }
}

/// When a lease that is taken or renewed now ends, in seconds.
fn until(now: DateTime<Utc>) -> i64 {
    now.timestamp() + LASTS.as_secs() as i64
}
