//! The text block: compact Markdown, each passage under one citation line. Pure.

use std::fmt::Write;

use lectern_index::document::printable;
use lectern_index::search::Mode;

use crate::answer::{FetchAnswer, Hit, ListAnswer, Provenance, SearchAnswer, SourceState, StatusAnswer};

/// How a mode is written.
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Lexical => "lexical",
        Mode::Hybrid => "hybrid",
    }
}

/// The text block of `search_docs`.
pub fn search(answer: &SearchAnswer) -> String {
    let mut out = String::new();
    for (number, hit) in answer.results.iter().enumerate() {
        let _ = writeln!(out, "[{}] {}", number + 1, citation(hit));
        out.push_str(hit.content.trim_end());
        out.push_str("\n\n");
    }
    if answer.results.is_empty() && answer.omitted == 0 {
        out.push_str("Nothing found. Try other or fewer words, drop a filter, or list_docs.\n");
    } else if answer.results.is_empty() {
        out.push_str("No passage fits: raise max_tokens.\n");
    }
    if answer.omitted > 0 {
        let _ = write!(out, "{} more", answer.omitted);
        match &answer.next_cursor {
            Some(cursor) => {
                let _ = writeln!(out, ": cursor {cursor}");
            }
            None => out.push_str(" need a larger max_tokens\n"),
        }
    }
    footer(&mut out, &answer.provenance);
    out
}

/// The citation line of a hit: where it is, under which headings, and a link to exactly that.
fn citation(hit: &Hit) -> String {
    let mut out = format!("{} {}:{}", hit.source, printable(&hit.path), lines(hit.start_line, hit.end_line));
    if let Some(passage) = &hit.passage_lines {
        let _ = write!(out, " (of {passage})");
    }
    if let Some(headings) = hit.heading_path.as_ref().filter(|headings| !headings.is_empty()) {
        let _ = write!(out, " § {}", printable(&headings.join(" › ")));
    }
    let link = hit.permalink.as_ref().or(hit.url.as_ref()).and_then(Option::as_ref);
    if let Some(link) = link.or(hit.url.as_ref().and_then(Option::as_ref)) {
        let _ = write!(out, " <{link}>");
    }
    out
}

fn lines(start: u32, end: u32) -> String {
    if start == end { start.to_string() } else { format!("{start}-{end}") }
}

/// Mode and sources, at the end of every answer.
fn footer(out: &mut String, provenance: &Provenance) {
    out.push_str(mode(provenance.mode));
    if let Some(reason) = &provenance.degraded {
        let _ = write!(out, ", degraded: {reason}");
    }
    for source in &provenance.sources {
        let _ = write!(out, "; {}", state(source));
    }
}

fn state(state: &SourceState) -> String {
    let mut out = state.source.clone();
    if let Some(Some(commit)) = &state.commit {
        let _ = write!(out, "@{}", commit.get(..12).unwrap_or(commit));
    }
    let _ = write!(out, " indexed {}", state.indexed_at);
    if let Some(Some(behind @ 1..)) = state.commits_behind {
        let _ = write!(out, ", {behind} commits behind");
    }
    out
}

/// The text block of `fetch_doc`.
pub fn fetch(answer: &FetchAnswer) -> String {
    let mut out = format!(
        "{} {}:{} of {}",
        answer.source,
        printable(&answer.path),
        lines(answer.start_line, answer.end_line),
        answer.lines
    );
    let link = answer.permalink.as_ref().and_then(Option::as_ref);
    if let Some(link) = link.or(answer.url.as_ref().and_then(Option::as_ref)) {
        let _ = write!(out, " <{link}>");
    }
    out.push('\n');
    out.push_str(&answer.content);
    if !answer.content.ends_with('\n') {
        out.push('\n');
    }
    out.push('\n');
    if let Some(cursor) = &answer.next_cursor {
        let _ = writeln!(out, "{} more lines: cursor {cursor}", answer.omitted);
    }
    footer(&mut out, &answer.provenance);
    out
}

/// The text block of `list_docs`.
pub fn list(answer: &ListAnswer) -> String {
    let mut out = String::new();
    let mut source = None;
    for document in &answer.documents {
        if source != Some(&document.source) {
            source = Some(&document.source);
            let _ = writeln!(out, "## {}", document.source);
        }
        let _ = write!(out, "- {}", printable(&document.path));
        if let Some(title) = &document.title {
            let _ = write!(out, " — {}", printable(title));
        }
        let _ = write!(out, " ({} tokens, {} lines)", document.tokens, document.lines);
        if let Some(summary) = &document.summary {
            let _ = write!(out, ": {}", printable(&summary.replace('\n', " ")));
        }
        if !document.entities.is_empty() {
            let _ = write!(out, " [{}]", printable(&document.entities.join(", ")));
        }
        out.push('\n');
    }
    if answer.documents.is_empty() {
        out.push_str("No documents. Drop path_prefix or source; get_index_status lists the sources.\n");
    }
    if let Some(cursor) = &answer.next_cursor {
        let _ = writeln!(out, "\nmore: cursor {cursor}");
    }
    out.push('\n');
    footer(&mut out, &answer.provenance);
    out
}

/// The text block of `get_index_status`.
pub fn status(answer: &StatusAnswer) -> String {
    let mut out = format!(
        "Lectern {}, {}, {} documents, {} chunks",
        answer.version,
        mode(answer.mode),
        answer.documents,
        answer.chunks
    );
    if let Some(reason) = &answer.degraded {
        let _ = write!(out, ", degraded: {reason}");
    }
    let _ = write!(out, ", build {}", answer.fingerprint);
    if let Some(embedder) = &answer.embedder {
        let _ = write!(out, ", embedder {embedder}");
    }
    out.push('\n');
    for source in &answer.sources {
        let _ = write!(out, "- {}", source.source);
        if let Some(version) = &source.version {
            let _ = write!(out, " {version}");
        }
        if let Some(commit) = &source.commit {
            let _ = write!(out, " @{commit}");
        }
        let _ = write!(
            out,
            ": generation {}, indexed {}, checked {}, {} documents, {} chunks",
            source.generation, source.indexed_at, source.checked_at, source.documents, source.chunks
        );
        if let Some(behind) = source.commits_behind {
            let _ = write!(out, ", {behind} commits behind");
        }
        out.push('\n');
    }
    out
}
