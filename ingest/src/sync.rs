//! One source through a sync: list, plan, fetch, prepare, stage, publish. The only file that sees
//! all stages.
//!
//! Everything that can fail or take long happens before the publish, which is one atomic step. A
//! run that dies before it leaves the index as it was; its work up to there is undone or found in
//! the caches by the next run.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use lectern_index::config::{SourceSettings, SyncSettings};
use lectern_index::document::BlobSha;
use lectern_index::search::Mode;

use crate::embed::{Cache, Embedding};
use crate::exit::{Exit, Failure};
use crate::plan::{self, Plan};
use crate::progress::{Progress, SourceProgress};
use crate::report::SourceReport;
use crate::source::{Listing, Problem, Snapshot, Source};
use crate::store::{Begun, BuildSpec, IndexWriter, Publication};
use crate::summary::Summaries;

mod count;
mod documents;
mod guard;
mod work;

use count::count;
use work::Work;

/// Stands between a source's settings and what wrote its summaries.
const SUMMARISED: &str = " summary:";

/// What wrote the summaries of a source with these settings.
fn written_by(settings: Option<&str>) -> Option<&str> {
    Some(settings?.split_once(SUMMARISED)?.1)
}

/// What is equal for all sources of a run.
pub struct Sync<'a> {
    /// The index.
    pub store: &'a dyn IndexWriter,
    /// What decides the whole index.
    pub spec: BuildSpec,
    /// What makes vectors; `None` in lexical mode.
    pub embedding: Option<&'a Embedding>,
    /// Where the canary set's questions find their vectors, under whichever model.
    pub cache: Cache,
    /// What writes summaries; `None` where they are extracted.
    pub summaries: Option<&'a Summaries>,
    /// How the sync may behave.
    pub settings: SyncSettings,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Carry out plans that remove most of a source.
    pub allow_mass_delete: bool,
    /// The run.
    pub run_id: String,
    /// Where progress goes.
    pub progress: Progress,
}

/// A source with its settings.
pub struct Target {
    /// Where documents come from.
    pub source: Box<dyn Source>,
    /// Its settings: the head takes version and page template from them.
    pub settings: SourceSettings,
}

