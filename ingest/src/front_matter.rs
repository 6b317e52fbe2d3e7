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

#[derive(Debug, Default, Deserialize)]
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
            draft: fields.draft.is_some_and(|draft| match draft {
                Value::String(text) => text.eq_ignore_ascii_case("true"),
                other => other == true,
            }),
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
    let fields = match fence {
        "---" => read_yaml(inner).or_else(|| salvage(inner, ':', read_yaml)),
        _ => read_toml(inner).or_else(|| salvage(inner, '=', read_toml)),
    };
    fields.map(FrontMatter::from)
}

fn read_toml(inner: &str) -> Option<Fields> {
    toml::from_str(inner).ok()
}

fn read_yaml(inner: &str) -> Option<Fields> {
    read_wanted(inner).or_else(|| serde_saphyr::from_str(inner).ok())
}

fn read_wanted(inner: &str) -> Option<Fields> {
    let lines = wanted(inner)?;
    if lines.is_empty() { Some(Fields::default()) } else { serde_saphyr::from_str(&lines).ok() }
}

/// Those top-level entries of YAML that are wanted, as they stand: the parser would take as long for
/// all of them as for a page. With their keys, since what ends a value depends on where it stands. `None`
/// where lines do not tell what is an entry, as where brackets or quotes may go on over several.
fn wanted(inner: &str) -> Option<String> {
    let mut lines = String::new();
    let mut wants = None;
    for line in inner.split_inclusive('\n') {
        let text = line.trim_ascii_end();
        let is_comment = text.starts_with('#');
        let may_go_on = || text.contains(['[', '{', '"', '\t']) || text.contains(" '");
        // To YAML a carriage return ends a line, and so a comment, as well.
        if text.contains('\r') || !is_comment && may_go_on() {
            return None;
        }
        let is_inside = text == "-" || text.starts_with("- ") || text.starts_with(' ');
        if !is_inside && !is_comment && !text.is_empty() {
            let (key, value) = text.split_once(':')?;
            if !is_key(key) || !(value.is_empty() || value.starts_with(' ')) {
                return None;
            }
            wants = Some(is_wanted(key));
        }
        match wants {
            Some(true) => lines.push_str(line),
            None if is_inside => return None,
            _ => {}
        }
    }
    Some(lines)
}

fn is_wanted(key: &str) -> bool {
    matches!(key, "title" | "description" | "draft")
}

