//! From settings to an index that ingest works on: a file, or Qdrant with a ledger beside it.

use std::path::PathBuf;

use lectern_index::config::{Config, IndexSettings};
use lectern_index::open::Location;

use crate::exit::{Exit, Failure};
use crate::lock::Lock;
use crate::store::IndexWriter;
use crate::store::qdrant::QdrantStore;
use crate::store::sqlite::SqliteStore;

/// The ledger's file where no setting names it.
const LEDGER: &str = "ledger.db";

/// An index, opened by `lectern-ingest`.
pub enum Store {
    /// One SQLite file, the ledger in it.
    Sqlite(SqliteStore),
    /// Collections in Qdrant, the ledger in a file of its own.
    Qdrant(Box<QdrantStore>),
}

/// Where an index is, and its ledger.
pub struct Place {
    location: Location,
    settings: IndexSettings,
}

/// What a command does with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads an existing one, and holds up nobody.
    Read,
    /// Reads; one that does not exist yet is empty.
    DryRun,
    /// Writes an existing one.
    Existing,
    /// Writes, and makes one where there is none.
    Make,
}

impl Place {
    /// The index that is configured.
    pub fn of(config: &Config) -> Result<Self, Failure> {
        let location = Location::of(&config.index).map_err(Failure::usage)?;
        Ok(Self { location, settings: config.index.clone() })
    }

    /// The index at `url`, which names its collection; laid out there as the settings say.
    pub fn at(url: &str, config: &Config) -> Result<Self, Failure> {
        let settings = IndexSettings { url: url.into(), collection: None, ..config.index.clone() };
        let location = Location::of(&settings).map_err(Failure::usage)?;
        Ok(Self { location, settings })
    }

    /// The file on this machine: the index itself, or Qdrant's ledger.
    pub fn file(&self) -> PathBuf {
        match &self.location {
            Location::Sqlite(path) => path.clone(),
            Location::Qdrant { .. } => self.settings.ledger.clone().unwrap_or_else(|| LEDGER.into()),
        }
    }

    /// How it is named to people.
    pub fn name(&self) -> String {
        match &self.location {
            Location::Sqlite(path) => path.display().to_string(),
            location => location.to_string(),
        }
    }

    /// Opens it for `work` and closes it however that ends.
    pub async fn with<T, E: Into<Failure>>(
        &self,
        access: Access,
        work: impl AsyncFnOnce(&Store) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let (store, _lock) = self.open(access).await?;
        let done = work(&store).await;
        store.close().await;
        done.map_err(Into::into)
    }

    /// Opens it. Who writes has the lock of the file until the second value is dropped, and for
    /// Qdrant the lease too; exit code 7 where somebody else has one of them.
    pub async fn open(&self, access: Access) -> Result<(Store, Option<Lock>), Failure> {
        let file = self.file();
        let writes = matches!(access, Access::Existing | Access::Make);
        let lock = writes.then(|| Lock::take(&file)).transpose()?;
        let Location::Qdrant { url, collection } = &self.location else {
            let store = match access {
                Access::Read => SqliteStore::open_read(&file).await?,
                Access::DryRun => SqliteStore::open_dry(&file).await?,
                Access::Existing => SqliteStore::open_existing(&file).await?,
                Access::Make => SqliteStore::open(&file).await?,
            };
            return Ok((Store::Sqlite(store), lock));
        };
        // A ledger can be lost: whoever writes makes a new one, whoever reads does without.
        let ledger = match &lock {
            Some(_) => SqliteStore::in_memory(&file).await?,
            None => SqliteStore::open_dry(&file).await?,
        };
        let mut store = QdrantStore::open_read(url, collection, ledger, &self.settings)?;
        if matches!(access, Access::Read | Access::Existing) && store.builds().await?.is_empty() {
            return Err(Failure::new(
                Exit::IndexDown,
                format!(
                    "there is no index at {}: run `lectern-ingest sync`, or check its name",
                    self.location
                ),
            ));
        }
        if let Some(lock) = &lock {
            store.close().await;
            store = QdrantStore::open(url, collection, SqliteStore::open(&file).await?, &self.settings, lock)
                .await?;
        }
        Ok((Store::Qdrant(Box::new(store)), lock))
    }
}

impl Store {
    /// The index, to sync into.
    pub fn writer(&self) -> &dyn IndexWriter {
        match self {
            Self::Sqlite(store) => store,
            Self::Qdrant(store) => &**store,
        }
    }

    /// The file with the ledger, the vectors that were paid for and the history of runs.
    pub fn ledger(&self) -> &SqliteStore {
        match self {
            Self::Sqlite(store) => store,
            Self::Qdrant(store) => store.ledger(),
        }
    }

    /// Whether another machine took over what is open here.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Qdrant(store) if store.is_lost())
    }

    /// Ends the work on it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Qdrant(store) => store.close().await,
        }
    }
}
