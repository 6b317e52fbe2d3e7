//! Reading one collection: pages, the build with its heads, documents.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Filter, GetPointsBuilder, PayloadIncludeSelector, PointId, Query, QueryPoints, QueryPointsBuilder,
    RetrievedPoint, ScrollPointsBuilder, Value, VectorInput, VectorsSelector, vector_output,
};
use qdrant_client::{Qdrant, QdrantError};

use super::error::damaged;
use super::points::{self, Build, ChunkPoint, DENSE, Point, field};
use crate::chunk::{Chunk, Hash};
use crate::document::{Document, SourceName};
use crate::fingerprint::Fingerprint;
use crate::head::Head;
use crate::search::StoredDocument;

/// Points read by one call. Too high: answers of many megabytes; too low: more calls.
const PAGE: u32 = 256;

/// Heads read with each search; more sources than that are not served.
const HEADS: u64 = 10_000;

/// A collection, or what an alias stands for.
#[derive(Clone)]
pub struct Collection {
    client: Qdrant,
    name: String,
}

/// The build that a collection is, and the heads of its sources, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The build.
    pub build: Build,
    /// The heads.
    pub heads: Vec<Head>,
}

impl State {
    /// The head of a source.
    pub fn head(&self, source: &SourceName) -> Option<&Head> {
        self.heads.iter().find(|head| head.source == *source)
    }
}

