//! Which part of which repository: `github:OWNER/REPO[/PATH][@REF]`. Pure.

use lectern_index::chunk::Hash;
use lectern_index::document::SourceName;

/// What a target on the command line begins with to name a repository.
pub const SCHEME: &str = "github:";

/// A folder of a repository at a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The user or organisation.
    pub owner: String,
    /// The repository.
    pub repo: String,
    /// The folder within it, without slashes at its ends; empty for the root.
    pub path: String,
    /// Branch, tag or commit; `None` for the default branch.
    pub reference: Option<String>,
}

impl Location {
    /// Reads `github:OWNER/REPO[/PATH][@REF]`. The ref begins after the **first** `@`, since tags
    /// often contain one (`astro@5.0.0`) and folders hardly ever do; a folder that does has to be
    /// written in `lectern.toml`.
    pub fn parse(target: &str) -> Result<Self, String> {
        let rest = target.strip_prefix(SCHEME).unwrap_or(target);
        let (place, reference) = match rest.split_once('@') {
            Some((place, reference)) => (place, Some(reference)),
            None => (rest, None),
        };
        let mut parts = place.splitn(3, '/');
        let (Some(owner), Some(repo)) = (parts.next(), parts.next()) else {
            return Err(format!("{target:?} names no repository: write github:OWNER/REPO[/PATH][@REF]"));
        };
        Self::new(&format!("{owner}/{repo}"), parts.next().unwrap_or(""), reference)
    }

    /// Reads the settings `github`, `path` and `ref` of a source.
    pub fn new(repository: &str, path: &str, reference: Option<&str>) -> Result<Self, String> {
        let word = |text: &str, more: &str| {
            !text.is_empty()
                && !matches!(text, "." | "..")
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let (owner, repo) = repository
            .split_once('/')
            .filter(|(owner, repo)| word(owner, "-_") && word(repo, "-_."))
            .ok_or_else(|| format!("{repository:?} is no repository: write OWNER/REPO"))?;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(format!("the path {path:?} leads out of the repository: leave the `..` out"));
        }
        if let Some(reference) = reference {
            // git-check-ref-format(1); what it forbids would mean something else to GitHub.
            let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
            if reference.is_empty() || reference.contains(bad) || reference.contains("..") {
                return Err(format!("{reference:?} is no ref: name a branch, a tag or a commit"));
            }
        }
        Ok(Self {
            owner: owner.into(),
            repo: repo.into(),
            path: parts.join("/"),
            reference: reference.map(str::to_owned),
        })
    }

    /// Whether both are the same place; GitHub's names ignore case, paths and refs do not.
    pub fn is_same(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
            && self.path == other.path
            && self.reference == other.reference
    }

    /// The name of a source that was given none: `OWNER.REPO`, and with a folder or a ref also the
    /// last part of each and six hex digits. Never the same for two locations, since a sync under
    /// another source's name would replace that source's documents; GitHub's names ignore case.
    pub fn default_name(&self) -> Result<SourceName, String> {
        let mut name = format!("{}.{}", self.owner, self.repo).to_lowercase();
        if !self.path.is_empty() || self.reference.is_some() || name.len() > 64 {
            let exact = Hash::of(format!("{name}/{}@{:?}", self.path, self.reference).as_bytes()).to_string();
            let last = |text: &str| text.rsplit('/').next().unwrap_or("").to_owned();
            for part in [last(&self.path), last(self.reference.as_deref().unwrap_or(""))] {
                if !part.is_empty() {
                    name = format!("{name}.{part}");
                }
            }
            let allowed = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
            let readable: String = name.chars().map(allowed).take(57).collect();
            name = format!("{readable}-{}", &exact[..6]);
        }
        SourceName::parse(name.trim_start_matches('-')).map_err(|error| error.to_string())
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn parse(target: &str) -> (String, String, String, Option<String>) {
        let found = Location::parse(target).expect(target);
        (found.owner, found.repo, found.path, found.reference)
    }

    fn parts(
        owner: &str,
        repo: &str,
        path: &str,
        reference: Option<&str>,
    ) -> (String, String, String, Option<String>) {
        (owner.into(), repo.into(), path.into(), reference.map(str::to_owned))
    }

    #[test]
    fn targets_are_read() {
        assert_eq!(
            parse("github:cloudwego/cloudwego.github.io/content/en/docs/eino@main"),
            parts("cloudwego", "cloudwego.github.io", "content/en/docs/eino", Some("main"))
        );
        assert_eq!(parse("github:o/r"), parts("o", "r", "", None));
        assert_eq!(parse("github:o/r/docs/"), parts("o", "r", "docs", None));
        assert_eq!(parse("github:o/r@feature/new/x"), parts("o", "r", "", Some("feature/new/x")));
        assert_eq!(
            parse("github:withastro/docs/src@astro@5.0.0"),
            parts("withastro", "docs", "src", Some("astro@5.0.0"))
        );
        assert_eq!(parse("github:o/r/doc umentación"), parts("o", "r", "doc umentación", None));
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for bad in [
            "github:",
            "github:o",
            "github:o/",
            "github:/r",
            "github:o/..",
            "github:o o/r",
            "github:o/r@",
            "github:o/r/../x",
            "github:o/r@a..b",
            "github:o/r@a b",
            "github:o?/r",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn default_names_never_meet() {
        let name =
            |target: &str| Location::parse(target).expect(target).default_name().expect(target).to_string();
        assert_eq!(name("github:rust-lang/book"), "rust-lang.book");
        assert_eq!(name("github:Rust-Lang/Book"), "rust-lang.book");
        let all = [
            "o/docs",
            "p/docs",
            "o/docs@v1",
            "o/docs@v2",
            "o/docs/v1",
            "o/docs/a/b",
            "o/docs/a-b",
            "o/docs@a/b",
            "o/docs.v1",
            "o/docs/x/a",
            "o/docs/y/a",
        ];
        let names: BTreeSet<String> = all.iter().map(|target| name(&format!("github:{target}"))).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        let long = format!("github:{}/{}", "o".repeat(39), "r".repeat(100));
        assert_eq!(name(&long).len(), 64);
    }
}
