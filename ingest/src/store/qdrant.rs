//! Writes an index in Qdrant; the ledger, the vectors that were paid for and the history of runs are
//! in a SQLite file beside the program.
//!
//! What is staged is `from` the next generation, so nobody sees it. Publish ends what is stale `to`
//! the next generation, which is still served, and then writes the head: that one point is the step
//! that readers see. The next run of the source deletes what no generation has any more, after it
//! has undone what a run that died left behind.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use lectern_index::config::IndexSettings;
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::head::Head;
use lectern_index::qdrant::QdrantIndex;
use lectern_index::qdrant::points;
use lectern_index::search::StoredDocument;
use qdrant_client::qdrant::{PointsIdsList, SetPayloadPointsBuilder, Value};

use crate::exit::Failure;
use crate::ledger::{self, Record};
use crate::lock::Lock;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    Begun, BuildSpec, Candidate, IndexWriter, Publication, Published, StagedDocument, WriteError,
};

mod builds;
mod client;
mod generation;
mod layout;
mod lease;
mod record;
mod stage;

use client::Client;
pub use lease::release;
use lease::{Lease, Right};

/// What a build is to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They are served it.
    Serving,
    /// They were, until another one was.
    Kept,
    /// It does not hold yet what it must.
    Filling,
}

/// How long a run goes on without an answer where no setting says it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The same for commands that only look: somebody waits for them.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// An index in Qdrant, opened by `lectern-ingest`, and its ledger.
pub struct QdrantStore {
    client: Client,
    /// The alias.
    name: String,
    ledger: SqliteStore,
    settings: IndexSettings,
    /// The right to write; where there is none, nothing is written.
    lease: Option<Lease>,
    /// Held while a build is looked for and made.
    making: tokio::sync::Mutex<()>,
    /// Whether it was said that a collection was made under other settings.
    warned: AtomicBool,
}

impl QdrantStore {
    /// Opens the index for reading; `ledger` is its ledger.
    pub fn open_read(
        url: &str,
        name: &str,
        ledger: SqliteStore,
        settings: &IndexSettings,
    ) -> Result<Self, Failure> {
        Self::new(url, name, ledger, settings, deadline(settings).min(READ_DEADLINE))
    }

    fn new(
        url: &str,
        name: &str,
        ledger: SqliteStore,
        settings: &IndexSettings,
        deadline: Duration,
    ) -> Result<Self, Failure> {
        let client = Client::new(url, format!("{url}/{name}"), deadline)?;
        let (name, settings) = (name.into(), settings.clone());
        let (making, warned) = (tokio::sync::Mutex::default(), AtomicBool::new(false));
        Ok(Self { client, name, ledger, settings, lease: None, making, warned })
    }

    /// Opens the index for writing, which `lock`, that of the ledger, allows. Exit code 7 where
    /// another machine writes it.
    pub async fn open(
        url: &str,
        name: &str,
        ledger: SqliteStore,
        settings: &IndexSettings,
        lock: &Lock,
    ) -> Result<Self, Failure> {
        let mut store = Self::new(url, name, ledger, settings, deadline(settings))?;
        let holder = lock.holder();
        let holder = holder.map_err(|error| store.client.failure(format!("cannot be locked: {error}")))?;
        let lease = Lease::take(&store.client, name, holder, settings).await?;
        store.client = store.client.fenced(lease.fence());
        store.lease = Some(lease);
        Ok(store)
    }

    /// Ledger, vectors and history.
    pub fn ledger(&self) -> &SqliteStore {
        &self.ledger
    }

    /// Gives back the right to write, and closes the ledger.
    pub async fn close(&self) {
        if let Some(lease) = &self.lease {
            lease.release().await;
        }
        self.ledger.close().await;
    }

    /// Fails where another machine took over. Asked right before something is done that readers see.
    pub(crate) async fn check_lease(&self) -> Result<(), WriteError> {
        match &self.lease {
            Some(lease) => lease.check().await,
            None => Ok(()),
        }
    }

    /// Whether another machine took over.
    pub fn is_lost(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| matches!(lease.fence().right(), Right::Lost))
    }

    /// Qdrant itself.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What the ledger knows of a source in a build; where that is not of its head's publication, as
    /// after the loss of one of the two or where it is another index's, what Qdrant has.
    async fn known(
        &self,
        fingerprint: &Fingerprint,
        head: Option<&Head>,
        source: &SourceName,
    ) -> Result<Record, WriteError> {
        let mut db = self.ledger.pool().acquire().await.map_err(|error| self.ledger.error(error))?;
        let record = ledger::read(&mut db, fingerprint, source).await;
        drop(db);
        let record = record.map_err(|error| self.ledger.error(error))?;
        let published = head.map(|head| (head.generation, head.indexed_at.as_str()));
        if record.generation.zip(record.indexed_at.as_deref()) == published {
            return Ok(record);
        }
        let documents = match head {
            Some(head) => self.recorded(fingerprint, head).await?,
            None => Vec::new(),
        };
        if self.lease.is_some() {
            let mut db = self.ledger.pool().begin().await.map_err(|error| self.ledger.error(error))?;
            let rebuilt = match head {
                Some(head) => ledger::restore(&mut db, fingerprint, head, &documents).await,
                None => ledger::forget(&mut db, fingerprint, source).await,
            };
            rebuilt.map_err(|error| self.ledger.error(error))?;
            db.commit().await.map_err(|error| self.ledger.error(error))?;
        }
        Ok(head.map(|head| ledger::of_documents(head, &documents)).unwrap_or_default())
    }
}

