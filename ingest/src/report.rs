//! What a sync did: for programs as JSON, for people as a table.

use std::borrow::Cow;

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use lectern_index::document::{SourceName, printable};
use lectern_index::search::Mode;
use serde::Serialize;

use crate::canary::Verdict;
use crate::exit::Exit;
use crate::source::{Problem, Usage};

/// What one run of `sync` did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// UUIDv7 of the run: sorts by time.
    pub run_id: String,
    /// What it ended with.
    pub exit_code: Exit,
    /// Whether it only said what it would do.
    pub dry_run: bool,
    /// One entry per source.
    pub sources: Vec<SourceReport>,
    /// Why nothing was done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a run did to one source.
#[derive(Debug, Serialize)]
pub struct SourceReport {
    /// The run's id.
    pub run_id: String,
    /// The source.
    pub source: SourceName,
    /// The commit that is published now; `null` for folders.
    pub commit: Option<String>,
    /// The generation that is published now; 0 if none ever was.
    pub generation: u64,
    /// How it can be searched.
    pub mode: Mode,
    /// Documents.
    pub documents: Documents,
    /// Chunks.
    pub chunks: Chunks,
    /// What embedding took.
    pub embedding: Embedding,
    /// Documents that could not be indexed; each keeps the version it had.
    pub failures: Vec<Problem>,
    /// Documents left out on purpose: drafts, links out of the source.
    pub skipped: Vec<Problem>,
    /// Sources that the new build still lacks before it is switched to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<SourceName>,
    /// What writing summaries took; absent where no model writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summaries: Option<Summarised>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How the canary set judged the new build; absent where there was nothing to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Verdict>,
    /// What was asked of the service behind the source, and what it still grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why the source was not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How this source ended.
    pub exit_code: Exit,
    /// Wall-clock time.
    pub duration_ms: u64,
}

/// Counts of documents.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Documents {
    /// In the source now.
    pub total: u64,
    /// New.
    pub added: u64,
    /// With other content than before.
    pub changed: u64,
    /// Under another path than before.
    pub renamed: u64,
    /// Gone.
    pub removed: u64,
    /// As before.
    pub unchanged: u64,
    /// That could not be indexed.
    pub failed: u64,
}

/// Counts of chunks.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Chunks {
    /// In the source now.
    pub total: u64,
    /// Made by this run.
    pub added: u64,
    /// Of documents that did not change, or only moved.
    pub reused: u64,
    /// Gone.
    pub removed: u64,
}

/// What embedding took.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Embedding {
    /// Requests sent; in a dry run those that would be.
    pub requests: u64,
    /// Texts sent.
    pub inputs: u64,
    /// Tokens that were answered, as the service counts them; in a dry run as Lectern does.
    pub tokens: u64,
    /// Vectors that were there already.
    pub reused: u64,
    /// Estimated from the model's list price; `null` where it is not known.
    pub cost_usd: Option<f64>,
}

/// What writing summaries took.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Summarised {
    /// Requests sent; in a dry run those that would be.
    pub requests: u64,
    /// Summaries that were written; the others were there already.
    pub written: u64,
    /// Tokens read and written; in a dry run an estimate.
    pub tokens: u64,
    /// What they cost, where the prices are known.
    pub cost_usd: Option<f64>,
}

impl SourceReport {
    /// A report on a source of which nothing is known yet.
    pub fn new(run_id: &str, source: SourceName, mode: Mode) -> Self {
        Self {
            run_id: run_id.to_owned(),
            source,
            commit: None,
            generation: 0,
            mode,
            documents: Documents::default(),
            chunks: Chunks::default(),
            embedding: Embedding::default(),
            failures: Vec::new(),
            skipped: Vec::new(),
            waiting_for: Vec::new(),
            summaries: None,
            notes: Vec::new(),
            canary: None,
            usage: None,
            error: None,
            exit_code: Exit::Done,
            duration_ms: 0,
        }
    }
}

impl Report {
    /// The report of a run that begins now.
    pub fn begin(dry_run: bool) -> Self {
        let run_id = uuid::Uuid::now_v7().to_string();
        Self { run_id, exit_code: Exit::Done, dry_run, sources: Vec::new(), error: None }
    }

