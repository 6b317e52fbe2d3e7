//! The lines in a file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use async_trait::async_trait;
use lectern_index::chunk::Hash;
use lectern_index::search::SearchIndex;

use super::{Line, Sink, Writer, give};
use crate::backup::appear;
use crate::exit::{Exit, Failure};
use crate::store::open::Store;

/// Whether a backup of this name is lines of JSON; for an index in Qdrant all are.
pub fn has_lines(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "jsonl")
}

/// Whether a file is a database, so no lines.
pub fn is_database(file: &Path) -> bool {
    let mut start = [0; 16];
    File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"SQLite format 3\0"
}

/// Writes what `index` serves to `file`, which must not exist yet and appears whole or not at all.
pub async fn backup(index: &dyn SearchIndex, file: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::IndexDown, format!("the backup {} cannot be written: {error}", file.display()))
    };
    let part = appear::part(file)?;
    let written = write(index, &part, failed).await;
    match written {
        Ok(_) => appear::whole(&part, file).map_err(failed)?,
        // Half a backup is none, and it may be what fills the disk.
        Err(_) => drop(std::fs::remove_file(&part)),
    }
    written
}

async fn write(
    index: &dyn SearchIndex,
    part: &Path,
    failed: impl Fn(std::io::Error) -> Failure,
) -> Result<u64, Failure> {
    let out = BufWriter::new(File::create(part).map_err(&failed)?);
    let mut lines = Lines { out, seal: Seal::default() };
    let documents = give(index, &mut lines).await?;
    writeln!(lines.out, "{}", lines.seal.line()).and_then(|()| lines.out.flush()).map_err(failed)?;
    Ok(documents)
}

/// Publishes the lines of `file` in `store`; returns how many documents they have. A file that is not
/// as it was written is refused before anything of it is published.
pub async fn restore(store: &Store, file: &Path) -> Result<u64, Failure> {
    let bad = |reason: String| Failure::usage(format!("{} cannot be restored: {reason}", file.display()));
    let usage = |failure: Failure| match failure.exit {
        Exit::Usage => bad(failure.message),
        _ => failure,
    };
    let lines = || File::open(file).map(|file| BufReader::new(file).split(b'\n'));
    let unread = |error: std::io::Error| bad(error.to_string());
    let mut seal = Seal::default();
    let (mut last, mut count) = (Vec::new(), 0);
    for line in lines().map_err(unread)? {
        if count > 0 {
            serde_json::from_slice::<Line>(&last).map_err(|error| bad(format!("line {count}: {error}")))?;
            seal.add(&last);
        }
        last = line.map_err(unread)?;
        count += 1;
    }
    if last != seal.line().into_bytes() {
        return Err(
            bad("it was cut off, or changed since it was written: its last line does not fit".into()),
        );
    }
    let mut writer = Writer::new(store);
    for line in lines().map_err(unread)?.take(count - 1) {
        let line = serde_json::from_slice(&line.map_err(unread)?).map_err(|error| bad(error.to_string()))?;
        writer.take(line).await.map_err(usage)?;
    }
    writer.finish().map_err(usage)
}

/// A hash of all lines before the last, which holds it: each is hashed with what came before it.
#[derive(Default)]
struct Seal(Vec<u8>);

impl Seal {
    fn add(&mut self, line: &[u8]) {
        self.0.extend(Hash::of(line).as_bytes());
        self.0 = Hash::of(&self.0).as_bytes().to_vec();
    }

    /// The last line.
    fn line(&self) -> String {
        serde_json::json!({ "seal": Hash::of(&self.0).to_string() }).to_string()
    }
}

struct Lines {
    out: BufWriter<File>,
    seal: Seal,
}

#[async_trait]
impl Sink for Lines {
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        let failed = |error| Failure::new(Exit::IndexDown, format!("the backup cannot be written: {error}"));
        let line = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        self.seal.add(line.as_bytes());
        writeln!(self.out, "{line}").map_err(failed)
    }
}
