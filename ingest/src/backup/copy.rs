//! SQLite's online backup: one database over another in one transaction
//! (<https://www.sqlite.org/backup.html>), which no SQL statement can do.
#![allow(unsafe_code)]

use libsqlite3_sys::{
    SQLITE_DONE, sqlite3_backup_finish, sqlite3_backup_init, sqlite3_backup_step, sqlite3_errmsg,
};
use sqlx::SqliteConnection;

/// Makes `to` equal to `from`. Readers of `to` see its old content until all is there.
pub(super) async fn copy(from: &mut SqliteConnection, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut from = from.lock_handle().await?;
    let mut to = to.lock_handle().await?;
    let (source, target) = (from.as_raw_handle().as_ptr(), to.as_raw_handle().as_ptr());
    // SAFETY: both handles are locked, so open and used by nobody else until this function returns;
    // the names are C strings; the backup object is used between init and finish only; the message
    // is copied before the next call on `target`.
    unsafe {
        let backup = sqlite3_backup_init(target, c"main".as_ptr(), source, c"main".as_ptr());
        let stepped = if backup.is_null() { None } else { Some(sqlite3_backup_step(backup, -1)) };
        if !backup.is_null() {
            sqlite3_backup_finish(backup);
        }
        if stepped == Some(SQLITE_DONE) {
            return Ok(());
        }
        let message = std::ffi::CStr::from_ptr(sqlite3_errmsg(target)).to_string_lossy().into_owned();
        Err(sqlx::Error::Protocol(format!("the copy ended with code {stepped:?}: {message}")))
    }
}