impl Sync<'_> {
    /// Brings one source up to date. Never fails: what went wrong is in the report, with its code.
    pub async fn source(&self, target: &Target) -> SourceReport {
        let started = Instant::now();
        let mode = if self.spec.embedder.is_some() { Mode::Hybrid } else { Mode::Lexical };
        let mut report = SourceReport::new(&self.run_id, target.source.name().clone(), mode);
        let progress = self.progress.source(target.source.name());
        report.exit_code = match self.run(target, &mut report, &progress).await {
            Ok(()) if report.failures.is_empty() => Exit::Done,
            Ok(()) => Exit::SomeFailed,
            Err(failure) => {
                report.error = Some(failure.message);
                failure.exit
            }
        };
        report.embedding = progress.embedding();
        report.usage = target.source.usage();
        report.failures.sort();
        report.skipped.sort();
        report.documents.failed = report.failures.len() as u64;
        report.duration_ms = started.elapsed().as_millis() as u64;
        report
    }

    async fn run(
        &self,
        target: &Target,
        report: &mut SourceReport,
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let source = &*target.source;
        let canary = self.canary()?;
        let mut begun = self.store.begin(&self.spec, source.name()).await?;
        if written_by(begun.settings.as_deref()) != self.summaries.map(Summaries::id) {
            // Every summary is another now: all documents are made again, from the caches.
            begun.forget_contents();
        }
        if let Some(head) = &begun.head {
            report.commit.clone_from(&head.commit);
            report.generation = head.generation;
            report.documents.total = head.documents;
            report.chunks.total = head.chunks;
        }
        progress.doing("listing documents");
        let unfinished = begun.known.values().any(|document| document.blob_sha == BlobSha::none());
        let settled =
            begun.failed.is_empty() && !unfinished && begun.settings == Some(self.settings_of(source));
        let known_commit = begun.head.as_ref().and_then(|head| head.commit.as_deref()).filter(|_| settled);
        let listing = progress.during(source, "listing documents", source.list(known_commit)).await;
        let snapshot = match listing? {
            Listing::Snapshot(snapshot) => snapshot,
            Listing::Unchanged => {
                self.unchanged(target, &begun, report).await?;
                return self.decide(canary.as_ref(), report, progress).await;
            }
        };
        let done = self.catch_up(target, &begun, &snapshot, report, progress).await;
        if let (Err(_), Some(head), Some(behind)) = (&done, &begun.head, snapshot.commits_behind)
            && !self.dry_run
        {
            // Nothing was published, but how much is missing is known: readers should be told.
            self.store.touch(&begun, &head.checked_at, Some(behind)).await?;
        }
        done?;
        self.decide(canary.as_ref(), report, progress).await
    }

    /// From a listing to its publication.
    async fn catch_up(
        &self,
        target: &Target,
        begun: &Begun,
        snapshot: &Snapshot,
        report: &mut SourceReport,
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let source = &*target.source;
        let plan = plan::plan(&snapshot.entries, &begun.known, &snapshot.failures);
        self.guard(begun, snapshot, &plan)?;
        report.failures.clone_from(&snapshot.failures);
        report.skipped.extend(snapshot.skipped.iter().cloned());
        report.skipped.extend(plan.skipped.iter().cloned());
        let work = self.work(source, begun, snapshot, &plan, progress).await?;
        report.failures.extend(work.failures.iter().cloned());
        report.skipped.extend(
            work.skipped
                .iter()
                .map(|(path, _, reason)| Problem { path: path.clone(), reason: reason.clone() }),
        );
        count(report, begun, &plan, &work);
        report.summaries = progress.summaries();
        if let Some(reason) = &work.unsummarised {
            report.notes.push(format!(
                "{} documents keep their extracted summary until the next sync: {reason}",
                work.unfinished.len()
            ));
        }
        if self.dry_run {
            let documents = &mut report.documents;
            documents.total = documents.unchanged + documents.added + documents.changed + documents.renamed;
            return Ok(());
        }
        let moved = work.moved;
        let publication = self.publication(target, begun, snapshot, &plan, work, &report.failures);
        self.publish(begun, publication, moved, report, progress).await
    }

    /// The source is at the commit that is published: at most its head's settings changed.
    async fn unchanged(
        &self,
        target: &Target,
        begun: &Begun,
        report: &mut SourceReport,
    ) -> Result<(), Failure> {
        let Some(head) = &begun.head else { return Ok(()) };
        report.documents.unchanged = head.documents;
        report.chunks.reused = head.chunks;
        report.skipped.extend(begun.known.iter().filter_map(|(path, document)| {
            document.skipped.clone().map(|reason| Problem { path: path.clone(), reason })
        }));
        if self.dry_run {
            return Ok(());
        }
        if head.version == target.settings.version && head.url_template == target.settings.url_template {
            return Ok(self.store.touch(begun, &now(), Some(0)).await?);
        }
        let snapshot = Snapshot {
            commit: head.commit.clone(),
            repository: head.repository.clone(),
            ..Snapshot::default()
        };
        let publication = self.publication(target, begun, &snapshot, &Plan::default(), Work::default(), &[]);
        let published = self.store.publish(begun, &publication).await?;
        report.generation = published.generation;
        Ok(())
    }

    /// What decides a source's documents beside its content and the fingerprint.
    fn settings_of(&self, source: &dyn Source) -> String {
        match self.summaries {
            Some(summaries) => format!("{}{SUMMARISED}{}", source.settings(), summaries.id()),
            None => source.settings(),
        }
    }

    fn publication(
        &self,
        target: &Target,
        begun: &Begun,
        snapshot: &Snapshot,
        plan: &Plan,
        work: Work,
        failures: &[Problem],
    ) -> Publication {
        let failed: BTreeSet<&str> = work.failures.iter().map(|failure| failure.path.as_str()).collect();
        let known = |path: &&str| begun.known.contains_key(*path);
        let mut stale: Vec<String> = plan.removed.clone();
        // A document that failed keeps the version it had.
        let renamed = plan.renamed.iter().filter(|rename| !failed.contains(rename.to.path.as_str()));
        stale.extend(renamed.map(|rename| rename.from.clone()));
        let changed =
            plan.changed.iter().map(|entry| entry.path.as_str()).filter(|path| !failed.contains(path));
        stale.extend(changed.filter(known).map(str::to_owned));
        let mut failures = failures.to_vec();
        failures.sort();
        Publication {
            commit: snapshot.commit.clone(),
            repository: snapshot.repository.clone(),
            version: target.settings.version.clone(),
            url_template: target.settings.url_template.clone(),
            at: now(),
            stale,
            staged: work.staged,
            unfinished: work.unfinished,
            skipped: work.skipped,
            failed: failures,
            settings: self.settings_of(&*target.source),
            origin: serde_json::to_string(&target.settings).unwrap_or_default(),
        }
    }

    /// Publishes, or only notes that the source was looked at where nothing at all is new.
    async fn publish(
        &self,
        begun: &Begun,
        publication: Publication,
        moved: u64,
        report: &mut SourceReport,
        progress: &SourceProgress,
    ) -> Result<(), Failure> {
        let nothing_new = publication.stale.is_empty()
            && publication.staged.is_empty()
            && publication.skipped.is_empty()
            && publication.failed == begun.failed
            && begun.settings.as_ref() == Some(&publication.settings)
            && begun.head.as_ref().is_some_and(|head| {
                head.commit == publication.commit
                    && head.repository == publication.repository
                    && head.version == publication.version
                    && head.url_template == publication.url_template
            });
        if nothing_new {
            let behind = publication.commit.as_ref().map(|_| 0);
            return Ok(self.store.touch(begun, &publication.at, behind).await?);
        }
        progress.doing("publishing");
        let published = self.store.publish(begun, &publication).await?;
        report.commit = publication.commit;
        report.generation = published.generation;
        report.documents.total = published.documents;
        report.chunks.total = published.chunks;
        report.chunks.removed = published.removed_chunks.saturating_sub(moved);
        report.chunks.reused = published.chunks.saturating_sub(report.chunks.added);
        report.waiting_for = published.waiting_for;
        Ok(())
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
