//! From staged documents to points.

use std::collections::HashMap;

use lectern_index::chunk::Hash;
use lectern_index::qdrant::points::{self, ChunkPoint, DENSE, DocumentPoint, Point, TEXT, field};
use qdrant_client::qdrant::{
    GetPointsBuilder, NamedVectors, PayloadIncludeSelector, PointId, PointStruct, UpsertPointsBuilder, Value,
    Vector,
};

use super::QdrantStore;
use crate::store::{Begun, StagedDocument, WriteError};

/// Bytes of points written by one call. Too high: a call takes long and fails whole; too low: more
/// calls.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

impl QdrantStore {
    /// Writes the points of documents, in batches.
    pub(super) async fn write(&self, begun: &Begun, documents: &[StagedDocument]) -> Result<(), WriteError> {
        let collection = self.collection(&begun.spec.fingerprint);
        let published = self.published(begun, documents).await?;
        let dimensions = begun.spec.embedder.as_ref().map_or(0, |(_, dimensions)| *dimensions as usize);
        let mut batch = Vec::new();
        let mut bytes = 0;
        for staged in documents {
            for point in self.points(begun, staged, &published).await? {
                bytes += size(&point, dimensions);
                batch.push(point);
                if bytes >= BATCH_BYTES {
                    self.upsert(collection.name(), std::mem::take(&mut batch)).await?;
                    bytes = 0;
                }
            }
        }
        if batch.is_empty() { Ok(()) } else { self.upsert(collection.name(), batch).await }
    }

    async fn upsert(&self, collection: &str, points: Vec<PointStruct>) -> Result<(), WriteError> {
        self.client.upsert(UpsertPointsBuilder::new(collection, points).wait(true).build()).await
    }

    /// The points that a document becomes. Those that are published already, as where a document is
    /// mended, stay what they are for readers.
    async fn points(
        &self,
        begun: &Begun,
        staged: &StagedDocument,
        published: &HashMap<PointId, u64>,
    ) -> Result<Vec<PointStruct>, WriteError> {
        let generation = begun.head.as_ref().map_or(0, |head| head.generation);
        let document = &staged.document;
        let own =
            points::document_id(&document.source, &document.path, document.blob_sha.as_str(), generation + 1);
        let from = |id: &PointId| published.get(id).copied().unwrap_or(generation + 1);
        let vectors = self.vectors(begun, staged).await?;
        let point = DocumentPoint::new(document, generation + 1);
        let payload = self.payload(&Point::Document(point))?;
        let mut made = vec![PointStruct::new(own, NamedVectors::default(), payload)];
        for (id, chunk) in &staged.chunks {
            let id = points::chunk_id(id);
            let payload = self.payload(&Point::Chunk(ChunkPoint::new(document, chunk, from(&id))))?;
            let mut named = NamedVectors::default();
            let text = points::searched(document.title.as_deref(), chunk, begun.spec.chunk.max_tokens);
            if !text.text.trim().is_empty() {
                named = named.add_vector(TEXT, Vector::from(text));
            }
            if let Some(vector) = vectors.get(&chunk.text_hash()) {
                named = named.add_vector(DENSE, Vector::from(vector.as_slice()));
            }
            made.push(PointStruct::new(id, named, payload));
        }
        Ok(made)
    }

    /// Which chunks of these documents readers are served now, and since which generation.
    async fn published(
        &self,
        begun: &Begun,
        documents: &[StagedDocument],
    ) -> Result<HashMap<PointId, u64>, WriteError> {
        let Some(head) = &begun.head else { return Ok(HashMap::new()) };
        let collection = self.collection(&begun.spec.fingerprint);
        let chunks = documents.iter().flat_map(|staged| &staged.chunks);
        let ids = chunks.map(|(id, _)| points::chunk_id(id));
        let since = PayloadIncludeSelector { fields: vec![field::FROM.to_owned()] };
        let get = GetPointsBuilder::new(collection.name(), ids.collect::<Vec<_>>()).with_payload(since);
        let from = |payload: &HashMap<String, Value>| payload.get(field::FROM)?.as_integer();
        let found = self.client.get(get.build()).await?.into_iter();
        let found = found.filter_map(|point| Some((point.id?, from(&point.payload)? as u64)));
        Ok(found.filter(|(_, from)| *from <= head.generation).collect())
    }

    async fn vectors(
        &self,
        begun: &Begun,
        staged: &StagedDocument,
    ) -> Result<HashMap<Hash, Vec<f32>>, WriteError> {
        let Some((embedder, _)) = &begun.spec.embedder else { return Ok(HashMap::new()) };
        let hashes: Vec<Hash> = staged.chunks.iter().map(|(_, chunk)| chunk.text_hash()).collect();
        self.ledger.cache().get(embedder, &hashes).await
    }
}

/// About how many bytes a point has on its way.
fn size(point: &PointStruct, dimensions: usize) -> usize {
    let text = |value: &Value| value.as_str().map_or(16, |text| text.len() + 16);
    let payload: usize = point.payload.iter().map(|(name, value)| name.len() + text(value)).sum();
    // The terms are about as long as the text; a number of a vector has four bytes.
    2 * payload + 4 * dimensions
}