impl Collection {
    /// The collection of this name; nothing is asked yet.
    pub fn new(client: Qdrant, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One build of the index that this collection is a build of, or the name of.
    pub fn build(&self, fingerprint: &Fingerprint) -> Self {
        let ending = format!("__{fingerprint}");
        match self.name.ends_with(&ending) {
            true => self.clone(),
            false => Self::new(self.client.clone(), self.name.clone() + &ending),
        }
    }

    pub(super) fn client(&self) -> &Qdrant {
        &self.client
    }

    /// The build and its heads; `None` where the collection is not finished being made.
    pub async fn state(&self) -> Result<Option<State>, QdrantError> {
        let query = self.state_query();
        state(self.client.query(query).await?.result.into_iter().map(|point| point.payload))
    }

    /// What [`state`] is read from.
    pub(super) fn state_query(&self) -> QueryPoints {
        let kinds = [points::is("build"), points::is("head")];
        QueryPointsBuilder::new(&self.name)
            .filter(Filter::should(kinds))
            .limit(HEADS)
            .with_payload(true)
            .build()
    }

    /// All points that pass `filter`, page by page, with the payload fields of these names (all for
    /// none), and their vectors if asked for.
    pub async fn scroll(
        &self,
        filter: Filter,
        fields: &[&str],
        vectors: bool,
    ) -> Result<Vec<RetrievedPoint>, QdrantError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let (page, after) = self.page(filter.clone(), fields, vectors, next).await?;
            found.extend(page);
            next = after;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// One page of [`Collection::scroll`] from `first` on, and where the next one begins.
    pub async fn page(
        &self,
        filter: Filter,
        fields: &[&str],
        vectors: bool,
        first: Option<PointId>,
    ) -> Result<(Vec<RetrievedPoint>, Option<PointId>), QdrantError> {
        let mut scroll = ScrollPointsBuilder::new(&self.name).filter(filter).limit(PAGE);
        scroll = match fields {
            [] => scroll.with_payload(true),
            // Small answers: many at once.
            fields => scroll.with_payload(PayloadIncludeSelector { fields: owned(fields) }).limit(PAGE * 16),
        };
        if vectors {
            scroll = scroll.with_vectors(VectorsSelector { names: owned(&[DENSE]) });
        }
        if let Some(first) = first {
            scroll = scroll.offset(first);
        }
        let page = self.client.scroll(scroll).await?;
        Ok((page.result, page.next_page_offset))
    }

    /// A document that `head`'s generation has, with its chunks in order.
    pub async fn document(&self, head: &Head, path: &str) -> Result<Option<StoredDocument>, QdrantError> {
        let stored = self.document_as_it_is(head, path).await?;
        let chunks = stored.iter().flat_map(|stored| &stored.chunks);
        let is_next = |(at, (chunk, next)): (usize, (&Chunk, Option<&Chunk>))| {
            chunk.ordinal as usize == at && next.is_none_or(|next| chunk.end_byte == next.start_byte)
        };
        let following = chunks.clone().skip(1).map(Some).chain([None]);
        let is_whole = chunks.zip(following).enumerate().all(is_next);
        match is_whole {
            true => Ok(stored),
            false => Err(damaged(format!("chunks of {path} are missing"))),
        }
    }

    /// The same, with whatever there is of its chunks.
    pub async fn document_as_it_is(
        &self,
        head: &Head,
        path: &str,
    ) -> Result<Option<StoredDocument>, QdrantError> {
        let mut document = None;
        let mut chunks = Vec::new();
        for point in self.scroll(of_document(head, path), &[], false).await? {
            match read(point.payload)? {
                Point::Document(point) => document = Some(point.document),
                Point::Chunk(point) => chunks.push(point.chunk),
                _ => {}
            }
        }
        chunks.sort_by_key(|chunk| chunk.ordinal);
        Ok(document.map(|document| StoredDocument { document, chunks, head: head.clone() }))
    }

    /// The chunks of a document with their points, in order, and with their `vectors`, which only a
    /// hybrid build has.
    pub async fn chunks(
        &self,
        head: &Head,
        path: &str,
        vectors: bool,
    ) -> Result<Vec<(PointId, ChunkPoint, Option<Vec<f32>>)>, QdrantError> {
        let mut filter = of_document(head, path);
        filter.must.push(points::is("chunk"));
        let mut chunks = Vec::new();
        for point in self.scroll(filter, &[], vectors).await? {
            let vector = vector(&point);
            let (Some(id), Point::Chunk(chunk)) = (point.id, read(point.payload)?) else { continue };
            chunks.push((id, chunk, vector));
        }
        chunks.sort_by_key(|(_, point, _)| point.chunk.ordinal);
        Ok(chunks)
    }

    /// A page of the vectors of points that pass `filter`, by the text they were made of.
    pub async fn vectors(
        &self,
        filter: Filter,
        first: Option<PointId>,
    ) -> Result<(Vec<(Hash, Vec<f32>)>, Option<PointId>), QdrantError> {
        let (page, next) = self.page(filter, &[], true, first).await?;
        let mut vectors = Vec::new();
        for point in page {
            let vector = vector(&point);
            if let (Point::Chunk(point), Some(vector)) = (read(point.payload)?, vector) {
                vectors.push((point.chunk.text_hash(), vector));
            }
        }
        Ok((vectors, next))
    }

    /// Whether a search for these terms finds a document.
    pub async fn finds(&self, head: &Head, path: &str, terms: &[&str]) -> Result<bool, QdrantError> {
        let query = QueryPointsBuilder::new(&self.name)
            .query(Query::new_nearest(VectorInput::from(points::terms(&terms.join(" ")))))
            .using(points::TEXT)
            .filter(of_document(head, path))
            .limit(1);
        Ok(!self.client.query(query).await?.result.is_empty())
    }

    /// The documents that a generation of a source has: their paths and points.
    pub async fn paths(
        &self,
        source: &SourceName,
        generation: u64,
    ) -> Result<Vec<(String, PointId)>, QdrantError> {
        let mut conditions = points::in_generation(source, generation);
        conditions.push(points::is("document"));
        let found = self.scroll(Filter::must(conditions), &[field::PATH], false).await?;
        let path = |mut point: RetrievedPoint| match point.payload.remove(field::PATH).and_then(text) {
            Some(path) => Ok(point.id.map(|id| (path, id))),
            None => Err(damaged("a document has no path")),
        };
        found.into_iter().filter_map(|point| path(point).transpose()).collect()
    }

    /// The documents of these points, in no order.
    pub async fn documents(&self, ids: Vec<PointId>) -> Result<Vec<Document>, QdrantError> {
        let points =
            self.client.get_points(GetPointsBuilder::new(&self.name, ids).with_payload(true)).await?;
        let mut documents = Vec::new();
        for point in points.result {
            if let Point::Document(point) = read(point.payload)? {
                documents.push(point.document);
            }
        }
        Ok(documents)
    }
}

/// The state that the points of [`Collection::state_query`] tell.
pub(super) fn state(
    payloads: impl Iterator<Item = HashMap<String, Value>>,
) -> Result<Option<State>, QdrantError> {
    let (mut build, mut heads) = (None, Vec::new());
    for payload in payloads {
        match read(payload)? {
            Point::Build(point) => build = Some(point),
            Point::Head(head) => heads.push(head),
            _ => {}
        }
    }
    heads.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(build.map(|build| State { build, heads }))
}

/// Document and chunks of this path.
fn of_document(head: &Head, path: &str) -> Filter {
    let mut conditions = points::in_generation(&head.source, head.generation);
    conditions.push(points::matches(field::PATH, path));
    Filter::must(conditions)
}

/// Reads a payload.
pub(super) fn read(payload: HashMap<String, Value>) -> Result<Point, QdrantError> {
    Point::read(payload).map_err(|error| damaged(format!("a point cannot be read: {error}")))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn text(value: Value) -> Option<String> {
    value.as_str().cloned()
}

/// The dense vector of a point.
fn vector(point: &RetrievedPoint) -> Option<Vec<f32>> {
    match point.vectors.as_ref()?.get_vector_by_name(DENSE)? {
        vector_output::Vector::Dense(vector) => Some(vector.data),
        _ => None,
    }
}
