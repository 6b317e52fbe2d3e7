//! The lines in a file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use async_trait::async_trait;
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
    let out = BufWriter::new(File::create(&part).map_err(failed)?);
    let mut lines = Lines { out };
    let documents = give(index, &mut lines).await?;
    lines.out.flush().map_err(failed)?;
    drop(lines);
    appear::whole(&part, file).map_err(failed)?;
    Ok(documents)
}

/// Publishes the lines of `file` in `store`; returns how many documents they have.
pub async fn restore(store: &Store, file: &Path) -> Result<u64, Failure> {
    let bad = |reason: String| Failure::usage(format!("{} cannot be restored: {reason}", file.display()));
    let lines = BufReader::new(File::open(file).map_err(|error| bad(error.to_string()))?).lines();
    let mut writer = Writer::new(store);
    for (number, line) in lines.enumerate() {
        let line = line.map_err(|error| bad(error.to_string()))?;
        let line: Line =
            serde_json::from_str(&line).map_err(|error| bad(format!("line {}: {error}", number + 1)))?;
        writer.take(line).await.map_err(|failure| match failure.exit {
            Exit::Usage => bad(failure.message),
            _ => failure,
        })?;
    }
    writer.finish().map_err(|failure| bad(failure.message))
}

struct Lines {
    out: BufWriter<File>,
}

#[async_trait]
impl Sink for Lines {
    async fn take(&mut self, line: Line) -> Result<(), Failure> {
        let written = serde_json::to_writer(&mut self.out, &line).map_err(std::io::Error::from);
        written
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(|error| Failure::new(Exit::IndexDown, format!("the backup cannot be written: {error}")))
    }
}
