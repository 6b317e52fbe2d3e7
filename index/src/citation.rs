//! Citations: enough for anybody to check a result.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::head::Head;

pub mod convention;

/// What may stand unescaped in a segment of a URL's path: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `https://HOST/OWNER/REPO/blob/COMMIT/PATH#Lx-Ly`, or `None` where the source has no repository
/// or commit. Lines count from 1; a single line gives `#Lx`.
pub fn permalink(head: &Head, path: &str, start_line: u32, end_line: u32) -> Option<String> {
    let repository = head.repository.as_ref()?;
    let commit = head.commit.as_ref()?;
    let full = match repository.path.as_str() {
        "" => path.to_owned(),
        folder => format!("{folder}/{path}"),
    };
    let lines = if start_line == end_line {
        format!("#L{start_line}")
    } else {
        format!("#L{start_line}-L{end_line}")
    };
    Some(format!("{}/blob/{commit}/{}{lines}", repository.url, encode_path(&full)))
}

/// The published page of a document, from its source's `url_template`, with the anchor if there is
/// one. `hugo:https://HOST/BASE` (and the other names of [`convention::CONVENTIONS`]) follows what that
/// site generator does; in any other template `{path}` stands for the path, `{slug}` for the path without its ending and without a last
/// part `index`, `_index` or `README`.
pub fn url(head: &Head, path: &str, anchor: Option<&str>) -> Option<String> {
    let template = head.url_template.as_ref()?;
    let mut url = match convention::read(template) {
        Some((convention, base)) => convention::page(convention, base, path),
        None => fill(template, path),
    };
    if let Some(anchor) = anchor {
        url.push('#');
        url.push_str(&utf8_percent_encode(anchor, SEGMENT).to_string());
    }
    Some(url)
}

fn fill(template: &str, path: &str) -> String {
    let slug = encode_path(slug(path));
    let mut url = template.replace("{slug}", &slug).replace("{path}", &encode_path(path));
    if slug.is_empty() {
        // `https://host/docs/{slug}/` for the front page: one slash, not two.
        if let Some((scheme, rest)) = url.split_once("://") {
            url = format!("{scheme}://{}", rest.replace("//", "/"));
        }
    }
    url
}

fn slug(path: &str) -> &str {
    let stem =
        path.rsplit_once('.').map_or(path, |(stem, ending)| if ending.contains('/') { path } else { stem });
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    if matches!(name, "index" | "_index" | "README") { folder } else { stem }
}

/// Escapes the segments of a path for a URL, and leaves the slashes.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceName;
    use crate::head::Repository;

    fn head() -> Head {
        Head {
            source: SourceName::parse("docs").expect("a good name"),
            generation: 1,
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            repository: Some(Repository { url: "https://github.com/o/r".into(), path: "content/en".into() }),
            version: None,
            url_template: Some("https://example.org/docs/{slug}/".into()),
            indexed_at: String::new(),
            checked_at: String::new(),
            commits_behind: Some(0),
            documents: 1,
            chunks: 1,
        }
    }

    #[test]
    fn permalinks_name_commit_and_lines() {
        assert_eq!(
            permalink(&head(), "a b/ü#.md", 3, 9).as_deref(),
            Some(
                "https://github.com/o/r/blob/0123456789abcdef0123456789abcdef01234567/content/en/a%20b/%C3%BC%23.md#L3-L9"
            )
        );
    }

    #[test]
    fn pages_follow_the_template() {
        let head = head();
        let page = |path, anchor| url(&head, path, anchor).expect("there is a template");
        assert_eq!(
            page("guides/install.md", Some("next-steps")),
            "https://example.org/docs/guides/install/#next-steps"
        );
        assert_eq!(page("guides/_index.md", None), "https://example.org/docs/guides/");
        assert_eq!(page("index.md", None), "https://example.org/docs/");
        assert_eq!(page("v1.2/notes", None), "https://example.org/docs/v1.2/notes/");
    }
}
