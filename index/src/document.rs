//! A document: one Markdown file of a source, named by (source, path).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

/// The name of a source: what callers filter by and citations carry.
///
/// 1 to 64 characters out of letters, digits, `-`, `_` and `.`, the first one no dot or dash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceName(String);

/// A source name that breaks the rule of [`SourceName`].
#[derive(Debug, thiserror::Error)]
#[error(
    "source name {0:?} is not allowed: use 1 to 64 letters, digits, `-`, `_` or `.`, beginning with a letter, digit or `_`"
)]
pub struct BadSourceName(String);

impl SourceName {
    /// Checks a name.
    pub fn parse(name: &str) -> Result<Self, BadSourceName> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let ok = (1..=64).contains(&name.chars().count())
            && name.chars().all(allowed)
            && !name.starts_with(['.', '-']);
        if ok { Ok(Self(name.to_owned())) } else { Err(BadSourceName(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

/// Git's name for a file's content: the SHA-1 of `blob LEN\0` and the bytes, in lower-case hex.
///
/// (Git book, 10.2 "Git Objects".) GitHub lists it, so equal content is known before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BlobSha(String);

impl BlobSha {
    /// The blob SHA of a file with this content.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Sha1::new();
        hasher.update(format!("blob {}\0", content.len()));
        hasher.update(content);
        Self(hex::encode(hasher.finalize()))
    }

    /// Reads a SHA from its 40 hex digits; `None` for anything else.
    pub fn parse(sha: &str) -> Option<Self> {
        (sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self(sha.to_ascii_lowercase()))
    }

    /// A SHA that no content has, as Git writes it.
    pub fn none() -> Self {
        Self("0".repeat(40))
    }

    /// The 40 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BlobSha {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sha = String::deserialize(deserializer)?;
        Self::parse(&sha).ok_or_else(|| serde::de::Error::custom(format!("{sha:?} is no SHA-1")))
    }
}

/// What the index holds of a document beside its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The source it belongs to.
    pub source: SourceName,
    /// Path relative to the source's `path`, with `/` between the parts.
    pub path: String,
    /// Git's name for its content.
    pub blob_sha: BlobSha,
    /// Title from the front matter, else the first level-1 heading, else none.
    pub title: Option<String>,
    /// Front matter `description`, else what a model wrote (`[summary]`), else the first paragraph,
    /// cut to a few sentences.
    pub summary: Option<String>,
    /// Identifiers in headings, inline code and code blocks, most telling first, at most 20.
    pub entities: Vec<String>,
    /// Lines of the file.
    pub lines: u32,
    /// Sum of its chunks' tokens.
    pub tokens: u32,
    /// When its last commit was made (RFC 3339), where the source knows it cheaply.
    pub updated_at: Option<String>,
}

impl Document {
    /// What a person should read as its title: the title, else the file's name without ending.
    pub fn display_title(&self) -> &str {
        display_title(self.title.as_deref(), &self.path)
    }
}

/// The title, else the file's name without ending (never part of the searchable text, so that a
/// rename costs nothing).
pub fn display_title<'a>(title: Option<&'a str>, path: &'a str) -> &'a str {
    title.unwrap_or_else(|| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    })
}

/// A path or title as it may be shown in a line of text: one with control characters is quoted and
/// escaped, so that it can neither break the line nor steer a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) { Cow::Owned(format!("{text:?}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_sha_is_git_s() {
        // `printf 'hello\n' | git hash-object --stdin` and `git hash-object /dev/null`
        assert_eq!(BlobSha::of(b"hello\n").as_str(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(BlobSha::of(b"").as_str(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    #[test]
    fn a_path_stays_in_its_line() {
        assert_eq!(printable("a b/ü 🦀.md"), "a b/ü 🦀.md");
        assert_eq!(printable("a\n1. fake\u{1b}[2J.md"), r#""a\n1. fake\u{1b}[2J.md""#);
    }

    #[test]
    fn source_names_are_checked() {
        for good in ["docs", "rust-book", "v1.2", "_x", "文档"] {
            assert!(SourceName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "-flag", "a/b", "a b", "a\nb"] {
            assert!(SourceName::parse(bad).is_err(), "{bad}");
        }
    }
}
