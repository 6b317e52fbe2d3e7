//! What the points of a collection hold. Reader and writer agree on it here.
//!
//! A collection is one build. It holds a point for the build itself, one for each source's head, one
//! for each document and one for each chunk; only chunks have vectors. Documents and chunks are there
//! `from` a generation of their source and up to, but not in, another one; [`OPEN`] has not come.

use qdrant_client::Payload;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{self, Condition, Document as Text, DocumentBuilder, PointId, Range};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::analyse;
use crate::chunk::{Chunk, ChunkId, Hash};
use crate::document::{Document, SourceName};
use crate::fingerprint::{ChunkSettings, EmbedderId, Fingerprint};
use crate::head::Head;

/// Raised when points change their meaning: collections of another schema are refused.
pub const SCHEMA: i64 = 1;

/// Name of the vector that an embedder made; collections of lexical builds have none.
pub const DENSE: &str = "dense";

/// Name of the sparse vector that Qdrant makes of a chunk's terms.
pub const TEXT: &str = "text";

/// The generation that ends what is current.
pub const OPEN: u64 = u32::MAX as u64;

/// Payload fields that filters use, each of which has an index.
pub mod field {
    /// What a point is.
    pub const KIND: &str = "kind";
    /// Its source, the tenant.
    pub const SOURCE: &str = "source";
    /// Its document's path.
    pub const PATH: &str = "path";
    /// The folders that its document is in, each ending in `/`: Qdrant matches whole words only.
    pub const FOLDERS: &str = "folders";
    /// The first generation that has it.
    pub const FROM: &str = "from";
    /// The first generation that does not have it any more.
    pub const TO: &str = "to";
    /// A head's generation.
    pub const GENERATION: &str = "generation";

    /// Those that are words, and those that are numbers.
    pub const INDEXED: (&[&str], &[&str]) = (&[KIND, SOURCE, PATH, FOLDERS], &[FROM, TO, GENERATION]);
}

/// Terms that a chunk usually has for each token that it may have (measured on two corpora, title and
/// headings counted twice). BM25 weighs a chunk when it is written, so it cannot know the average.
/// Too low: long chunks are found less; too high: short ones.
const TERMS_A_TOKEN: f64 = 0.415;

/// A point's payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Point {
    /// The build.
    Build(Build),
    /// A source's head.
    Head(Head),
    /// A document.
    Document(DocumentPoint),
    /// A chunk.
    Chunk(ChunkPoint),
}

/// The build that a collection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The schema of its points.
    pub schema: i64,
    /// The version of Lectern that made it.
    pub made_by: String,
    /// What decides it.
    pub fingerprint: Fingerprint,
    /// Its embedder; `None` in lexical mode.
    pub embedder: Option<EmbedderId>,
    /// Length of its vectors.
    pub dimensions: Option<u32>,
    /// How its documents are cut.
    pub chunk: ChunkSettings,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// When readers were last switched to it; `None` while it is filled.
    pub served_at: Option<String>,
}

/// A document in a collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DocumentPoint {
    /// The first generation that has it.
    pub from: u64,
    /// The first that does not.
    pub to: u64,
    /// The folders it is in.
    pub folders: Vec<String>,
    /// The document.
    #[serde(flatten)]
    pub document: Document,
}

/// A chunk in a collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChunkPoint {
    /// The first generation that has it.
    pub from: u64,
    /// The first that does not.
    pub to: u64,
    /// The folders its document is in.
    pub folders: Vec<String>,
    /// Its document's source.
    pub source: SourceName,
    /// Its document's path.
    pub path: String,
    /// Its document's title.
    pub title: Option<String>,
    /// Hash of its searchable text, in hex: tells damage.
    pub text_hash: String,
    /// The chunk.
    #[serde(flatten)]
    pub chunk: Chunk,
}

impl DocumentPoint {
    /// A document that is there from `generation` on.
    pub fn new(document: &Document, generation: u64) -> Self {
        Self { from: generation, to: OPEN, folders: folders(&document.path), document: document.clone() }
    }
}

impl ChunkPoint {
    /// A chunk of `document` that is there from `generation` on.
    pub fn new(document: &Document, chunk: &Chunk, generation: u64) -> Self {
        Self {
            from: generation,
            to: OPEN,
            folders: folders(&document.path),
            source: document.source.clone(),
            path: document.path.clone(),
            title: document.title.clone(),
            text_hash: chunk.text_hash().to_string(),
            chunk: chunk.clone(),
        }
    }
}

impl Point {
    /// The payload of a point that holds this.
    pub fn payload(&self) -> Result<Payload, serde_json::Error> {
        let value = serde_json::to_value(self)?;
        Payload::try_from(value).map_err(serde::ser::Error::custom)
    }

    /// Reads a payload.
    pub fn read(
        payload: std::collections::HashMap<String, qdrant::Value>,
    ) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::Value::from(Payload::from(payload)))
    }
}

