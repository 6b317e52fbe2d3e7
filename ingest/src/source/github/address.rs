//! Addresses as they stand in a browser, as targets. Pure.

use super::location::{Location, SCHEME};

/// Hosts whose pages are meant.
const HOSTS: [&str; 3] = ["https://github.com/", "http://github.com/", "https://www.github.com/"];

/// Reads the address of a repository, or of a folder of it where that can mean one thing only:
/// `https://github.com/OWNER/REPO[/tree/REF[/PATH]]`. `None` for what is no address at all.
pub fn parse(target: &str) -> Option<Result<Location, String>> {
    if !target.contains("://") {
        return None;
    }
    let Some(rest) = HOSTS.iter().find_map(|host| target.strip_prefix(host)) else {
        return Some(Err(format!(
            "{target:?} is neither a folder nor a page of github.com: name a folder, or github:OWNER/REPO[/PATH][@REF]"
        )));
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let parts: Vec<&str> = rest.split('/').collect();
    let repository = parts.get(..2).unwrap_or(&parts).join("/");
    let repository = repository.strip_suffix(".git").unwrap_or(&repository);
    Some(match parts.get(2..).unwrap_or_default() {
        [] => Location::new(repository, "", None),
        ["tree", reference] => Location::new(repository, "", Some(reference)),
        // A ref may have slashes; one that is a commit has none, and beside a branch of such a name
        // there is none that begins with it.
        ["tree", reference, path @ ..] if is_whole(reference) => {
            Location::new(repository, &path.join("/"), Some(reference))
        }
        ["tree", ..] => Err(format!(
            "{target:?} does not tell where the ref ends and the folder begins: write {SCHEME}{repository}/PATH@REF"
        )),
        _ => Err(format!("{target:?} is no folder of a repository: write {SCHEME}{repository}[/PATH][@REF]")),
    })
}

fn is_whole(reference: &str) -> bool {
    let commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    commit || matches!(reference, "main" | "master")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_repositories_are_read() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (page, target) in [
            ("https://github.com/o/r", "github:o/r"),
            ("https://github.com/o/r.git", "github:o/r"),
            ("https://www.github.com/o/r/?tab=readme#top", "github:o/r"),
            ("https://github.com/o/r/tree/v2.0", "github:o/r@v2.0"),
            ("https://github.com/o/r/tree/main/docs/en", "github:o/r/docs/en@main"),
            (&format!("https://github.com/o/r/tree/{commit}/docs"), &format!("github:o/r/docs@{commit}")),
        ] {
            assert_eq!(parse(page), Some(Location::parse(target)), "{page}");
        }
    }

    #[test]
    fn other_pages_say_what_to_write() {
        for (page, says) in [
            ("https://github.com/o/r/tree/feature/x", "github:o/r/PATH@REF"),
            ("https://github.com/o/r/blob/main/a.md", "github:o/r[/PATH][@REF]"),
            ("https://github.com/o", "OWNER/REPO"),
            ("https://gitlab.example/o/r", "github:OWNER/REPO"),
        ] {
            let error = parse(page).expect("an address").expect_err(page);
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(parse("docs"), None);
        assert_eq!(parse("github:o/r"), None);
    }
}