fn is_key(key: &str) -> bool {
    let may_be = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !key.is_empty() && key.chars().all(may_be)
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

/// Reads the lines `key: value` of a front matter that does not parse, each alone, and those that do not
/// parse either as they stand. `None` if its first line is neither that nor a comment.
fn salvage(inner: &str, separator: char, parse: fn(&str) -> Option<Fields>) -> Option<Fields> {
    let entry = |line: &'_ str| {
        let (key, value) = line.split_once(separator)?;
        let key = key.trim_end();
        is_key(key).then(|| (key.to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    let mut lines = inner.lines().filter(|line| !line.trim_ascii().is_empty() && !line.starts_with('#'));
    entry(lines.next()?)?;
    let mut found = Fields::default();
    for line in inner.lines() {
        let Some((key, value)) = entry(line).filter(|(key, _)| is_wanted(key)) else { continue };
        // A string of JSON is one of YAML and TOML too.
        let as_it_stands = || parse(&format!("{key}{separator} {}", Value::from(value)));
        let Some(fields) = parse(line).or_else(as_it_stands) else { continue };
        found.title = found.title.or(fields.title);
        found.description = found.description.or(fields.description);
        found.draft = fields.draft.or(found.draft);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            6 => prop::sample::select(vec!["title", "description", "draft", "tags", "a-b", "y", "1"]),
            1 => prop::sample::select(vec!["", "- a", "'x'", "\"title\"", "? a", "<<", "title ", "{a", "a b"]),
        ];
        let word = prop_oneof![
            6 => "[A-Za-z0-9]{1,6}",
            2 => prop::sample::select(vec!["true", "Null", "12", "1e3", "2024-01-01", "~", "|", ">-", "&a", "*a"])
                .prop_map(String::from),
            2 => "[\"'\\\\:#\\[\\]{},&*!|>%@`? \t-]{1,3}",
            1 => any::<char>().prop_map(String::from),
        ];
        let words = prop::collection::vec(word, 0..4).prop_map(|words| words.join(" "));
        let quote = || prop::sample::select(vec!["", "", "", "'", "\"", "[", "]", "{", "}"]);
        let value = (quote(), words, quote()).prop_map(|(begin, text, end)| format!("{begin}{text}{end}"));
        let indent = prop::sample::select(vec!["", "", "", " ", "  ", "\t"]);
        let line = prop_oneof![
            8 => (indent.clone(), key, value.clone())
                .prop_map(|(indent, key, value)| format!("{indent}{key}: {value}\n")),
            3 => (indent, value).prop_map(|(indent, value)| format!("{indent}{value}\n")),
            2 => prop::sample::select(vec![
                "tags:\n", "title:\n", "# a: b\n", "# 'a\n", "# [\rtitle: a\n", "- a: b\n", "...\n", "\n", "\r\n",
                "title: |\n# a\n", "description: >-\n\n# a\n", "draft: true\n",
            ])
            .prop_map(String::from),
        ];
        prop::collection::vec(line, 1..6).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn wanted_entries_say_what_all_of_them_do(inner in lines()) {
            if let Ok(fields) = serde_saphyr::from_str::<Fields>(&inner)
                && let Some(wanted) = read_wanted(&inner)
            {
                prop_assert_eq!(FrontMatter::from(wanted), FrontMatter::from(fields));
            }
        }
    }

    #[test]
    fn entries_that_are_not_wanted_are_not_parsed() {
        let inner = "# 'by hand' [\ntitle: >\n  A\n\n  b\nx: *y\n # c\ntags:\n- a\ndraft: true\n";
        assert_eq!(wanted(inner).as_deref(), Some("title: >\n  A\n\n  b\ndraft: true\n"));
        let (front, _) = split(&format!("---\n{inner}---\n"));
        assert_eq!(front.title.as_deref(), Some("A b"));
        assert!(front.draft);
        for other in [
            " title: a\n",
            "{title: a}\n",
            "title:a\n",
            "? title\n",
            "title: a\nb\n",
            "\"title\": a\n",
            "# \rtitle: a\n",
            "x: a\rtitle: b\n",
        ] {
            assert!(wanted(other).is_none(), "{other}");
        }
        for other in ["title: a\ntitle: b\n", "title: a: b\n", "title: *a\n", "draft: true\n- a\n"] {
            assert!(read_wanted(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_not_indented_does_not_go_on_with_a_value() {
        let front = |inner: &str| split(&format!("---\n{inner}---\n")).0;
        assert_eq!(front("description: >\n# by hand\ntags: a\n"), FrontMatter::default());
        assert_eq!(front("title: |\n# by hand\n"), FrontMatter::default());
        let salvaged = front("title: a\n- b\ndraft: true\n- c\n");
        assert_eq!(salvaged, FrontMatter { title: Some("a".into()), description: None, draft: true });
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
        assert_eq!(title("---\ntitle: \"a: b\" # c\nx: y: z\n---\nx"), (Some("a: b".into()), "x"));
        assert_eq!(title("---\ntitle: 'a # b' # c\nx: '\n---\nx"), (Some("a # b".into()), "x"));
        assert_eq!(title("---\ntitle: \"a\nx: y: z\n---\nx"), (Some("a".into()), "x"));
        for (draft, is_draft) in [
            ("true # until launch", true),
            ("True", true),
            ("'true'", true),
            ("\"true\" # was \"false\"", true),
            ("false # true", false),
            ("# true", false),
            ("", false),
        ] {
            for (text, fence) in [
                (format!("title: a: b\ndraft: {draft}"), "---"),
                (format!("title = a\ndraft = {draft}"), "+++"),
            ] {
                let (front, _) = split(&format!("{fence}\n{text}\n{fence}\n"));
                assert_eq!(front.draft, is_draft, "{text}");
            }
        }
        assert_eq!(title("---\ntitle: [\nno end\n"), (None, "---\ntitle: [\nno end\n"));
        assert_eq!(title("---\nprose, no keys\n---\nx").1, "---\nprose, no keys\n---\nx");
        assert_eq!(title("\u{feff}x").1, "\u{feff}x");
        assert_eq!(title("---\n---\nx").1, "x");
        assert_eq!(title(" ---\ntitle: x\n---\n").0, None);
    }
}
