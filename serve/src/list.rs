//! `list_docs`: the documents there are, page by page.

use lectern_index::document::{Document, SourceName};
use lectern_index::search::{Filter, Status};

use crate::answer::{Answer, ListAnswer, Listed, Provenance, SourceState};
use crate::arguments::{self, CallError, LIMIT, ListArguments, MAX_TOKENS};
use crate::budget::{Budget, largest};
use crate::cursor;
use crate::render;
use crate::search::Searcher;

impl Searcher {
    /// Answers `list_docs`.
    pub async fn list(&self, call: ListArguments) -> Result<Answer<ListAnswer>, CallError> {
        let limit = arguments::within("limit", call.limit, 100, LIMIT)?;
        let filter = Filter {
            source: arguments::source(call.source.clone())?,
            path_prefix: call.path_prefix.clone(),
            version: None,
        };
        let after = call.cursor.as_deref().map(|cursor| position(cursor, &call)).transpose()?;
        // One more than is shown: whether there is a next page.
        let (documents, status) = self.index.documents(&filter, after.as_ref(), limit + 1).await?;
        crate::search::check_filter(&filter, &status)?;
        let (mode, degraded) = self.mode(&status, None);
        let show = |count: usize| {
            let provenance = Provenance { mode, degraded: degraded.clone(), sources: Vec::new() };
            answer(&call, &documents, count, provenance, &status)
        };
        // A page never is larger than any other answer: what does not fit begins the next one.
        let budget = Budget::new(*MAX_TOKENS.end() as usize);
        let most = documents.len().min(limit);
        let whole = show(most);
        if budget.holds(&whole) {
            return Ok(whole);
        }
        Ok(show(largest(most, |count| budget.holds(&show(count))).max(1)))
    }
}

/// What a cursor is made for.
fn bound(call: &ListArguments) -> [Option<&str>; 3] {
    [Some("list_docs"), call.source.as_deref(), call.path_prefix.as_deref()]
}

/// The document a cursor stands behind.
fn position(cursor: &str, call: &ListArguments) -> Result<(SourceName, String), CallError> {
    let cursor = cursor::decode(cursor, &bound(call), &[])?;
    let text = String::from_utf8(cursor.position).map_err(|_| cursor::ForeignCursor)?;
    let (source, path) = text.split_once('/').ok_or(cursor::ForeignCursor)?;
    Ok((SourceName::parse(source).map_err(|_| cursor::ForeignCursor)?, path.to_owned()))
}

fn answer(
    call: &ListArguments,
    documents: &[Document],
    count: usize,
    mut provenance: Provenance,
    status: &Status,
) -> Answer<ListAnswer> {
    let shown = &documents[..count];
    let next = shown
        .last()
        .filter(|_| count < documents.len())
        .map(|last| cursor::encode(&bound(call), &[], format!("{}/{}", last.source, last.path).as_bytes()));
    provenance.sources = status
        .heads
        .iter()
        .filter(|head| shown.iter().any(|document| document.source == head.source))
        .map(|head| SourceState::of(head, false))
        .collect();
    let listed = |document: &Document| Listed {
        source: document.source.to_string(),
        path: document.path.clone(),
        title: document.title.clone(),
        summary: document.summary.clone(),
        entities: document.entities.clone(),
        tokens: document.tokens,
        lines: document.lines,
    };
    let structured =
        ListAnswer { documents: shown.iter().map(listed).collect(), next_cursor: next, provenance };
    Answer { text: render::list(&structured), structured }
}
