//! The version of Lectern that last brought an index up to date, kept in the file's `user_version`:
//! programs that are too old for its schema can say which one to use.

use sqlx::SqliteConnection;

/// This version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What to use for an index of a newer schema: `PROGRAM VERSION or newer`.
pub async fn advice(db: &mut SqliteConnection, program: &str) -> String {
    match read(db).await.ok().and_then(version) {
        Some(version) => format!("use {program} {version} or newer"),
        None => format!("use the {program} of the version that made it"),
    }
}

/// The number in the index; 0 where none was written.
pub async fn read(db: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(db).await
}

/// `1.2.3` as 1_002_003: SQLite keeps one number of 32 bits.
pub fn number(version: &str) -> Option<i64> {
    let release = version.split(['-', '+']).next()?;
    release.split('.').try_fold(0, |number, part| Some(number * 1000 + part.parse::<i64>().ok()?))
}

fn version(number: i64) -> Option<String> {
    let (major, minor, patch) = (number / 1_000_000, number / 1000 % 1000, number % 1000);
    (number > 0).then(|| format!("{major}.{minor}.{patch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_that_sort() {
        for text in ["0.1.0", "0.12.3", "1.0.0", "2.345.678"] {
            assert_eq!(number(text).and_then(version).as_deref(), Some(text));
        }
        assert!(number("0.9.10") > number("0.9.9") && number("1.0.0") > number("0.999.999"));
        assert_eq!(number("1.2.3-rc.1"), number("1.2.3"));
        assert_eq!(version(0), None, "an index from before it was recorded");
    }
}
