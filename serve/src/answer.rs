//! What the tools answer: the structured content, whose JSON schemas are derived from these types.
//!
//! A doubly optional field is `null` where there is no such thing, and left out where the budget
//! is too small for what can be found out otherwise (see [`crate::passage::Detail`]).

use lectern_index::head::Head;
use lectern_index::search::Mode;
use schemars::JsonSchema;
use serde::Serialize;

/// Stands in for [`Mode`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum ModeSchema {
    Lexical,
    Hybrid,
}

/// How and from what an answer was made: said by every answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Provenance {
    /// How results are found: `lexical` (BM25) or `hybrid` (BM25 and vectors).
    #[schemars(with = "ModeSchema")]
    pub mode: Mode,
    /// Why this answer is worse than it could be; null where it is not.
    pub degraded: Option<String>,
    /// The state of the sources this answer is from; where nothing was found, of those searched.
    pub sources: Vec<SourceState>,
}

/// The state of a source that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceState {
    /// Its name.
    pub source: String,
    /// The commit that was indexed; null for folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Option<String>>,
    /// When it was indexed.
    pub indexed_at: String,
    /// Commits between the indexed and the newest commit; null for folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commits_behind: Option<Option<u64>>,
}

impl SourceState {
    /// The state a head describes, without what is null where `lean`.
    pub fn of(head: &Head, lean: bool) -> Self {
        Self {
            source: head.source.to_string(),
            commit: keep(head.commit.clone(), lean),
            indexed_at: head.indexed_at.clone(),
            commits_behind: keep(head.commits_behind, lean),
        }
    }
}

/// Wraps a value that is left out where it is null and `lean`.
fn keep<T>(value: Option<T>, lean: bool) -> Option<Option<T>> {
    if lean && value.is_none() { None } else { Some(value) }
}

/// Answer of `search_docs`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SearchAnswer {
    /// The passages, best first.
    pub results: Vec<Hit>,
    /// Passages that were found but are not in `results`; at least so many, since only the best
    /// few hundred are looked at.
    pub omitted: usize,
    /// Pass it as `cursor`, with the same query and filters, for the next passages.
    pub next_cursor: Option<String>,
    /// How and from what.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// A passage of a document, with all that is needed to cite and check it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Hit {
    /// Source of the document.
    pub source: String,
    /// Path of the document in its source.
    pub path: String,
    /// Title of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    /// The headings the passage stands under, outermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub heading_path: Option<Vec<String>>,
    /// Anchor of the last of them on a published page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Option<String>>,
    /// The published page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Option<String>>,
    /// Exactly these lines at exactly this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permalink: Option<Option<String>>,
    /// First line of `content` in the file, from 1.
    pub start_line: u32,
    /// Last line of `content` in the file.
    pub end_line: u32,
    /// Lines of the whole passage, where `content` is only a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub passage_lines: Option<String>,
    /// The text of these lines.
    pub content: String,
    /// Tokens of `content` (cl100k).
    pub tokens: usize,
    /// Relevance, 0 to 1: comparable within one answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub score: Option<f64>,
    /// SHA-256 of `content`, in hex.
    pub content_hash: String,
}

/// Answer of `fetch_doc`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FetchAnswer {
    /// Source of the document.
    pub source: String,
    /// Path of the document in its source.
    pub path: String,
    /// Title of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    /// The section that was asked for; null where the whole document was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<Option<String>>,
    /// The published page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Option<String>>,
    /// Exactly these lines at exactly this commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permalink: Option<Option<String>>,
    /// First line of `content` in the file, from 1.
    pub start_line: u32,
    /// Last line of `content` in the file.
    pub end_line: u32,
    /// Lines of the whole file.
    pub lines: u32,
    /// The text of these lines, exactly as in the file.
    pub content: String,
    /// Tokens of `content` (cl100k).
    pub tokens: usize,
    /// SHA-256 of `content`, in hex.
    pub content_hash: String,
    /// Lines that were asked for and follow `content`.
    pub omitted: usize,
    /// Pass it as `cursor`, with the same arguments, for the lines that follow.
    pub next_cursor: Option<String>,
    /// How and from what.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// Answer of `list_docs`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListAnswer {
    /// The documents, by source and path.
    pub documents: Vec<Listed>,
    /// Pass it as `cursor`, with the same filters, for the documents that follow; null at the end.
    pub next_cursor: Option<String>,
    /// How and from what.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// Its source.
    pub source: String,
    /// Its path: what `fetch_doc` takes.
    pub path: String,
    /// Its title.
    pub title: Option<String>,
    /// What it is about.
    pub summary: Option<String>,
    /// Identifiers it speaks of, most telling first.
    pub entities: Vec<String>,
    /// Its tokens: what fetching all of it costs, roughly.
    pub tokens: u32,
    /// Its lines.
    pub lines: u32,
}

/// Answer of `get_index_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// Version of this server.
    pub version: String,
    /// How results are found: `lexical` (BM25) or `hybrid` (BM25 and vectors).
    #[schemars(with = "ModeSchema")]
    pub mode: Mode,
    /// Why answers are worse than they could be; null where they are not.
    pub degraded: Option<String>,
    /// The settings the index was built with.
    pub fingerprint: String,
    /// The model that made the vectors; null where there are none.
    pub embedder: Option<String>,
    /// Documents of all sources.
    pub documents: u64,
    /// Passages of all sources.
    pub chunks: u64,
    /// The sources.
    pub sources: Vec<SourceStatus>,
}

/// What the index holds of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceStatus {
    /// Its name: what `source` takes.
    pub source: String,
    /// Version of the product it documents: what `version` takes.
    pub version: Option<String>,
    /// The repository it is from; null for folders.
    pub repository: Option<String>,
    /// The commit that was indexed; null for folders.
    pub commit: Option<String>,
    /// Number of the published state; it only grows.
    pub generation: u64,
    /// When that was published.
    pub indexed_at: String,
    /// When it was last seen to be up to date.
    pub checked_at: String,
    /// Commits between the indexed and the newest commit; null for folders.
    pub commits_behind: Option<u64>,
    /// Its documents.
    pub documents: u64,
    /// Its passages.
    pub chunks: u64,
}

/// An answer in both its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// Every field, for programs.
    pub structured: T,
    /// Compact Markdown, for models.
    pub text: String,
}
