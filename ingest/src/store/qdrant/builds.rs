//! Builds: one collection per fingerprint, of which the alias names the one that is served.

use chrono::{SecondsFormat, Utc};
use lectern_index::document::SourceName;
use lectern_index::fingerprint::Fingerprint;
use lectern_index::head::Head;
use lectern_index::made_by;
use lectern_index::qdrant::points::{self, Build, Point, field};
use lectern_index::qdrant::{Collection, State, Trouble, trouble};
use qdrant_client::qdrant::{
    CreateAliasBuilder, CreateFieldIndexCollectionBuilder, FieldType, Filter, IntegerIndexParamsBuilder,
    KeywordIndexParamsBuilder, NamedVectors, PointStruct, PointsIdsList, SetPayloadPointsBuilder,
    UpsertPointsBuilder, Value,
};

use super::layout::{creation, strictness};
use super::{QdrantStore, Role};
use crate::store::{BuildSpec, WriteError};

impl QdrantStore {
    /// The collection of a build.
    pub(crate) fn collection(&self, fingerprint: &Fingerprint) -> Collection {
        self.served().build(fingerprint)
    }

    /// What is served.
    pub(crate) fn served(&self) -> Collection {
        Collection::new(self.client.qdrant().clone(), self.name.clone())
    }

    /// The build that a collection is, with its heads; `None` where there is none, or none whole.
    pub(crate) async fn state(&self, collection: &Collection) -> Result<Option<State>, WriteError> {
        let state = self.client.call(|_| async {
            match collection.state().await {
                Err(error) if trouble(&error) == Trouble::Missing => Ok(None),
                state => state,
            }
        });
        let state = state.await?;
        match &state {
            Some(State { build, .. }) if build.schema != points::SCHEMA => Err(self.client.failure(format!(
                "has schema {} in the collection {}, this program writes {}: use lectern-ingest {}, or another collection",
                build.schema,
                collection.name(),
                points::SCHEMA,
                build.made_by
            ))),
            _ => Ok(state),
        }
    }

