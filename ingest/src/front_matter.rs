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

impl From<Fields> for FrontMatter {
    fn from(fields: Fields) -> Self {
        Self {
            title: fields.title.and_then(said),
            description: fields.description.and_then(said),
            draft: fields.draft.is_some_and(|draft| draft == true || draft == "true"),
        }
    }
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
    if fence == "---"
        && let Some(front) = read_plain(inner)
    {
        return Some(front);
    }
    let parsed: Option<Fields> = match fence {
        "---" => serde_saphyr::from_str(inner).ok(),
        _ => toml::from_str(inner).ok(),
    };
    match parsed {
        Some(fields) => Some(fields.into()),
        None => salvage(inner, if fence == "---" { ':' } else { '=' }),
    }
}

/// Reads YAML of nothing but comments and lines of a key and a word or more, at most one level deep,
/// which is what most of it is: a parser takes as long for it as for all of a page. `None` where it
/// might be more than that.
fn read_plain(inner: &str) -> Option<FrontMatter> {
    let mut front = FrontMatter::default();
    let mut keys = Vec::new();
    let mut open = false;
    for line in inner.lines().filter(|line| !line.starts_with('#')) {
        let nested = line.strip_prefix("  ").filter(|_| open);
        let parent = line.strip_suffix(':');
        let (key, value) = match parent {
            Some(key) => (key, ""),
            None => nested.unwrap_or(line).split_once(": ")?,
        };
        if !is_word(key) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
        let text = if parent.is_some() { "" } else { plain(value.trim_end_matches(' '))? };
        match key {
            _ if nested.is_some() => continue,
            "title" if is_text(text) => front.title = one_line(text),
            "description" if is_text(text) => front.description = one_line(text),
            "draft" if text == "true" || text == "false" => front.draft = text == "true",
            "title" | "description" | "draft" => return None,
            _ => {}
        }
        open = parent.is_some();
    }
    Some(front)
}

/// The text of a scalar on one line, in quotes or not, that begins with a letter or digit and in which
/// nothing has a meaning.
fn plain(value: &str) -> Option<&str> {
    let quote = ['"', '\''].into_iter().find(|&quote| value.starts_with(quote));
    let text = match quote {
        Some(quote) => value[1..].strip_suffix(quote)?,
        None => value,
    };
    let means = match quote {
        Some(_) => text.contains(['"', '\'', '\\']),
        None => text.contains(": ") || text.contains(" #") || text.ends_with(':'),
    };
    // What YAML cannot hold as it is: white space other than spaces, and characters far out.
    let is_usual = |c: char| c == ' ' || !c.is_whitespace() && !c.is_control() && c <= '\u{d7ff}';
    let is_plain = !means && text.starts_with(char::is_alphanumeric) && text.chars().all(is_usual);
    is_plain.then_some(text)
}

/// Whether a plain scalar is text, and neither a number nor a word with a meaning.
fn is_text(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_meant = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    text.starts_with(char::is_alphabetic) && !is_meant && text.parse::<f64>().is_err()
}

fn is_word(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') && is_text(key)
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
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            6 => prop::sample::select(vec!["title", "description", "draft", "i18nReady", "a-b", "y", "null", "1"]),
            1 => prop::sample::select(vec!["", " title", "- a", "'x'", "? a", "<<"]),
        ];
        let word = prop_oneof![
            6 => "[A-Za-z0-9]{1,6}",
            2 => prop::sample::select(vec!["true", "Null", "no", "12", "1e3", "0x1f", "inf", "nan", "2024-01-01", "~"])
                .prop_map(String::from),
            2 => "[\"'\\\\:#\\[\\]{},&*!|>%@`? -]{1,3}",
            1 => any::<char>().prop_map(String::from),
        ];
        let words = prop::collection::vec(word, 0..4).prop_map(|words| words.join(" "));
        let value = (words, prop::sample::select(vec!["", "", "", "'", "\""]))
            .prop_map(|(text, q)| format!("{q}{text}{q}"));
        let line = prop_oneof![
            8 => (prop::sample::select(vec!["", "", "  "]), key, value)
                .prop_map(|(indent, key, value)| format!("{indent}{key}: {value}\n")),
            2 => prop::sample::select(vec!["sidebar:\n", "title:\n", "# a: comment\n", " # b\n", "\n"]).prop_map(String::from),
        ];
        prop::collection::vec(line, 1..4).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn what_is_read_as_plain_is_what_yaml_says(inner in lines()) {
            if let Some(front) = read_plain(&inner) {
                let fields: Fields = serde_saphyr::from_str(&inner).expect("plain lines are YAML");
                prop_assert_eq!(front, FrontMatter::from(fields));
            }
        }
    }

    #[test]
    fn plain_lines_are_read_as_such() {
        let inner = "title: A \"good\" thing\ndescription: 'It: is #1'\ndraft: true\nweight: 10\n";
        let front = read_plain(inner).expect("nothing in it has a meaning");
        assert_eq!(front.title.as_deref(), Some("A \"good\" thing"));
        assert_eq!(front.description.as_deref(), Some("It: is #1"));
        assert!(front.draft);
        let inner = "# by hand\ntitle: A\nsidebar:\n  label: b\n  # not: plain\n";
        assert_eq!(read_plain(inner), None);
        let front = read_plain(&inner.replace("  # not: plain\n", "")).expect("it is plain");
        assert_eq!(front.title.as_deref(), Some("A"));
        for other in [
            "title: a: b\n",
            "title: 2024\n",
            "title: a\n b\n",
            "title: a # b\n",
            "title: [a]\n",
            "x:\n- y\n",
            "x: y\n  z: a\n",
        ] {
            assert_eq!(read_plain(other), None, "{other}");
        }
    }

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
