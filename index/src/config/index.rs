//! `[index]`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::open::Location;

/// `[index]`: where the index is and, for Qdrant, how it is laid out there. The key of Qdrant is no
/// setting: it comes from `QDRANT_API_KEY`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexSettings {
    /// `sqlite://PATH` (or just a path); or `http://HOST:6334` for Qdrant's gRPC, `https://` with TLS.
    pub url: String,
    /// The name of the index in Qdrant: an alias of this name stands for the collection that is
    /// served, `NAME__FINGERPRINT`. It may stand at the end of the URL instead.
    pub collection: Option<String>,
    /// The file with the ledger and the vectors that were paid for, on the machine of ingest;
    /// `ledger.db` if left out. Without it the next sync asks Qdrant what it has, and embeds again what
    /// changed or is made again.
    pub ledger: Option<PathBuf>,
    /// Shards of a new collection: on how many machines it may lie. Cannot be changed later.
    pub shard_number: Option<u32>,
    /// Copies of each shard. With one, a machine that is down takes its shards with it.
    pub replication_factor: Option<u32>,
    /// Copies that must have a write before it counts. More than there are up: no sync ends.
    pub write_consistency_factor: Option<u32>,
    /// Whether full vectors are read from disk, with eight bits of each number in memory. Saves most
    /// of the memory; a cold disk makes searches slow.
    pub on_disk: Option<bool>,
    /// How long a sync goes on trying while Qdrant does not answer (exit code 5 then); 60 if left out.
    pub deadline_seconds: Option<u64>,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            url: "sqlite://lectern.db".into(),
            collection: None,
            ledger: None,
            shard_number: None,
            replication_factor: None,
            write_consistency_factor: None,
            on_disk: None,
            deadline_seconds: None,
        }
    }
}

impl IndexSettings {
    /// What no single field's type can say: above all, no setting is ignored.
    pub(super) fn check(&self) -> Result<(), String> {
        let location = Location::of(self).map_err(|error| error.to_string())?;
        let of_qdrant = [
            ("collection", self.collection.is_some()),
            ("ledger", self.ledger.is_some()),
            ("shard_number", self.shard_number.is_some()),
            ("replication_factor", self.replication_factor.is_some()),
            ("write_consistency_factor", self.write_consistency_factor.is_some()),
            ("on_disk", self.on_disk.is_some()),
            ("deadline_seconds", self.deadline_seconds.is_some()),
        ];
        if let (Location::Sqlite(_), Some((name, _))) = (&location, of_qdrant.iter().find(|(_, set)| *set)) {
            return Err(format!("index.{name} goes with an index in Qdrant, and index.url names a file"));
        }
        let numbers = [
            ("shard_number", self.shard_number.map(u64::from)),
            ("replication_factor", self.replication_factor.map(u64::from)),
            ("write_consistency_factor", self.write_consistency_factor.map(u64::from)),
            ("deadline_seconds", self.deadline_seconds),
        ];
        match numbers.iter().find(|(_, value)| *value == Some(0)) {
            Some((name, _)) => Err(format!("index.{name} = 0: use 1 or more")),
            None => Ok(()),
        }
    }
}
