//! Reads an index in Qdrant that `lectern-ingest` writes: collections `NAME__FINGERPRINT`, one for
//! each build, of which the alias `NAME` names the one that is served.
//!
//! A search is one call: both lists and, with them, the heads they belong to. It is asked under the
//! heads of the last one; where these are not those that come back, a generation was published in
//! between, and it is asked again. What a generation lost stays until the next sync of its source
//! begins, so answers are whole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use qdrant_client::qdrant::{DeletePointsBuilder, PointId, PointsIdsList};
use qdrant_client::{Qdrant, QdrantError};
use secrecy::{ExposeSecret, SecretString};

use crate::document::{Document, SourceName};
use crate::head::Head;
use crate::search::{Filter, Found, Publications, ReadError, Search, SearchIndex, Status, StoredDocument};

mod collection;
mod error;
pub mod points;
mod query;

pub use collection::{Collection, State};
pub use error::{Trouble, reason, trouble};

/// The variable that holds the key; a key is no setting.
pub const KEY: &str = "QDRANT_API_KEY";

/// How long a call may take. Too low: cold disks fail searches; serve has a limit of its own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long a call is begun again because a generation was published or the connection broke.
const PATIENCE: Duration = Duration::from_secs(5);

/// An index in Qdrant, opened for reading.
pub struct QdrantIndex {
    served: Collection,
    location: String,
    /// What was served when it was last asked.
    state: RwLock<Option<Arc<State>>>,
    /// The documents of each source, of one publication of it.
    listing: RwLock<HashMap<SourceName, Arc<Listing>>>,
    /// Whether nobody is to be warned (any more) that the key could write.
    proven: AtomicBool,
}

/// The documents of a source, by path: Qdrant has no order of texts.
struct Listing {
    of: Publications,
    documents: Vec<(String, PointId)>,
}

/// The key in the environment, if there is one. Fails, without showing it, where it cannot be one.
pub fn key(variable: impl Fn(&str) -> Option<String>) -> Result<Option<SecretString>, String> {
    let Some(key) = variable(KEY).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    match key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Some(SecretString::from(key))),
        false => Err(format!("{KEY} is no key: one is a single line of ASCII without spaces")),
    }
}

/// A client of the Qdrant at `url`, which is asked nothing yet: `timeout` is that of a call,
/// `connect_timeout` that of a connection. Fails where `url` is none.
pub fn client(
    url: &str,
    key: Option<&SecretString>,
    timeout: Duration,
    connect_timeout: Duration,
) -> Result<Qdrant, Box<QdrantError>> {
    let client = Qdrant::from_url(url)
        .api_key(key.map(|key| key.expose_secret().to_owned()))
        .timeout(timeout)
        .connect_timeout(connect_timeout)
        // It prints to stdout.
        .skip_compatibility_check();
    Ok(client.build()?)
}

impl QdrantIndex {
    /// The index that the alias `collection` names at `url`, which need not be up yet. Fails where
    /// `url` is none.
    pub fn new(url: &str, collection: &str, key: Option<&SecretString>) -> Result<Self, ReadError> {
        let location = format!("{url}/{collection}");
        let client = client(url, key, TIMEOUT, CONNECT_TIMEOUT)
            .map_err(|error| ReadError::Unreadable { location: location.clone(), reason: reason(&error) })?;
        Ok(Self {
            served: Collection::new(client, collection),
            location,
            state: RwLock::default(),
            listing: RwLock::default(),
            proven: AtomicBool::new(true),
        })
    }

    /// The same index for a program that never writes: it warns where the key would let it.
    pub fn read_only(mut self) -> Self {
        self.proven = AtomicBool::new(false);
        self
    }

    /// One build, whether it is served or not.
    pub fn of_build(collection: Collection) -> Self {
        Self {
            location: collection.name().to_owned(),
            served: collection,
            state: RwLock::default(),
            listing: RwLock::default(),
            proven: AtomicBool::new(true),
        }
    }

    /// The state that is served now.
    async fn read_state(&self) -> Result<Arc<State>, ReadError> {
        let state = self.served.state().await.map_err(|error| self.error(&error))?;
        let state = Arc::new(self.checked(state)?);
        self.remember(&state);
        if !self.proven.load(Ordering::Relaxed) {
            self.prove().await;
        }
        Ok(state)
    }

