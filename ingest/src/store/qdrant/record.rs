//! What Qdrant has of a source, for a ledger that lost it.

use std::collections::BTreeMap;

use lectern_index::chunk::ChunkId;
use lectern_index::fingerprint::{EmbedderId, Fingerprint};
use lectern_index::head::Head;
use lectern_index::qdrant::points::{self, Build, field};
use qdrant_client::qdrant::{Filter, RetrievedPoint, Value};

use super::QdrantStore;
use crate::ledger::Documents;
use crate::store::WriteError;

impl QdrantStore {
    /// Keeps the vectors of a build in the ledger, by the texts they were made of.
    pub(crate) async fn keep_vectors(&self, build: &Build, embedder: &EmbedderId) -> Result<(), WriteError> {
        let collection = self.collection(&build.fingerprint);
        let chunks = Filter::must([points::is("chunk")]);
        let mut next = None;
        loop {
            let page = self.client.call(|_| collection.vectors(chunks.clone(), next.clone()));
            let (page, after) = page.await?;
            self.ledger.cache().keep(embedder, page).await?;
            next = after;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Every document that the head's generation has: path, blob SHA, chunk ids in order.
    pub(crate) async fn recorded(
        &self,
        fingerprint: &Fingerprint,
        head: &Head,
    ) -> Result<Documents, WriteError> {
        let collection = self.collection(fingerprint);
        let filter = Filter::must(points::in_generation(&head.source, head.generation));
        let fields = [field::PATH, "blob_sha", "ordinal"];
        let found = self.client.call(|_| collection.scroll(filter.clone(), &fields, false)).await?;
        let mut documents: BTreeMap<String, (Option<String>, BTreeMap<i64, ChunkId>)> = BTreeMap::new();
        for RetrievedPoint { id, payload, .. } in found {
            let Some(path) = payload.get(field::PATH).and_then(Value::as_str) else { continue };
            let (blob, ids) = documents.entry(path.clone()).or_default();
            match (payload.get("blob_sha").and_then(Value::as_str), payload.get("ordinal")) {
                (Some(sha), _) => *blob = Some(sha.clone()),
                (None, Some(ordinal)) => {
                    if let (Some(id), Some(ordinal)) =
                        (id.as_ref().and_then(points::read_chunk_id), ordinal.as_integer())
                    {
                        ids.insert(ordinal, id);
                    }
                }
                _ => {}
            }
        }
        let document = |(path, (blob, ids)): (String, (Option<String>, BTreeMap<i64, ChunkId>))| {
            Some((path, blob?, ids.into_values().collect()))
        };
        Ok(documents.into_iter().filter_map(document).collect())
    }
}
