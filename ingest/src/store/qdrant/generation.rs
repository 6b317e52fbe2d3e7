//! From one generation to the next: what a run that died left is undone, what is stale ends, and the
//! head is written.

use std::collections::{HashMap, HashSet};

use lectern_index::document::SourceName;
use lectern_index::head::Head;
use lectern_index::qdrant::points::{self, OPEN, Point, field};
use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, GetPointsBuilder, NamedVectors, PointId, PointStruct, Range,
    SetPayloadPointsBuilder, UpsertPointsBuilder, Value,
};

use super::QdrantStore;
use super::client::one_after_another;
use crate::store::{Begun, Publication, WriteError};

/// Documents ended by one call: their paths and new points are listed in it.
const STALE: usize = 64;

impl QdrantStore {
    /// Undoes what a run that died left in a source, and deletes what no generation has any more. Where
    /// there is nothing of that, nothing is written: what is not sent cannot arrive late.
    pub(crate) async fn clean(
        &self,
        collection: &str,
        source: &SourceName,
        generation: u64,
    ) -> Result<(), WriteError> {
        let range =
            |name: &str, range: Range| Filter::must([points::of(source), Condition::range(name, range)]);
        let above = Some(generation as f64);
        let staged = range(field::FROM, Range { gt: above, ..Range::default() });
        let ended = range(field::TO, Range { gt: above, lt: Some(OPEN as f64), ..Range::default() });
        let gone = range(field::TO, Range { lte: above, ..Range::default() });
        self.delete(collection, staged).await?;
        if self.client.count(collection, ended.clone()).await? > 0 {
            self.end(collection, ended, OPEN).await?;
        }
        self.delete(collection, gone).await
    }

    /// Deletes the points that pass a filter, if there are any.
    async fn delete(&self, collection: &str, which: Filter) -> Result<(), WriteError> {
        if self.client.count(collection, which.clone()).await? == 0 {
            return Ok(());
        }
        self.client.delete(DeletePointsBuilder::new(collection).points(which).wait(true).build()).await
    }

    /// Sets the generation that does not have these points any more.
    async fn end(&self, collection: &str, which: Filter, generation: u64) -> Result<(), WriteError> {
        let to = [(field::TO.to_owned(), Value::from(generation as i64))];
        let set = SetPayloadPointsBuilder::new(collection, to).points_selector(which).wait(true);
        self.client.set(set.build()).await
    }

    /// Ends what `publication` takes away, at the generation after `generation`; returns how many
    /// chunks that are. Fails where what was staged is not what stands in its place then, as where a
    /// write of a connection that broke arrives late.
    pub(super) async fn replace(
        &self,
        begun: &Begun,
        publication: &Publication,
        collection: &str,
        generation: u64,
    ) -> Result<u64, WriteError> {
        let source = &begun.source;
        let staged: HashMap<&str, _> = publication.staged.iter().map(|one| (one.0.as_str(), one)).collect();
        // What is staged replaces whatever stands under its path, even where the ledger had lost it.
        let paths: HashSet<&str> =
            publication.stale.iter().map(String::as_str).chain(staged.keys().copied()).collect();
        let mut paths: Vec<&str> = paths.into_iter().collect();
        paths.sort_unstable();
        for paths in paths.chunks(STALE) {
            let listed: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let listed = |generation: u64| {
                let mut conditions = points::in_generation(source, generation);
                conditions.push(Condition::matches(field::PATH, listed.clone()));
                Filter::must(conditions)
            };
            let mut stale = listed(generation);
            let new = paths.iter().filter_map(|path| staged.get(path)).flat_map(|(path, blob, ids)| {
                let own = points::document_id(source, path, blob, generation + 1);
                ids.iter().map(points::chunk_id).chain([own])
            });
            let new: Vec<PointId> = new.collect();
            let expected = new.len() as u64;
            if !new.is_empty() {
                stale.must_not.push(Condition::has_id(new));
            }
            if generation > 0 {
                self.end(collection, stale, generation + 1).await?;
            }
            self.expect(expected, source, collection, listed(generation + 1)).await?;
        }
        let next = Some((generation + 1) as f64);
        // Nor are there documents under other paths. Chunks that are as they were began before.
        let begins = Condition::range(field::FROM, Range { gte: next, lte: next, ..Range::default() });
        let begins = Filter::must([points::of(source), points::is("document"), begins]);
        self.expect(staged.len() as u64, source, collection, begins).await?;
        let ended = Range { gte: next, lte: next, ..Range::default() };
        let ended = [points::of(source), points::is("chunk"), Condition::range(field::TO, ended)];
        self.client.count(collection, Filter::must(ended)).await
    }

    /// Fails unless as many points pass a filter.
    async fn expect(
        &self,
        expected: u64,
        source: &SourceName,
        collection: &str,
        which: Filter,
    ) -> Result<(), WriteError> {
        let there = self.client.count(collection, which).await?;
        if there == expected {
            return Ok(());
        }
        Err(self.client.failure(format!(
            "has {there} points where source {source} was given {expected}, so nothing was published: run the sync again"
        )))
    }

    /// Writes a head, unless another writer was there before: the step that readers see.
    pub(super) async fn write_head(&self, collection: &str, head: &Head) -> Result<(), WriteError> {
        let payload = self.payload(&Point::Head(head.clone()))?;
        let id = points::head_id(&head.source);
        let point = PointStruct::new(id.clone(), NamedVectors::default(), payload);
        let old = (head.generation - 1) as i64;
        let write = UpsertPointsBuilder::new(collection, vec![point])
            .update_filter(Filter::must([Condition::matches(field::GENERATION, old)]))
            .ordering(one_after_another())
            .wait(true);
        self.client.upsert(write.build()).await?;
        let get = GetPointsBuilder::new(collection, vec![id]).with_payload(true).build();
        let found = self.client.get(get).await?.into_iter().next().map(|point| Point::read(point.payload));
        match found {
            Some(Ok(Point::Head(found))) if found == *head => Ok(()),
            _ => Err(self
                .client
                .failure("was published by another lectern-ingest meanwhile: run the sync again")),
        }
    }
}