    fn checked(&self, state: Option<State>) -> Result<State, ReadError> {
        let state = state.ok_or_else(|| ReadError::Missing { location: self.location.clone() })?;
        if state.build.schema == points::SCHEMA {
            return Ok(state);
        }
        Err(ReadError::Schema {
            location: self.location.clone(),
            found: state.build.schema,
            expected: points::SCHEMA,
            advice: format!("use the programs of version {}", state.build.made_by),
        })
    }

    fn remember(&self, state: &Arc<State>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
    }

    fn remembered(&self) -> Option<Arc<State>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Deletes no point: a key that may only read is refused even that. Warns where it is not.
    async fn prove(&self) {
        let nothing = DeletePointsBuilder::new(self.served.name()).points(PointsIdsList { ids: Vec::new() });
        match self.served.client().delete_points(nothing).await.as_ref().map_err(trouble) {
            Err(Trouble::Denied) => {}
            // Nobody knows yet: asked again with the next search.
            Err(Trouble::Passing(_) | Trouble::Missing) => return,
            _ => tracing::warn!(
                index = self.location,
                "this program only reads, but Qdrant would let it WRITE: give it a read-only key in {KEY}"
            ),
        }
        self.proven.store(true, Ordering::Relaxed);
    }

    fn error(&self, error: &QdrantError) -> ReadError {
        let location = self.location.clone();
        match trouble(error) {
            Trouble::Missing => ReadError::Missing { location },
            _ => ReadError::Unreadable { location, reason: reason(error) },
        }
    }

    /// The documents of each of `sources`, read again where they are those of another publication.
    async fn list(&self, state: &State, sources: &[&Head]) -> Result<Vec<Arc<Listing>>, ReadError> {
        let build = self.collection(state);
        let mut listings = Vec::new();
        for head in sources {
            let of = publications(state, &[*head]);
            let known =
                self.listing.read().unwrap_or_else(PoisonError::into_inner).get(&head.source).cloned();
            if let Some(known) = known.filter(|known| known.of == of) {
                listings.push(known);
                continue;
            }
            let paths = build.paths(&head.source, head.generation).await;
            let mut documents = paths.map_err(|error| self.error(&error))?;
            documents.sort_by(|a, b| a.0.cmp(&b.0));
            let listing = Arc::new(Listing { of, documents });
            let mut known = self.listing.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() > state.heads.len() {
                known.clear();
            }
            known.insert(head.source.clone(), listing.clone());
            listings.push(listing);
        }
        Ok(listings)
    }

    /// Reads, in several calls, what is whole under one state: again where one of the sources that
    /// pass `filter` was published by then, since what ended with a generation is deleted some time
    /// after it.
    async fn whole<T, F>(&self, filter: &Filter, read: impl Fn(Arc<State>) -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let of = |state: &State| publications(state, &query::sources(state, filter));
        let started = Instant::now();
        let mut state = self.read_state().await?;
        loop {
            let answer = read(state.clone()).await;
            let now = self.read_state().await?;
            if of(&now) == of(&state) {
                return answer;
            }
            if started.elapsed() > PATIENCE {
                let reason = "generations are published faster than they can be read".into();
                return Err(ReadError::Unreadable { location: self.location.clone(), reason });
            }
            state = now;
        }
    }

    /// The collection of a state.
    fn collection(&self, state: &State) -> Collection {
        self.served.build(&state.build.fingerprint)
    }

    /// Searches as if `state` were served.
    async fn ask(&self, state: &State, search: &Search) -> Result<query::Answer, ReadError> {
        let paths = self.paths(state, &search.filter).await?;
        let queries = query::Queries::new(self.served.name(), state, search, paths);
        queries.ask(&self.served).await.map_err(|error| self.error(&error))
    }

    /// The paths that begin with `prefix`, where that is no whole folder, which Qdrant can match.
    async fn paths(&self, state: &State, filter: &Filter) -> Result<Option<Vec<String>>, ReadError> {
        let prefix = filter.path_prefix.as_deref();
        let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty() && !prefix.ends_with('/')) else {
            return Ok(None);
        };
        let listings = self.list(state, &query::sources(state, filter)).await?;
        let paths = listings.iter().flat_map(|listing| &listing.documents).map(|(path, _)| path);
        Ok(Some(paths.filter(|path| path.starts_with(prefix)).cloned().collect()))
    }
}

