-- The embedded index, the vector cache and the ledger. With Qdrant only the last two are used.
-- Every table is keyed by build (or fingerprint, its name outside this file), so that a new
-- fingerprint is filled beside the one that is served.
--
-- A full-text table `fts_BUILD` (title, headings, body; rowid = chunks.chunk) is made with each
-- build: statistics of two builds never mix, and an old build is dropped in one step.

CREATE TABLE builds (
    build       INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL CHECK (state IN ('filling', 'serving', 'kept')),
    embedder    TEXT,               -- null: lexical
    dimensions  INTEGER,
    chunk       TEXT NOT NULL,      -- chunk settings, JSON
    created_at  TEXT NOT NULL,
    switched_at TEXT NOT NULL       -- when it last changed its state
) STRICT;

CREATE UNIQUE INDEX builds_one_serves ON builds (state) WHERE state = 'serving';

CREATE TABLE heads (
    build           INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE,
    source          TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    commit_sha      TEXT,
    repository_url  TEXT,
    repository_path TEXT,
    version         TEXT,
    url_template    TEXT,
    indexed_at      TEXT NOT NULL,
    checked_at      TEXT NOT NULL,
    commits_behind  INTEGER,
    documents       INTEGER NOT NULL,
    chunks          INTEGER NOT NULL,
    PRIMARY KEY (build, source)
) STRICT, WITHOUT ROWID;

-- A row whose generation is above its head's is staged: written, not yet published, seen by nobody.
CREATE TABLE documents (
    document   INTEGER PRIMARY KEY,
    build      INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE,
    source     TEXT NOT NULL,
    path       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    blob_sha   TEXT NOT NULL,
    title      TEXT,
    summary    TEXT,
    entities   TEXT NOT NULL,       -- JSON array of strings
    lines      INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    updated_at TEXT,
    UNIQUE (build, source, path, generation)
) STRICT;

CREATE TABLE chunks (
    chunk        INTEGER PRIMARY KEY,
    document     INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    ordinal      INTEGER NOT NULL,
    id           BLOB NOT NULL,
    start_byte   INTEGER NOT NULL,
    end_byte     INTEGER NOT NULL,
    start_line   INTEGER NOT NULL,
    end_line     INTEGER NOT NULL,
    heading_path TEXT NOT NULL,     -- JSON array of strings
    anchor       TEXT,
    tokens       INTEGER NOT NULL,
    context      TEXT NOT NULL,
    text         TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    text_hash    BLOB NOT NULL,
    UNIQUE (document, ordinal)
) STRICT;

-- Which chunks use a vector, and which vectors no chunk uses.
CREATE INDEX chunks_by_text ON chunks (text_hash);

-- Vectors, unit length, little-endian f32. Keyed by what decides them: equal text is embedded once.
CREATE TABLE vectors (
    vector_id INTEGER PRIMARY KEY,
    embedder  TEXT NOT NULL,
    text_hash BLOB NOT NULL,
    vector    BLOB NOT NULL,
    UNIQUE (embedder, text_hash)
) STRICT;

-- Summaries that a model wrote. Keyed by what decides them: equal content is asked about once.
CREATE TABLE summaries (
    model    TEXT NOT NULL,         -- and the version of what it is told
    blob_sha TEXT NOT NULL,
    summary  TEXT,                  -- null: it would write none
    PRIMARY KEY (model, blob_sha)
) STRICT, WITHOUT ROWID;

-- The ledger: a cache of what the index holds, so that a sync need not ask it.
CREATE TABLE ledger_documents (
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,
    path        TEXT NOT NULL,
    blob_sha    TEXT NOT NULL,
    chunk_ids   BLOB NOT NULL,      -- 16 bytes each, in order of ordinal
    skipped     TEXT,               -- why it is not in the index (a draft); null if it is
    PRIMARY KEY (fingerprint, source, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_sources (
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    indexed_at  TEXT NOT NULL,      -- with the generation: which publication it describes
    commit_sha  TEXT,
    settings    TEXT NOT NULL,      -- hash of the source's settings that decide its listing
    origin      TEXT,               -- the source's settings, JSON: to repair without a configuration
    PRIMARY KEY (fingerprint, source)
) STRICT, WITHOUT ROWID;

-- Documents that could not be indexed when last tried: why, and for which content.
CREATE TABLE ledger_failures (
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,
    path        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (fingerprint, source, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run_id      TEXT NOT NULL,      -- UUIDv7: sorts by time
    source      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    exit_code   INTEGER NOT NULL,
    report      TEXT NOT NULL,      -- JSON
    PRIMARY KEY (run_id, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_by_source ON runs (source, run_id);
