//! `fetch_doc`: a document, or a part of it, read from its chunks.

use lectern_index::chunk::Hash;
use lectern_index::citation;
use lectern_index::document::{SourceName, printable};
use lectern_index::search::{Filter, StoredDocument};

use crate::answer::{Answer, FetchAnswer, Provenance, SourceState};
use crate::arguments::{self, CallError, FetchArguments, MAX_TOKENS};
use crate::budget::{Budget, largest};
use crate::cursor;
use crate::outline;
use crate::passage::Detail;
use crate::render;
use crate::search::Searcher;

/// Documents looked through for paths like one that does not exist.
const NEAREST_AMONG: usize = 20_000;

/// Bytes of a path or heading that does not exist that are compared with those that do.
const COMPARED: usize = 512;

impl Searcher {
    /// Answers `fetch_doc`.
    pub async fn fetch(&self, call: FetchArguments) -> Result<Answer<FetchAnswer>, CallError> {
        let limit = arguments::within("max_tokens", call.max_tokens, 8000, MAX_TOKENS)?;
        let source = arguments::source(call.source.clone())?;
        let status = self.index.status().await?;
        let filter = Filter { source: source.clone(), ..Filter::default() };
        crate::search::check_filter(&filter, &status)?;
        let mut found = Vec::new();
        for head in &status.heads {
            if source.as_ref().is_none_or(|source| head.source == *source)
                && let Some(document) = self.index.document(&head.source, &call.path).await?
            {
                found.push(document);
            }
        }
        let document = match found.len() {
            0 => return Err(self.not_found(&call.path, source).await?),
            1 => found.remove(0),
            _ => {
                let names: Vec<&str> = found.iter().map(|found| found.document.source.as_str()).collect();
                return Err(CallError::Invalid(format!(
                    "{} sources have {:?}: pass source, one of {}",
                    names.len(),
                    call.path,
                    names.join(", ")
                )));
            }
        };
        let (mode, degraded) = self.mode(&status, None);
        let text: String = document.chunks.iter().map(|chunk| chunk.text.as_str()).collect();
        let part = Part::choose(&call, &document, &text)?;
        let provenance = Provenance { mode, degraded, sources: Vec::new() };
        View { call: &call, document: &document, text: &text, part, provenance }.fill(&Budget::new(limit))
    }

    /// Names the documents whose paths are most like `path`.
    async fn not_found(&self, path: &str, source: Option<SourceName>) -> Result<CallError, CallError> {
        let path = begin(path);
        let filter = Filter { source, ..Filter::default() };
        let (documents, _) = self.index.documents(&filter, None, NEAREST_AMONG).await?;
        let wanted = path.trim_start_matches("./").trim_start_matches('/').to_lowercase();
        let mut near: Vec<(i64, String)> = documents
            .iter()
            .map(|document| {
                let known = document.path.to_lowercase();
                let likeness = (strsim::normalized_damerau_levenshtein(&known, &wanted) * 1000.0) as i64;
                let contained = !wanted.is_empty() && known.contains(&wanted);
                let same_name = file_name(&known) == file_name(&wanted);
                let bonus = i64::from(contained) * 1000 + i64::from(same_name) * 1000;
                (-(likeness + bonus), format!("{} (source {})", printable(&document.path), document.source))
            })
            .collect();
        near.sort();
        near.truncate(5);
        let near: Vec<String> = near.into_iter().map(|(_, path)| path).collect();
        Ok(CallError::Invalid(if near.is_empty() {
            format!("there is no document {path:?}, nor any other: the index is empty")
        } else {
            format!("there is no document {path:?}: the nearest are {}; list_docs has all", near.join(", "))
        }))
    }
}