/// Every folder that `path` lies in: `a/b/c.md` gives `a/` and `a/b/`.
pub fn folders(path: &str) -> Vec<String> {
    path.match_indices('/').map(|(at, _)| path[..=at].to_owned()).collect()
}

/// The id of the build's point.
pub fn build_id() -> PointId {
    id(&["build"])
}

/// The id of a source's head.
pub fn head_id(source: &SourceName) -> PointId {
    id(&["head", source.as_str()])
}

/// The id of a document that is there from `generation` on. What is published is never overwritten:
/// a summary can change where the content does not.
pub fn document_id(source: &SourceName, path: &str, blob_sha: &str, generation: u64) -> PointId {
    id(&["document", source.as_str(), path, blob_sha, &generation.to_string()])
}

/// The id of a chunk's point: its own.
pub fn chunk_id(id: &ChunkId) -> PointId {
    id.to_string().into()
}

/// The chunk that a point is.
pub fn read_chunk_id(id: &PointId) -> Option<ChunkId> {
    match id.point_id_options.as_ref()? {
        PointIdOptions::Uuid(id) => ChunkId::from_bytes(Uuid::parse_str(id).ok()?.as_bytes()),
        PointIdOptions::Num(_) => None,
    }
}

/// UUIDv5 of the hash of `parts`, each preceded by its length, so that no two lists of parts meet.
fn id(parts: &[&str]) -> PointId {
    let name: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat())
        .collect();
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"point.lectern");
    Uuid::new_v5(&namespace, Hash::of(&name).as_bytes()).to_string().into()
}

/// What BM25 reads of a chunk that may have `max_tokens`. Title and headings count twice, as on SQLite.
pub fn searched(title: Option<&str>, chunk: &Chunk, max_tokens: u32) -> Text {
    let [title, headings, body] = analyse::fields(title, chunk);
    let text = [&*title, &*title, &*headings, &*headings, &*body].join(" ");
    bm25(&text, TERMS_A_TOKEN * f64::from(max_tokens))
}

/// Terms to search for.
pub fn terms(terms: &str) -> Text {
    // A query has no length.
    bm25(terms, 1.0)
}

/// Analysed text as Qdrant's own BM25 takes it: it must only split at spaces.
fn bm25(analysed: &str, usual_terms: f64) -> Text {
    let options = [
        ("tokenizer", "whitespace".into()),
        ("language", "none".into()),
        ("lowercase", false.into()),
        ("avg_len", usual_terms.into()),
    ];
    DocumentBuilder::new(analysed, "qdrant/bm25")
        .options(options.map(|(name, value): (&str, qdrant::Value)| (name.to_owned(), value)).into())
        .build()
}

/// Points of this kind.
pub fn is(kind: &str) -> Condition {
    matches(field::KIND, kind)
}

/// Points of this source.
pub fn of(source: &SourceName) -> Condition {
    matches(field::SOURCE, source.as_str())
}

/// Points whose field is this text. A list of one: the client would make a search for words of a
/// text with white space.
pub fn matches(field: &str, text: &str) -> Condition {
    Condition::matches(field, vec![text.to_owned()])
}

/// Points of a source that its generation has.
pub fn in_generation(source: &SourceName, generation: u64) -> Vec<Condition> {
    [vec![of(source)], at(generation)].concat()
}

/// Points that a generation has, of sources that are all at it.
pub fn in_common_generation(sources: Vec<String>, generation: u64) -> Vec<Condition> {
    [vec![Condition::matches(field::SOURCE, sources)], at(generation)].concat()
}

fn at(generation: u64) -> Vec<Condition> {
    let generation = Some(generation as f64);
    vec![
        Condition::range(field::FROM, Range { lte: generation, ..Range::default() }),
        Condition::range(field::TO, Range { gt: generation, ..Range::default() }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::BlobSha;

    #[test]
    fn a_payload_gives_back_what_was_put_into_it() {
        let document = Document {
            source: SourceName::parse("docs").expect("a name"),
            path: "a/b/c.md".into(),
            blob_sha: BlobSha::of(b"x"),
            title: None,
            summary: Some("says".into()),
            entities: vec!["fn".into()],
            lines: 3,
            tokens: 7,
            updated_at: None,
        };
        let payload = Point::Document(DocumentPoint::new(&document, 5)).payload().expect("a payload");
        let Ok(Point::Document(read)) = Point::read(payload.into()) else { panic!("no document") };
        assert_eq!((read.from, read.to, read.folders), (5, OPEN, vec!["a/".to_owned(), "a/b/".into()]));
        assert_eq!(read.document, document);
        let id = |path: &str, blob: &str| document_id(&document.source, path, blob, 1);
        assert_ne!(id("a", "b"), id("a", "c"), "a new version never overwrites the old one");
        assert_ne!(id("ab", "c"), id("a", "bc"));
    }
}
