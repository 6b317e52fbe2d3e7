//! Calls to Qdrant that are tried again until a deadline. All of them may be: each says what is to
//! be there, not what is to change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lectern_index::qdrant::{Trouble, client, key, reason, trouble};
use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollection, CreateFieldIndexCollection, DeletePoints, Filter, GetPoints,
    RetrievedPoint, SetPayloadPoints, UpsertPoints, WriteOrdering, WriteOrderingType,
};
use qdrant_client::{Qdrant, QdrantError};

use super::lease::{Fence, Right, TAKEN};
use crate::exit::{Exit, Failure};
use crate::store::WriteError;

/// How long one call may take. Too low: a busy Qdrant is asked again for what it is about to answer.
/// Too high: a writer's last call may still be under way when its lease has ended.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The first and the longest wait between two tries.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The order of conditional writes: all of a shard's go through one replica of those that are alive.
/// The strong order would go through one that is always the same, and no sync could end while its
/// machine is down, however many copies there are.
pub(super) fn one_after_another() -> WriteOrdering {
    WriteOrdering { r#type: WriteOrderingType::Medium.into() }
}

/// Qdrant, for as long as a command runs.
#[derive(Clone)]
pub(crate) struct Client {
    qdrant: Qdrant,
    location: String,
    deadline: Duration,
    /// Where only the holder of a lease may call.
    fence: Option<Arc<Fence>>,
}

impl Client {
    /// Asks at `url`; nothing is asked yet. `location` is how errors name it.
    pub(crate) fn new(url: &str, location: String, deadline: Duration) -> Result<Self, Failure> {
        let key = key(|name| std::env::var(name).ok()).map_err(Failure::usage)?;
        let qdrant = client(url, key.as_ref(), TIMEOUT.min(deadline), CONNECT_TIMEOUT)
            .map_err(|error| Failure::usage(format!("{location}: {}", reason(&error))))?;
        Ok(Self { qdrant, location, deadline, fence: None })
    }

    /// The same, for as long as a lease is held.
    pub(super) fn fenced(self, fence: Arc<Fence>) -> Self {
        Self { fence: Some(fence), ..self }
    }

    /// The client itself, to read with.
    pub(crate) fn qdrant(&self) -> &Qdrant {
        &self.qdrant
    }

    /// Calls until there is an answer, or trouble that does not pass, or the deadline is over.
    pub(crate) async fn call<T, F>(&self, mut ask: impl FnMut(Qdrant) -> F) -> Result<T, WriteError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let started = Instant::now();
        let mut wait = WAITS.0;
        loop {
            let (error, asked) = match self.fence.as_ref().map_or(Right::Held, |fence| fence.right()) {
                Right::Lost => return Err(self.failure(TAKEN)),
                // It is renewed as soon as Qdrant answers, or found to be lost.
                Right::Uncertain => (self.failure("did not renew the lease in time"), None),
                Right::Held => match ask(self.qdrant.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => match trouble(&error) {
                        Trouble::Passing(asked) => (self.error(&error), asked),
                        _ => return Err(self.error(&error)),
                    },
                },
            };
            let pause = asked.unwrap_or(wait);
            if started.elapsed() + pause > self.deadline {
                return Err(error);
            }
            match wait == WAITS.0 {
                true => tracing::warn!("{error}; it is asked again for up to {:?}", self.deadline),
                false => tracing::debug!("Qdrant is asked again in {pause:?}: {}", error.reason),
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// [`Client::call`] with a request, of which every try has a copy.
    pub(crate) async fn send<R: Clone, T, F>(
        &self,
        request: R,
        ask: impl Fn(Qdrant, R) -> F,
    ) -> Result<T, WriteError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        self.call(|qdrant| ask(qdrant, request.clone())).await
    }

    /// Whether there is a collection of this name, or an alias.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool, WriteError> {
        self.send(name, |qdrant, name| async move { qdrant.collection_exists(name).await }).await
    }

    /// Makes a collection, unless there is one of its name.
    pub(crate) async fn create(&self, collection: CreateCollection) -> Result<(), WriteError> {
        let name = collection.collection_name.clone();
        if self.exists(&name).await? {
            return Ok(());
        }
        match self.send(collection, |qdrant, new| async move { qdrant.create_collection(new).await }).await {
            // Another source was quicker, or the answer to the first try was lost.
            Err(_) if self.exists(&name).await? => Ok(()),
            made => made.map(drop),
        }
    }

    /// Makes a payload index, unless there is one.
    pub(crate) async fn index(&self, field: CreateFieldIndexCollection) -> Result<(), WriteError> {
        self.send(field, |qdrant, field| async move { qdrant.create_field_index(field).await })
            .await
            .map(drop)
    }

    /// Writes points.
    pub(crate) async fn upsert(&self, points: UpsertPoints) -> Result<(), WriteError> {
        self.send(points, |qdrant, points| async move { qdrant.upsert_points(points).await }).await.map(drop)
    }

    /// Changes the payload of points.
    pub(crate) async fn set(&self, payload: SetPayloadPoints) -> Result<(), WriteError> {
        self.send(payload, |qdrant, payload| async move { qdrant.set_payload(payload).await }).await.map(drop)
    }

    /// Deletes points.
    pub(crate) async fn delete(&self, points: DeletePoints) -> Result<(), WriteError> {
        self.send(points, |qdrant, points| async move { qdrant.delete_points(points).await }).await.map(drop)
    }

    /// Reads points by their ids.
    pub(crate) async fn get(&self, points: GetPoints) -> Result<Vec<RetrievedPoint>, WriteError> {
        let found = self.send(points, |qdrant, points| async move { qdrant.get_points(points).await });
        Ok(found.await?.result)
    }

    /// How many points pass a filter.
    pub(crate) async fn count(&self, collection: &str, filter: Filter) -> Result<u64, WriteError> {
        let count = CountPointsBuilder::new(collection).filter(filter).exact(true).build();
        let counted = self.send(count, |qdrant, count| async move { qdrant.count(count).await });
        Ok(counted.await?.result.unwrap_or_default().count)
    }

    /// What Qdrant said, with its place.
    pub(crate) fn error(&self, error: &QdrantError) -> WriteError {
        self.failure(format!("cannot be used: {}", reason(error)))
    }

    /// An error with the place of the index.
    pub(crate) fn failure(&self, reason: impl Into<String>) -> WriteError {
        WriteError { location: self.location.clone(), reason: reason.into() }
    }

    /// Another program has the index.
    pub(crate) fn locked(&self, until: &str) -> Failure {
        Failure::new(
            Exit::Locked,
            format!(
                "another lectern-ingest is writing the index at {}: wait for it to end, or until {until} if its machine is gone",
                self.location
            ),
        )
    }
}