/// As much of what was asked for as is worth comparing: the time grows with its length.
fn begin(wanted: &str) -> &str {
    &wanted[..wanted.floor_char_boundary(COMPARED)]
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The bytes of the document that are asked for, `from` being where this answer begins.
struct Part {
    from: usize,
    to: usize,
    heading: Option<String>,
}

impl Part {
    fn choose(call: &FetchArguments, document: &StoredDocument, text: &str) -> Result<Self, CallError> {
        let mut part = Self { from: 0, to: text.len(), heading: None };
        if let Some(wanted) = &call.heading {
            let sections = outline::sections(text);
            let Some(section) = outline::find(&sections, wanted) else {
                return Err(no_heading(wanted, &sections, call));
            };
            part = Self {
                from: section.bytes.start,
                to: section.bytes.end,
                heading: Some(section.heading.clone()),
            };
        }
        let first = first_line(document);
        if let Some(line) = call.start_line {
            let last = i64::from(document.document.lines.max(1));
            if !(1..=last).contains(&line) {
                return Err(CallError::Invalid(format!(
                    "start_line is {line}: {:?} has lines 1 to {last}",
                    call.path
                )));
            }
            let start = line_start(text, (line - i64::from(first)).max(0) as usize);
            if let Some(heading) = &part.heading
                && !(part.from..part.to).contains(&start)
            {
                let lines = |bytes: &str| bytes.split_inclusive('\n').count() as u32;
                let before = first + lines(&text[..part.from]);
                return Err(CallError::Invalid(format!(
                    "start_line {line} is not in the section {heading:?}, which has lines {before} to {}: use one of these, or leave one of the two arguments out",
                    before + lines(&text[part.from..part.to]) - 1
                )));
            }
            part.from = start;
        }
        if let Some(cursor) = &call.cursor {
            let line = call.start_line.map(|line| line.to_string());
            let blob = document.document.blob_sha.as_str();
            let arguments = bound(call, document, line.as_deref());
            let cursor = cursor::decode(cursor, &arguments, &[Some(blob)])?;
            if !cursor.fresh {
                return Err(CallError::Invalid(format!(
                    "{:?} has changed since the cursor was made: fetch it again without cursor",
                    call.path
                )));
            }
            let at = cursor::as_number(&cursor.position)? as usize;
            if at > part.to || at < part.from || !text.is_char_boundary(at) {
                return Err(cursor::ForeignCursor.into());
            }
            part.from = at;
        }
        Ok(part)
    }
}

fn no_heading(wanted: &str, sections: &[outline::Section], call: &FetchArguments) -> CallError {
    let wanted = begin(wanted);
    let lower = wanted.to_lowercase();
    let mut near: Vec<(i64, &str)> = sections
        .iter()
        .map(|section| {
            let heading = section.heading.to_lowercase();
            let likeness = (strsim::normalized_damerau_levenshtein(&heading, &lower) * 1000.0) as i64;
            (-(likeness + i64::from(heading.contains(&lower)) * 1000), section.heading.as_str())
        })
        .collect();
    near.sort();
    near.truncate(8);
    let names: Vec<String> = near.iter().map(|(_, heading)| format!("{heading:?}")).collect();
    CallError::Invalid(if names.is_empty() {
        format!("{:?} has no headings: leave heading out", call.path)
    } else {
        format!("{:?} has no heading {wanted:?}: the nearest are {}", call.path, names.join(", "))
    })
}

/// The line the text of the chunks begins at: 1, or the one behind the front matter.
fn first_line(document: &StoredDocument) -> u32 {
    document.chunks.first().map_or(1, |chunk| chunk.start_line)
}

/// The byte at which line `number` (from 0) begins; the end where there are fewer.
fn line_start(text: &str, number: usize) -> usize {
    text.split_inclusive('\n').take(number).map(str::len).sum()
}

/// What a cursor is made for.
fn bound<'a>(
    call: &'a FetchArguments,
    document: &'a StoredDocument,
    start_line: Option<&'a str>,
) -> [Option<&'a str>; 5] {
    [
        Some("fetch_doc"),
        Some(&call.path),
        Some(document.document.source.as_str()),
        call.heading.as_deref(),
        start_line,
    ]
}

/// A document on its way into an answer.
struct View<'a> {
    call: &'a FetchArguments,
    document: &'a StoredDocument,
    text: &'a str,
    part: Part,
    provenance: Provenance,
}

