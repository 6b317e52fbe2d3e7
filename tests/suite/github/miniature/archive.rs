//! The other host: archives, as `git archive` makes them (export-ignore and export-subst apply).

use std::path::PathBuf;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;

use super::answer::error;
use crate::github::repository::git;

pub fn answer(path: &str, instead: Option<Vec<u8>>, known: impl Fn(&str) -> Option<PathBuf>) -> Response {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let [owner, repo, "legacy.tar.gz", sha] = parts.as_slice() else { return error(404, "Not Found") };
    let Some(folder) = known(&format!("{owner}/{repo}")) else { return error(404, "Not Found") };
    let archive = instead.unwrap_or_else(|| {
        let prefix = format!("--prefix={owner}-{repo}-{}/", &sha[..7]);
        git(&folder, &["archive", "--format=tar.gz", &prefix, sha]).stdout
    });
    // In pieces and without a length, as it comes from the real one.
    let pieces: Vec<std::io::Result<Vec<u8>>> =
        archive.chunks(64 * 1024).map(|piece| Ok(piece.to_vec())).collect();
    Response::builder()
        .header(header::CONTENT_TYPE, "application/x-gzip")
        .body(Body::from_stream(futures::stream::iter(pieces)))
        .unwrap()
}
