//! The sections of `lectern.toml`, each with its defaults. A field says what breaks when it is wrong.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::document::SourceName;

/// `[chunk]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkConfig {
    /// The cap on the tokens of a chunk. Too high: passages say more than was asked and fill the
    /// caller's context. Too low: an answer is torn apart.
    pub max_tokens: u32,
    /// Tokens of the preceding text repeated in the searchable text. Costs that many more tokens a
    /// chunk to embed.
    pub overlap_tokens: u32,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self { max_tokens: 512, overlap_tokens: 0 }
    }
}

/// `[sync]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncSettings {
    /// Files larger than this are not indexed but reported. Too high: one generated file fills the
    /// memory of a small machine.
    pub max_file_bytes: u64,
    /// A sync that would remove more than this share of a source's documents…
    pub mass_delete_ratio: f64,
    /// …and more than this many is refused without `--allow-mass-delete`.
    pub mass_delete_documents: u64,
    /// Labelled questions (JSON lines of `query` and `relevant: [{path}]`) that a new build must answer
    /// about as well as the served one before it is switched to. Without it every complete build is.
    pub canary: Option<PathBuf>,
    /// How much smaller the share of answered canary questions may be. Too low: chance stops a switch.
    pub canary_max_loss: f64,
    /// Sources synced at the same time. Too high: servers find us impolite, batches fill the memory.
    pub concurrent_sources: usize,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            max_file_bytes: 20 * 1024 * 1024,
            mass_delete_ratio: 0.5,
            mass_delete_documents: 10,
            canary: None,
            canary_max_loss: 0.05,
            concurrent_sources: 4,
        }
    }
}

/// `[daemon]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaemonSettings {
    /// When sources that name no schedule of their own are synced: cron with seconds, in UTC.
    pub schedule: String,
    /// A run starts up to this many seconds after it is due, so that many daemons do not ask a
    /// server at the same moment.
    pub jitter_seconds: u64,
    /// How long a running sync may go on after SIGTERM before it is abandoned. Longer than what the
    /// platform waits before it kills (10 s for most), and it never counts.
    pub shutdown_grace_seconds: u64,
    /// The wait before a failed run is tried again; doubled after each further failure, at most an
    /// hour.
    pub retry_seconds: u64,
    /// Address and port of `/livez`, `/health` and `/metrics`.
    pub listen: String,
    /// Gets a JSON report by POST when a run fails, and when the source recovers.
    pub webhook_url: Option<String>,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            schedule: "0 17 * * * *".into(),
            jitter_seconds: 10,
            shutdown_grace_seconds: 8,
            retry_seconds: 60,
            listen: "127.0.0.1:8081".into(),
            webhook_url: None,
        }
    }
}

/// `[serve]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeSettings {
    /// Address and port of the HTTP server; port 0 takes a free one.
    pub listen: String,
    /// `token` asks every caller for `LECTERN_TOKEN` where that is set; `none` says that an open
    /// endpoint is meant.
    pub auth: Auth,
    /// Names callers may use for this server in `Host`, beside those of the loopback interface:
    /// `docs.example.com`, `docs.example.com:8443`, or `*` for any. Without it a deployed server
    /// answers 403. `*` without a token lets any web page the user visits read the documentation.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call from a browser, beside those on this machine:
    /// `https://app.example.com`, `https://app.example.com:*` for any port, or `*` for any page.
    pub allowed_origins: Vec<String>,
    /// Requests larger than this get 413. Too low: long queries are refused. Too high: a few
    /// requests fill the memory of a small machine.
    pub max_body_bytes: usize,
    /// Requests handled at once; the others wait. Too high: all of them become slow. Too low: the
    /// processors idle.
    pub max_concurrent: usize,
    /// A call that takes longer is given up and says so. Too low: a cold disk fails searches. Too
    /// high: callers have long gone away.
    pub timeout_seconds: u64,
    /// How long the vector of a question may take before the answer is lexical (`degraded`). Too low:
    /// answers are worse than they could be. Too high: callers wait for a service that is down.
    pub embed_timeout_ms: u64,
    /// How long requests in flight may take to finish after SIGTERM. Longer than the supervisor's
    /// own grace time has no effect.
    pub grace_seconds: u64,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            auth: Auth::Token,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body_bytes: 256 * 1024,
            max_concurrent: 64,
            timeout_seconds: 30,
            embed_timeout_ms: 2000,
            grace_seconds: 10,
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Holders of `LECTERN_TOKEN`.
    Token,
    /// Everybody who can reach the address.
    None,
}

/// `[github]`: what holds for every repository. The token and the App's key are no settings: they
/// come from `GITHUB_TOKEN` and `GITHUB_APP_PRIVATE_KEY` (or `GITHUB_APP_PRIVATE_KEY_FILE`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GithubSettings {
    /// Address of the REST API; for an Enterprise server `https://HOST/api/v3`. Where it is not set,
    /// `GITHUB_API_URL` counts, and then `https://api.github.com`: a workflow sets that variable by
    /// itself, so what is written down here is what is meant.
    pub base_url: Option<String>,
    /// Id of the GitHub App that reads the repositories. With `installation_id`, instead of a token.
    pub app_id: Option<u64>,
    /// Id of that App's installation in the organisation.
    pub installation_id: Option<u64>,
    /// How long a sync of one source may wait for GitHub in all: for rate limits, retries and
    /// answers. Too low: an hour's limit is never sat out. Too high: a scheduled run sits in the next.
    pub deadline_seconds: u64,
    /// How long a connection may be silent. Too low: slow answers (large trees) are asked for again.
    pub timeout_seconds: u64,
    /// What a repository's archive may unpack to. Too high: a hostile one costs hours of CPU (never
    /// memory or disk: it is read as it arrives).
    pub max_archive_bytes: u64,
}

impl Default for GithubSettings {
    fn default() -> Self {
        Self {
            base_url: None,
            app_id: None,
            installation_id: None,
            deadline_seconds: 1800,
            timeout_seconds: 30,
            max_archive_bytes: 8 * 1024 * 1024 * 1024,
        }
    }
}

/// One `[[source]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name: what callers filter by.
    pub name: SourceName,
    /// The folder it is read from.
    pub folder: Option<PathBuf>,
    /// The repository it is read from, `OWNER/REPO`.
    pub github: Option<String>,
    /// Branch, tag or commit of that repository; its default branch if left out. Where a branch and a
    /// tag have one name, `heads/NAME` and `tags/NAME` tell them apart.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The folder within the source that holds the documentation.
    #[serde(default)]
    pub path: String,
    /// Globs of the files that count, relative to `path`.
    #[serde(default = "default_include")]
    pub include: Vec<String>,
    /// Globs of the files among them that do not.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Template of a document's published page: `{slug}`, `{path}`; or the convention of a site
    /// generator and where the site is, as in `hugo:https://example.org/docs` (also `docusaurus`,
    /// `mkdocs`, `astro`, `mdbook`).
    pub url_template: Option<String>,
    /// Version of the product that is documented.
    pub version: Option<String>,
    /// When the daemon syncs it: cron with seconds, in UTC; else `daemon.schedule`.
    pub schedule: Option<String>,
}

/// What is documentation where nothing else is said.
pub fn default_include() -> Vec<String> {
    ["**/*.md", "**/*.mdx", "**/*.markdown"].map(String::from).to_vec()
}