impl View<'_> {
    /// As many lines as fit; where not even one does, as much of it as fits. Fails where not even one
    /// character does.
    fn fill(&self, budget: &Budget) -> Result<Answer<FetchAnswer>, CallError> {
        let cost = |detail| budget.cost(&self.answer(self.part.from, detail, budget));
        let roomy = |share: &(Detail, usize)| cost(share.0) * share.1 <= budget.limit() * (share.1 - 1);
        // At least half of it for the text, or a quarter, or an eighth.
        let shares = [(Detail::Full, 2), (Detail::Lean, 4), (Detail::Bare, 8)];
        let detail = shares.iter().find(|share| roomy(share)).map_or(Detail::Least, |(detail, _)| *detail);
        let room = budget.limit().saturating_sub(cost(detail));
        let mut ends = Vec::new();
        let (mut end, mut sum) = (self.part.from, 0);
        for line in self.text[self.part.from..self.part.to].split_inclusive('\n') {
            // A line of more bytes than any token has, times the room, cannot fit: not worth counting.
            sum += if line.len() > room * 128 { room + 1 } else { budget.line(line) };
            if sum > room {
                break;
            }
            end += line.len();
            ends.push(end);
        }
        while let Some(&end) = ends.last() {
            let answer = self.answer(end, detail, budget);
            let cost = budget.cost(&answer);
            if cost <= budget.limit() {
                return Ok(answer);
            }
            // Drop about as many lines as the answer is too long.
            let mean = (cost / ends.len()).max(1);
            let excess = ((cost - budget.limit()) / mean).clamp(1, ends.len());
            ends.truncate(ends.len() - excess);
        }
        let line_end = self.text[self.part.from..self.part.to]
            .find('\n')
            .map_or(self.part.to, |at| self.part.from + at + 1);
        let cuts: Vec<usize> = self.text[self.part.from..line_end]
            .char_indices()
            .map(|(at, c)| self.part.from + at + c.len_utf8())
            .take((room * 128).max(1))
            .collect();
        let fits = |n: usize| budget.holds(&self.answer(cuts[n - 1], detail, budget));
        // At least one character, so that every cursor leads on.
        let shown = largest(cuts.len(), fits).max(usize::from(!cuts.is_empty()));
        let end = if shown == 0 { self.part.from } else { cuts[shown - 1] };
        let answer = self.answer(end, detail, budget);
        let needed = budget.cost(&answer);
        if needed > budget.limit() {
            return Err(CallError::Invalid(format!(
                "max_tokens {} is too small for {:?}: its names and hashes alone take {needed}; pass at least {}",
                budget.limit(),
                self.call.path,
                (needed * 2).min(*MAX_TOKENS.end() as usize)
            )));
        }
        Ok(answer)
    }

    /// The answer that ends before byte `end`.
    fn answer(&self, end: usize, detail: Detail, budget: &Budget) -> Answer<FetchAnswer> {
        let Part { from, to, heading } = &self.part;
        let (document, head) = (&self.document.document, &self.document.head);
        let content = &self.text[*from..end];
        let start_line = first_line(self.document)
            + self.text[..*from].bytes().filter(|byte| *byte == b'\n').count() as u32;
        let end_line = start_line + content.split_inclusive('\n').count().max(1) as u32 - 1;
        let line = self.call.start_line.map(|line| line.to_string());
        let arguments = bound(self.call, self.document, line.as_deref());
        let next = (end < *to).then(|| {
            cursor::encode(&arguments, &[Some(document.blob_sha.as_str())], &cursor::number(end as u32))
        });
        let mut provenance = self.provenance.clone();
        let lean = detail < Detail::Full;
        let mut state = SourceState::of(head, lean);
        if detail <= Detail::Bare {
            state.commits_behind = None;
            provenance.degraded = provenance.degraded.map(|_| "see get_index_status".into());
        }
        if detail == Detail::Least {
            state.commit = None;
        }
        provenance.sources = vec![state];
        let structured = FetchAnswer {
            source: document.source.to_string(),
            path: document.path.clone(),
            title: (!lean).then(|| document.title.clone()),
            heading: (!lean).then(|| heading.clone()),
            url: (!lean).then(|| citation::url(head, &document.path, None)),
            permalink: (!lean).then(|| citation::permalink(head, &document.path, start_line, end_line)),
            start_line,
            end_line,
            lines: document.lines,
            tokens: budget.count(content),
            content_hash: Hash::of(content.as_bytes()).to_string(),
            content: content.to_owned(),
            omitted: self.text[end..*to].split_inclusive('\n').count(),
            next_cursor: next,
            provenance,
        };
        Answer { text: render::fetch(&structured), structured }
    }
}

#[cfg(test)]
mod tests;