fn deadline(settings: &IndexSettings) -> Duration {
    settings.deadline_seconds.map_or(DEADLINE, Duration::from_secs)
}

#[async_trait]
impl IndexWriter for QdrantStore {
    async fn begin(&self, spec: &BuildSpec, source: &SourceName) -> Result<Begun, WriteError> {
        let collection = self.collection(&spec.fingerprint);
        // One source of a run makes it.
        let making = self.making.lock().await;
        let mut state = self.state(&collection).await?;
        match &state {
            _ if self.lease.is_none() => {}
            Some(_) => self.warn_of_layout(&collection).await,
            None => {
                self.make(spec).await?;
                state = self.state(&collection).await?;
            }
        }
        drop(making);
        let of = |heads: &[Head]| heads.iter().find(|head| head.source == *source).cloned();
        let head = state.as_ref().and_then(|state| of(&state.heads));
        if self.lease.is_some() {
            let generation = head.as_ref().map_or(0, |head| head.generation);
            self.clean(collection.name(), source, generation).await?;
        }
        let record = self.known(&spec.fingerprint, head.as_ref(), source).await?;
        let served = match self.state(&self.served()).await? {
            None => Vec::new(),
            Some(served) if served.build.fingerprint == spec.fingerprint => record.indexed(),
            Some(served) => {
                let head = of(&served.heads);
                self.known(&served.build.fingerprint, head.as_ref(), source).await?.indexed()
            }
        };
        Ok(Begun {
            source: source.clone(),
            spec: spec.clone(),
            head,
            known: record.known,
            failed: record.failed,
            settings: record.settings,
            served,
        })
    }

    async fn load(&self, begun: &Begun, path: &str) -> Result<Option<StoredDocument>, WriteError> {
        let Some(head) = &begun.head else { return Ok(None) };
        let collection = self.collection(&begun.spec.fingerprint);
        self.client.call(|_| async { collection.document(head, path).await }).await
    }

    async fn stage(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), WriteError> {
        self.write(begun, documents).await
    }

    async fn publish(&self, begun: &Begun, publication: &Publication) -> Result<Published, WriteError> {
        let collection = self.collection(&begun.spec.fingerprint);
        let (name, source) = (collection.name(), &begun.source);
        let old = begun.head.as_ref().map_or(0, |head| head.generation);
        if let Some(head) = &begun.head {
            let there = self.counts(name, source, old).await?;
            if there != (head.documents, head.chunks) {
                return Err(self.client.failure(format!(
                    "has {} documents and {} chunks of source {source} where {} and {} were published, so nothing is published on top of that: run `lectern-ingest verify --repair`",
                    there.0, there.1, head.documents, head.chunks
                )));
            }
        }
        let removed_chunks = self.replace(begun, publication, name, old).await?;
        let (documents, chunks) = self.counts(name, source, old + 1).await?;
        let head = publication.head(source, old + 1, documents, chunks);
        self.check_lease().await?;
        self.write_head(name, &head).await?;
        let mut db = self.ledger.pool().begin().await.map_err(|error| self.ledger.error(error))?;
        let recorded =
            ledger::record(&mut db, &begun.spec.fingerprint, source, head.generation, publication).await;
        recorded.map_err(|error| self.ledger.error(error))?;
        db.commit().await.map_err(|error| self.ledger.error(error))?;
        let waiting_for = self.try_switch(&begun.spec).await?;
        Ok(Published {
            generation: head.generation,
            documents,
            chunks,
            removed_chunks,
            serving: waiting_for.is_empty(),
            waiting_for,
        })
    }

    async fn touch(
        &self,
        begun: &Begun,
        checked_at: &str,
        commits_behind: Option<u64>,
    ) -> Result<(), WriteError> {
        let collection = self.collection(&begun.spec.fingerprint);
        let behind = commits_behind.map_or(Value::from(serde_json::Value::Null), |n| (n as i64).into());
        let payload =
            [("checked_at".to_owned(), Value::from(checked_at)), ("commits_behind".to_owned(), behind)];
        let set = SetPayloadPointsBuilder::new(collection.name(), payload)
            .points_selector(PointsIdsList { ids: vec![points::head_id(&begun.source)] })
            .wait(true);
        self.client.set(set.build()).await?;
        self.try_switch(&begun.spec).await.map(drop)
    }

    async fn candidate(&self, spec: &BuildSpec) -> Result<Option<Candidate>, WriteError> {
        let Some(served) = self.state(&self.served()).await? else { return Ok(None) };
        let new = self.collection(&spec.fingerprint);
        if served.build.fingerprint == spec.fingerprint || self.state(&new).await?.is_none() {
            return Ok(None);
        }
        if !self.lacking(spec, Some(&served)).await?.is_empty() {
            return Ok(None);
        }
        let reader = |collection| Box::new(QdrantIndex::of_build(collection));
        let served = self.collection(&served.build.fingerprint);
        Ok(Some(Candidate { new: reader(new), served: reader(served) }))
    }

    async fn switch(&self, spec: &BuildSpec) -> Result<(), WriteError> {
        self.serve(&spec.fingerprint).await
    }
}
