//! Front matter: the YAML (`---`) or TOML (`+++`) block a document may begin with.

use serde::Deserialize;
use serde_json::Value;

/// What Lectern takes from a front matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrontMatter {
    /// `title`, if it says anything.
    pub title: Option<String>,
    /// `description`, if it says anything.
    pub description: Option<String>,
    /// `draft: true`.
    pub draft: bool,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    title: Option<Value>,
    #[serde(default)]
    description: Option<Value>,
    #[serde(default)]
    draft: Option<Value>,
}

/// Takes the front matter off a document; the number is where the body begins, 0 without one.
///
/// A byte order mark before it belongs to it. A front matter that does not parse is read line by
/// line for what can be saved; prose between two rules is no front matter, and stays in the body.
pub fn split(text: &str) -> (FrontMatter, usize) {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offset = text.len() - bare.len();
    for fence in ["---", "+++"] {
        let Some((inner, end)) = between(bare, fence) else { continue };
        if let Some(front) = read(inner, fence) {
            return (front, offset + end);
        }
    }
    (FrontMatter::default(), 0)
}

/// The text between the opening fence, which must be the first line, and the closing one, and
/// where the line after that begins.
fn between<'a>(text: &'a str, fence: &str) -> Option<(&'a str, usize)> {
    let is_fence = |line: &str| line.strip_prefix(fence).is_some_and(|rest| rest.trim_ascii().is_empty());
    let mut at = 0;
    let mut start = None;
    for line in text.split_inclusive('\n') {
        let after = at + line.len();
        match start {
            None if is_fence(line) => start = Some(after),
            None => return None,
            Some(start) if is_fence(line) => return Some((&text[start..at], after)),
            Some(_) => {}
        }
        at = after;
    }
    None
}

fn read(inner: &str, fence: &str) -> Option<FrontMatter> {
    if inner.trim_ascii().is_empty() {
        return Some(FrontMatter::default());
    }
    let parsed: Option<Fields> = match fence {
        "---" => serde_saphyr::from_str(inner).ok(),
        _ => toml::from_str(inner).ok(),
    };
    match parsed {
        Some(fields) => Some(FrontMatter {
            title: fields.title.and_then(said),
            description: fields.description.and_then(said),
            draft: fields.draft.is_some_and(|draft| draft == true || draft == "true"),
        }),
        None => salvage(inner, if fence == "---" { ':' } else { '=' }),
    }
}

/// A scalar as text on one line; `None` for anything without words.
fn said(value: Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    one_line(&text)
}

fn one_line(text: &str) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// Reads `key: value` lines of a front matter that does not parse; `None` if its first line is
/// neither that nor a comment.
fn salvage(inner: &str, separator: char) -> Option<FrontMatter> {
    let key_of = |line: &str| {
        let (key, _) = line.split_once(separator)?;
        let key = key.trim_end();
        let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        (!key.is_empty() && key.chars().all(is_key)).then(|| key.to_owned())
    };
    let mut lines = inner.lines().filter(|line| !line.trim_ascii().is_empty() && !line.starts_with('#'));
    key_of(lines.next()?)?;
    let mut front = FrontMatter::default();
    for line in inner.lines() {
        let (Some(key), Some((_, value))) = (key_of(line), line.split_once(separator)) else { continue };
        let value = one_line(value.trim().trim_matches(['"', '\'']));
        match key.as_str() {
            "title" if front.title.is_none() => front.title = value,
            "description" if front.description.is_none() => front.description = value,
            "draft" => front.draft = value.as_deref() == Some("true"),
            _ => {}
        }
    }
    Some(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(text: &str) -> (Option<String>, &str) {
        let (front, body) = split(text);
        (front.title, &text[body..])
    }

    #[test]
    fn yaml_and_toml_are_read() {
        let text = "---\ntitle: \"Hello: world\"\ndescription: >\n  two\n  lines\ndraft: true\nx: [1, {a: b}]\n---\n# B\n";
        let (front, body) = split(text);
        assert_eq!(front.title.as_deref(), Some("Hello: world"));
        assert_eq!(front.description.as_deref(), Some("two lines"));
        assert!(front.draft);
        assert_eq!(&text[body..], "# B\n");
        assert_eq!(title("+++\r\ntitle = 'T'\r\ndate = 2024-01-01\r\n+++\r\nx"), (Some("T".into()), "x"));
        assert_eq!(title("\u{feff}---\ntitle: 2024\n---\nx"), (Some("2024".into()), "x"));
    }

    #[test]
    fn malformed_front_matter_loses_nothing() {
        assert_eq!(title("---\ntitle: a: b\ntags: [\n---\nx"), (Some("a: b".into()), "x"));
        assert_eq!(title("---\ntitle: [\nno end\n"), (None, "---\ntitle: [\nno end\n"));
        assert_eq!(title("---\nprose, no keys\n---\nx").1, "---\nprose, no keys\n---\nx");
        assert_eq!(title("\u{feff}x").1, "\u{feff}x");
        assert_eq!(title("---\n---\nx").1, "x");
        assert_eq!(title(" ---\ntitle: x\n---\n").0, None);
    }
}
