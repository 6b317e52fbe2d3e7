//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Keeps a search index of a team's Markdown documentation fresh.
#[derive(Debug, Parser)]
#[command(
    name = "lectern-ingest",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  lectern-ingest sync docs                      index a folder into ./lectern.db
  lectern-ingest sync github:acme/site/docs@v2  a folder of a repository at a branch, tag or commit
  lectern-ingest sync                           the sources of lectern.toml
  lectern-ingest sync --dry-run                 say what a sync would do
  lectern-ingest status                         what is indexed, and how old it is

Settings come from lectern.toml, then the environment (LECTERN_INDEX_URL sets index.url), then
--set. Exit codes: 0 all done, 2 usage or configuration, 3 some documents failed and the rest is
published, 4 a source could not be reached, 5 the index could not be reached, 6 refused by a guard,
7 another sync is running, 8 verify found differences."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// The index: sqlite://PATH, just a path, or http://HOST:6334/COLLECTION for Qdrant [default:
    /// sqlite://lectern.db]
    #[arg(long, global = true, value_name = "URL")]
    pub index: Option<String>,
    /// The configuration file [default: lectern.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "LECTERN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Override a setting, as in --set chunk.max_tokens=256; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the index up to date with its sources, once
    ///
    /// Finds what changed by content, prepares it all, then publishes it in one step: whoever
    /// searches meanwhile sees the old state or the new one. A run that is interrupted leaves the
    /// old state; running it again completes the work.
    Sync(Sync),
    /// Sync every source on its schedule, until SIGTERM or Ctrl-C
    ///
    /// Catches up what was due while it was down, never runs two syncs at once, tries a failed one
    /// again after a while. /livez, /health and /metrics are served at daemon.listen.
    Daemon,
    /// Show what is indexed, from where, and how old it is
    Status,
    /// Write every published chunk as JSON, one object a line, in a fixed order
    Export {
        /// The vectors as well
        #[arg(long)]
        vectors: bool,
    },
    /// Check that ledger, index and chunks are whole and agree, and say exactly what differs
    ///
    /// Exits 8 where anything differs.
    Verify {
        /// Mend what differs, with the fewest embedding calls.
        #[arg(long)]
        repair: bool,
    },
    /// Restore the ledger from the index, without embedding anything
    RebuildLedger,
    /// Write a consistent copy of the whole index to a file
    ///
    /// A copy of an index in a file is a file of that kind. One whose name ends in .jsonl, and every
    /// copy of an index in Qdrant, has lines of JSON with what is served, which any index can load.
    Backup {
        /// The file to make.
        file: PathBuf,
    },
    /// Replace what is served by a backup
    ///
    /// A backup is checked before anything is changed. A file replaces the index in one step; lines of
    /// JSON replace one source after another, and leave those that are not in them as they are.
    Restore {
        /// The backup.
        file: PathBuf,
    },
    /// Copy what one index serves into another, vectors and all, without embedding anything
    ///
    /// Either one may be in a file or in Qdrant: http://HOST:6334/COLLECTION.
    Copy {
        /// The index to read.
        #[arg(long, value_name = "URL")]
        from: String,
        /// The index to write.
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Remove what is kept but not served, and give the space back
    Prune(Prune),
    /// Serve the build that was served before the last change of model or chunk settings
    Rollback,
    /// Print a completion script for a shell
    ///
    /// For example: lectern-ingest completions bash > ~/.local/share/bash-completion/completions/lectern-ingest
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Options of `prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Sources that are no longer in the configuration
    #[arg(long)]
    pub sources: bool,
    /// Vectors that no chunk uses
    #[arg(long)]
    pub cache: bool,
    /// Builds of other settings: `rollback` can no longer return to them
    #[arg(long)]
    pub builds: bool,
}

/// Options of `sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// What to index: folders, each as a source named like the folder, or
    /// github:OWNER/REPO[/PATH][@REF] [default: the sources of lectern.toml]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Say what would be done and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// No progress, and no summary either unless something failed
    #[arg(long)]
    pub quiet: bool,
    /// Carry out a sync that removes most of a source, or all of it
    #[arg(long)]
    pub allow_mass_delete: bool,
}