    /// Every build there is with its heads, and what it is to readers; the one that is served first.
    pub(crate) async fn builds(&self) -> Result<Vec<(Role, State)>, WriteError> {
        let all = self.client.call(|qdrant| async move { qdrant.list_collections().await }).await?;
        let served = self.state(&self.served()).await?.map(|state| state.build.fingerprint);
        let mut builds = Vec::new();
        for found in all.collections {
            let fingerprint = found.name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix("__"));
            let is_one = |name: &&str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let Some(fingerprint) = fingerprint.filter(is_one) else { continue };
            let Some(state) = self.state(&self.collection(&Fingerprint::from_stored(fingerprint))).await?
            else {
                continue;
            };
            let role = match &state.build.served_at {
                _ if served.as_ref() == Some(&state.build.fingerprint) => Role::Serving,
                Some(_) => Role::Kept,
                None => Role::Filling,
            };
            builds.push((role, state));
        }
        builds.sort_by_key(|(role, state)| (*role != Role::Serving, state.build.created_at.clone()));
        Ok(builds)
    }

    /// Makes the collection of a build, and finishes one that was begun to be made. Its own point is
    /// the last: where it is, everything is.
    pub(super) async fn make(&self, spec: &BuildSpec) -> Result<(), WriteError> {
        let collection = self.collection(&spec.fingerprint);
        let name = collection.name();
        self.refuse_taken().await?;
        let exists = self.client.exists(name).await?;
        if exists && self.client.count(name, Filter::default()).await? > 0 {
            return Err(self.taken(&format!("the collection {name} is not Lectern's")));
        }
        self.client.create(creation(name, spec, &self.settings)).await?;
        let words = field::INDEXED.0.iter().map(|field| {
            let params = KeywordIndexParamsBuilder::default().is_tenant(*field == field::SOURCE);
            CreateFieldIndexCollectionBuilder::new(name, *field, FieldType::Keyword)
                .field_index_params(params)
        });
        let numbers = field::INDEXED.1.iter().map(|field| {
            let params = IntegerIndexParamsBuilder::new(true, true);
            CreateFieldIndexCollectionBuilder::new(name, *field, FieldType::Integer)
                .field_index_params(params)
        });
        for index in words.chain(numbers) {
            self.client.index(index.wait(true).build()).await?;
        }
        let strict = strictness(name);
        let made_strict =
            self.client.send(strict, |qdrant, strict| async move { qdrant.update_collection(strict).await });
        made_strict.await?;
        let build = Build {
            schema: points::SCHEMA,
            made_by: made_by::VERSION.into(),
            fingerprint: spec.fingerprint.clone(),
            embedder: spec.embedder.as_ref().map(|(id, _)| id.clone()),
            dimensions: spec.embedder.as_ref().map(|(_, dimensions)| *dimensions),
            chunk: spec.chunk.clone(),
            created_at: now(),
            served_at: None,
        };
        let payload = self.payload(&Point::Build(build))?;
        let point = PointStruct::new(points::build_id(), NamedVectors::default(), payload);
        self.client.upsert(UpsertPointsBuilder::new(name, vec![point]).wait(true).build()).await
    }

    /// Refuses a name that is taken by something that is not Lectern's.
    async fn refuse_taken(&self) -> Result<(), WriteError> {
        let name = &self.name;
        // Before the aliases, of which it may be one: another source may make it in between.
        let exists = self.client.exists(name).await?;
        let aliases = self.client.call(|qdrant| async move { qdrant.list_aliases().await }).await?.aliases;
        match aliases.into_iter().find(|alias| alias.alias_name == *name) {
            Some(alias) if alias.collection_name.starts_with(&format!("{name}__")) => Ok(()),
            Some(alias) => Err(self
                .taken(&format!("{name} is an alias of {}, which is not Lectern's", alias.collection_name))),
            None if exists => Err(self.taken(&format!("{name} is a collection of somebody else"))),
            None => Ok(()),
        }
    }

    fn taken(&self, by: &str) -> WriteError {
        self.client
            .failure(format!("cannot be made: {by}; choose another index.collection, or move that away"))
    }

    /// Lets readers be served the build once it holds every source it must, unless it is held back
    /// from them; returns the sources it lacks.
    pub(super) async fn try_switch(&self, spec: &BuildSpec) -> Result<Vec<SourceName>, WriteError> {
        let served = self.state(&self.served()).await?;
        if served.as_ref().is_some_and(|served| served.build.fingerprint == spec.fingerprint) {
            return Ok(Vec::new());
        }
        let lacking = self.lacking(spec, served.as_ref()).await?;
        if lacking.is_empty() && !(spec.held && served.is_some()) {
            self.serve(&spec.fingerprint).await?;
        }
        Ok(lacking)
    }

    /// The sources that the build must hold and does not, or not as new as they are served.
    pub(super) async fn lacking(
        &self,
        spec: &BuildSpec,
        served: Option<&State>,
    ) -> Result<Vec<SourceName>, WriteError> {
        let ours = self.state(&self.collection(&spec.fingerprint)).await?;
        let has = |served: &Head| {
            let head = ours.as_ref().and_then(|state| state.head(&served.source));
            head.is_some_and(|head| !spec.fresh || head.checked_at >= served.checked_at)
        };
        // Without a list of its own the run must not lose a source that is served now.
        let required = |name: &SourceName| spec.required.as_ref().is_none_or(|names| names.contains(name));
        let heads = served.into_iter().flat_map(|served| &served.heads);
        let lacking = heads.filter(|head| required(&head.source) && !has(head));
        Ok(lacking.map(|head| head.source.clone()).collect())
    }

    /// Makes the build the one that is served, in one step; the one that was is kept. Refused where
    /// its points are not those that its heads count.
    pub(crate) async fn serve(&self, fingerprint: &Fingerprint) -> Result<(), WriteError> {
        let collection = self.collection(fingerprint);
        let name = collection.name();
        for head in self.state(&collection).await?.into_iter().flat_map(|state| state.heads) {
            let counted = self.counts(name, &head.source, head.generation).await?;
            if counted != (head.documents, head.chunks) {
                return Err(self.client.failure(format!(
                    "cannot be switched to {name}: source {} has {} documents and {} chunks there instead of {} and {}; run `lectern-ingest verify --repair`",
                    head.source, counted.0, counted.1, head.documents, head.chunks
                )));
            }
        }
        let old = self.state(&self.served()).await?.map(|served| served.build.fingerprint);
        if old.is_none() {
            self.refuse_taken().await?;
        }
        if let Some(old) = &old {
            self.stamp(old).await?;
        }
        self.check_lease().await?;
        let alias = CreateAliasBuilder::new(name, &self.name).build();
        let moved = self.client.send(alias, |qdrant, alias| async move { qdrant.create_alias(alias).await });
        moved.await?;
        // Not before it is served: it would pass for one that was.
        self.stamp(fingerprint).await
    }

    /// Notes that a build is, or was until now, served: the order to go back in.
    async fn stamp(&self, fingerprint: &Fingerprint) -> Result<(), WriteError> {
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let payload = [("served_at".to_owned(), Value::from(at))];
        let collection = self.collection(fingerprint);
        let set = SetPayloadPointsBuilder::new(collection.name(), payload)
            .points_selector(PointsIdsList { ids: vec![points::build_id()] })
            .wait(true)
            .build();
        self.client.set(set).await
    }

    /// How many documents and chunks a generation of a source has.
    pub(crate) async fn counts(
        &self,
        collection: &str,
        source: &SourceName,
        generation: u64,
    ) -> Result<(u64, u64), WriteError> {
        let mut counts = [0; 2];
        for (kind, count) in ["document", "chunk"].into_iter().zip(&mut counts) {
            let mut conditions = points::in_generation(source, generation);
            conditions.push(points::is(kind));
            *count = self.client.count(collection, Filter::must(conditions)).await?;
        }
        Ok(counts.into())
    }

    /// A payload for Qdrant.
    pub(crate) fn payload(&self, point: &Point) -> Result<qdrant_client::Payload, WriteError> {
        point.payload().map_err(|error| self.client.failure(format!("cannot take a point: {error}")))
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