#[async_trait]
impl SearchIndex for QdrantIndex {
    async fn status(&self) -> Result<Status, ReadError> {
        self.read_state().await.map(|state| status(&state))
    }

    async fn search(&self, search: &Search) -> Result<Found, ReadError> {
        let mut state = match self.remembered() {
            Some(state) => state,
            None => self.read_state().await?,
        };
        let reason = "generations are published faster than they can be searched".into();
        let mut failed = ReadError::Unreadable { location: self.location.clone(), reason };
        let of = |state: &State| publications(state, &query::sources(state, &search.filter));
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let now = match self.ask(&state, search).await {
                Ok(asked) => {
                    let now = self.checked(asked.state)?;
                    if of(&now) == of(&state) {
                        let status = status(&now);
                        return Ok(Found { lexical: asked.lexical, dense: asked.dense, status });
                    }
                    Arc::new(now)
                }
                // A connection broke, or a build that was switched to in between has other vectors.
                Err(error) => {
                    failed = error;
                    match self.read_state().await {
                        Ok(now) => now,
                        Err(_) => break,
                    }
                }
            };
            self.remember(&now);
            state = now;
        }
        Err(failed)
    }

    async fn prepare(&self) -> Result<(), ReadError> {
        self.read_state().await.map(drop)
    }

    async fn document(&self, source: &SourceName, path: &str) -> Result<Option<StoredDocument>, ReadError> {
        self.whole(&of_source(source), |state: Arc<State>| async move {
            let Some(head) = state.head(source) else { return Ok(None) };
            self.collection(&state).document(head, path).await.map_err(|error| self.error(&error))
        })
        .await
    }

    async fn vectors(&self, source: &SourceName, path: &str) -> Result<Vec<Option<Vec<f32>>>, ReadError> {
        self.whole(&of_source(source), |state: Arc<State>| async move {
            let Some(head) = state.head(source).filter(|_| state.build.embedder.is_some()) else {
                return Ok(Vec::new());
            };
            let chunks = self.collection(&state).chunks(head, path, true).await;
            let chunks = chunks.map_err(|error| self.error(&error))?;
            Ok(chunks.into_iter().map(|(_, _, vector)| vector).collect())
        })
        .await
    }

    async fn documents(
        &self,
        filter: &Filter,
        after: Option<&(SourceName, String)>,
        limit: usize,
    ) -> Result<(Vec<Document>, Status), ReadError> {
        self.whole(filter, |state: Arc<State>| async move {
            // By name, as heads are.
            let sources = query::sources(&state, filter);
            let listings = self.list(&state, &sources).await?;
            let prefix = filter.path_prefix.as_deref().unwrap_or_default();
            let all = sources.iter().zip(&listings).flat_map(|(head, listing)| {
                listing.documents.iter().map(|(path, id)| (&head.source, path, id))
            });
            let page = all.filter(|(source, path, _)| {
                after.is_none_or(|after| (*source, *path) > (&after.0, &after.1)) && path.starts_with(prefix)
            });
            let page: Vec<_> = page.take(limit).collect();
            let ids = page.iter().map(|(_, _, id)| (*id).clone()).collect();
            let documents =
                self.collection(&state).documents(ids).await.map_err(|error| self.error(&error))?;
            let mut found: HashMap<(SourceName, String), Document> = documents
                .into_iter()
                .map(|document| ((document.source.clone(), document.path.clone()), document))
                .collect();
            let documents = page
                .iter()
                .filter_map(|(source, path, _)| found.remove(&((*source).clone(), (*path).clone())));
            Ok((documents.collect(), status(&state)))
        })
        .await
    }
}

fn of_source(source: &SourceName) -> Filter {
    Filter { source: Some(source.clone()), ..Filter::default() }
}

/// What decides the documents of some sources of a state.
fn publications(state: &State, heads: &[&Head]) -> Publications {
    crate::search::publications(&state.build.fingerprint, heads.iter().copied())
}

fn status(state: &State) -> Status {
    Status {
        fingerprint: state.build.fingerprint.clone(),
        embedder: state.build.embedder.clone(),
        dimensions: state.build.dimensions,
        chunk: state.build.chunk.clone(),
        heads: state.heads.clone(),
    }
}
