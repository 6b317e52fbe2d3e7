//! Where site generators publish a document, as far as its path says. Front matter that names
//! another address (`slug`, `url`, `permalink`) is the case for a template of one's own.

use super::encode_path;

/// How a site generator turns paths into addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// Hugo: lower case, spaces become dashes, `_index.md` and `index.md` are their folder.
    Hugo,
    /// Docusaurus: number prefixes go, `index`, `README` and `FOLDER/FOLDER` are their folder.
    Docusaurus,
    /// MkDocs with `use_directory_urls`, as it is by default: `index` and `README` are their folder.
    MkDocs,
    /// Astro and Starlight: each part as a GitHub slug, `index` is its folder.
    Astro,
    /// mdBook: `.html` files, `README.md` is `index.html`.
    MdBook,
}

/// Names in `url_template`.
pub const CONVENTIONS: [(&str, Convention); 5] = [
    ("hugo", Convention::Hugo),
    ("docusaurus", Convention::Docusaurus),
    ("mkdocs", Convention::MkDocs),
    ("astro", Convention::Astro),
    ("mdbook", Convention::MdBook),
];

/// Reads `NAME:https://HOST/BASE`; `None` where it is no convention.
pub fn read(template: &str) -> Option<(Convention, &str)> {
    let (name, base) = template.split_once(':')?;
    let (_, convention) = CONVENTIONS.iter().find(|(known, _)| *known == name)?;
    base.contains("://").then(|| (*convention, base.trim_end_matches('/')))
}

/// The page of the document at `path`.
pub fn page(convention: Convention, base: &str, path: &str) -> String {
    let mut parts: Vec<String> = stem(path).split('/').map(str::to_owned).collect();
    let name = parts.pop().unwrap_or_default();
    match convention {
        Convention::Hugo => {
            parts.push(name);
            let is_folder = parts.last().is_some_and(|name| matches!(name.as_str(), "_index" | "index"));
            parts = parts.iter().map(|part| part.to_lowercase().replace(' ', "-")).collect();
            finish(base, parts, is_folder, "/")
        }
        Convention::Docusaurus => {
            parts = parts.iter().map(|part| unnumbered(part).to_owned()).collect();
            let name = unnumbered(&name).to_owned();
            let is_folder = name == "index"
                || name.eq_ignore_ascii_case("readme")
                || parts.last().is_some_and(|folder| folder.eq_ignore_ascii_case(&name));
            parts.push(name);
            finish(base, parts, is_folder, "")
        }
        Convention::MkDocs => {
            let is_folder = matches!(name.as_str(), "index" | "README");
            parts.push(name);
            finish(base, parts, is_folder, "/")
        }
        Convention::Astro => {
            let is_folder = name == "index";
            parts.push(name);
            finish(base, parts.iter().map(|part| slug(part)).collect(), is_folder, "/")
        }
        Convention::MdBook => {
            parts.push(if name == "README" { "index".into() } else { name });
            finish(base, parts, false, ".html")
        }
    }
}

fn finish(base: &str, mut parts: Vec<String>, is_folder: bool, end: &str) -> String {
    if is_folder {
        parts.pop();
    }
    match parts.join("/") {
        empty if empty.is_empty() => format!("{base}/"),
        path => format!("{base}/{}{end}", encode_path(&path)),
    }
}

fn stem(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((stem, ending)) if !ending.contains('/') => stem,
        _ => path,
    }
}

/// `01-intro`, `1. intro`, `02_intro` without the number; not `2024-01-31-news` or `1.0`
/// (Docusaurus, `numberPrefixParser`).
fn unnumbered(part: &str) -> &str {
    let digits = part.bytes().take_while(u8::is_ascii_digit).count();
    let rest = part[digits..].trim_start();
    let after = rest.strip_prefix(['-', '_', '.']).map(|rest| rest.trim_start_matches(['-', '_', '.', ' ']));
    match after {
        Some(after)
            if digits > 0 && !after.is_empty() && !after.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            after
        }
        _ => part,
    }
}

/// github-slugger's rule.
fn slug(part: &str) -> String {
    let kept = part.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(template: &str, paths: &[(&str, &str)]) {
        let (convention, base) = read(template).expect(template);
        for (path, expected) in paths {
            assert_eq!(
                page(convention, base, path),
                format!("https://x.org/docs{expected}"),
                "{template} {path}"
            );
        }
    }

    #[test]
    fn pages_are_where_generators_put_them() {
        pages(
            "hugo:https://x.org/docs/",
            &[
                ("Getting Started/First Run.md", "/getting-started/first-run/"),
                ("eino/_index.md", "/eino/"),
                ("_index.md", "/"),
                ("eino/README.md", "/eino/readme/"),
                ("文档/a.zh.md", "/%E6%96%87%E6%A1%A3/a.zh/"),
            ],
        );
        pages(
            "docusaurus:https://x.org/docs",
            &[
                ("01-intro/02-install.mdx", "/intro/install"),
                ("guides/README.md", "/guides"),
                ("guides/guides.md", "/guides"),
                ("index.md", "/"),
                ("2024-01-31-news.md", "/2024-01-31-news"),
            ],
        );
        pages(
            "mkdocs:https://x.org/docs",
            &[("user-guide/Config.md", "/user-guide/Config/"), ("index.md", "/"), ("a/README.md", "/a/")],
        );
        pages(
            "astro:https://x.org/docs",
            &[("Guides/What's new?.mdx", "/guides/whats-new/"), ("guides/index.mdx", "/guides/")],
        );
        pages(
            "mdbook:https://x.org/docs",
            &[("ch01-01-install.md", "/ch01-01-install.html"), ("README.md", "/index.html")],
        );
    }

    #[test]
    fn what_is_no_convention_is_a_template() {
        for template in ["https://x.org/{slug}/", "jekyll:https://x.org", "hugo:x.org"] {
            assert_eq!(read(template), None, "{template}");
        }
    }
}