    /// The code that stands for all sources.
    pub fn of_sources(&self) -> Exit {
        Exit::of_all(self.sources.iter().map(|source| source.exit_code))
    }

    /// The report for a person: a table, then every problem with its reason.
    pub fn to_text(&self, colour: bool) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        let columns = [
            "source",
            "documents",
            "added",
            "changed",
            "renamed",
            "removed",
            "failed",
            "chunks",
            "commit",
            "seconds",
        ];
        table.set_header(columns.map(|name| {
            let cell = Cell::new(name);
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for source in &self.sources {
            let d = &source.documents;
            let commit = source.commit.as_deref().map_or("-", |commit| commit.get(..8).unwrap_or(commit));
            let numbers = [d.total, d.added, d.changed, d.renamed, d.removed, d.failed, source.chunks.total];
            let mut row = vec![Cell::new(&source.source)];
            row.extend(numbers.map(|n| Cell::new(n).set_alignment(CellAlignment::Right)));
            row.push(Cell::new(commit));
            let seconds = format!("{:.1}", source.duration_ms as f64 / 1000.0);
            row.push(Cell::new(seconds).set_alignment(CellAlignment::Right));
            table.add_row(row);
        }
        let mut text = if self.sources.is_empty() { String::new() } else { format!("{table}\n") };
        for source in &self.sources {
            text.push_str(&source.embedded(self.dry_run));
            text.push_str(&source.problems());
        }
        if self.dry_run && self.error.is_none() {
            text.push_str("note     this was a dry run: nothing was changed\n");
        }
        text
    }
}

impl SourceReport {
    /// What embedding took, or would take.
    fn embedded(&self, dry_run: bool) -> String {
        let Embedding { requests, inputs, tokens, reused, cost_usd } = &self.embedding;
        let priced =
            |usd: Option<f64>| usd.map_or_else(|| "price unknown".to_owned(), |usd| format!("${usd:.4}"));
        let mut text = String::new();
        if let Some(Summarised { requests, written, tokens, cost_usd }) = &self.summaries {
            let cost = priced(*cost_usd);
            text.push_str(&format!(
                "summaries {}: {written} written, {tokens} tokens, {cost}, in {requests} requests\n",
                self.source
            ));
        }
        if *inputs == 0 {
            return text;
        }
        let cost = priced(*cost_usd);
        let what = if dry_run { "to embed" } else { "embedded" };
        text.push_str(&format!(
            "{what} {}: {inputs} texts, {tokens} tokens, {cost}, in {requests} requests; {reused} vectors were there already\n",
            self.source
        ));
        text
    }

    fn problems(&self) -> String {
        let mut text = String::new();
        for problem in &self.failures {
            text.push_str(&format!(
                "failed   {}: {}: {}\n",
                self.source,
                shown(&problem.path),
                problem.reason
            ));
        }
        for problem in &self.skipped {
            text.push_str(&format!(
                "skipped  {}: {}: {}\n",
                self.source,
                shown(&problem.path),
                problem.reason
            ));
        }
        for note in self.usage.iter().flat_map(|usage| &usage.notes).chain(&self.notes) {
            text.push_str(&format!("note     {}: {note}\n", self.source));
        }
        if let Some(Usage { requests, requests_left: Some(left), resets_at, .. }) = &self.usage {
            let until = resets_at.as_deref().unwrap_or("the next hour");
            text.push_str(&format!(
                "asked    {}: {requests} requests; {left} are left until {until}\n",
                self.source
            ));
        }
        if let Some(verdict) = &self.canary {
            text.push_str(&format!("canary   {}: {verdict}\n", self.source));
        }
        if !self.waiting_for.is_empty() {
            let names: Vec<&str> = self.waiting_for.iter().map(SourceName::as_str).collect();
            text.push_str(&format!(
                "note     the settings changed, so a new build is being filled; the old one is served until it also holds: {}\n",
                names.join(", ")
            ));
        }
        text
    }
}

/// A path as it may be printed; the source's own folder as a dot.
fn shown(path: &str) -> Cow<'_, str> {
    if path.is_empty() { Cow::Borrowed(".") } else { printable(path) }
}
