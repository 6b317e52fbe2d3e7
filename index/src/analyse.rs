//! The analyser: text to terms, the same for documents and queries and for every index.
//!
//! Knows prose and code. Words are lower-cased and stemmed; identifiers are kept whole **and** in
//! their parts, whatever joins them: `NewChatModel` gives `newchatmodel new chat model`,
//! `stream_reader.Close` gives `streamreaderclose stream reader close`. Terms consist of letters
//! and digits alone, so no index needs to split them again. Scripts without spaces give pairs of
//! neighbouring characters.

use rust_stemmers::{Algorithm, Stemmer};

use crate::chunk::Chunk;

/// Runs joined by more than this many connectors are text (a path, a table rule), not an identifier.
const MAX_JOINED: usize = 6;

/// Terms longer than this are data (a hash, base64), which nobody searches for by its parts.
const MAX_TERM_CHARS: usize = 64;

/// Calls `emit` with every term of `text`, in order.
pub fn terms(text: &str, mut emit: impl FnMut(&str)) {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut joined: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        joined.push(&rest[..end]);
        rest = &rest[end..];
        if let Some(after) = connector(rest) {
            rest = &rest[after..];
            continue;
        }
        word(&joined, &stemmer, &mut emit);
        joined.clear();
    }
    word(&joined, &stemmer, &mut emit);
}

/// All terms of `text`, separated by spaces: what a full-text index is fed with.
pub fn analysed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    terms(text, |term| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(term);
    });
    out
}

/// The full-text fields of a chunk, analysed: title, headings, body.
pub fn fields(title: Option<&str>, chunk: &Chunk) -> [String; 3] {
    [analysed(title.unwrap_or_default()), analysed(&chunk.heading_path.join("\n")), analysed(&chunk.text)]
}

/// Length of the connector `rest` begins with, where a letter or digit follows it at once.
fn connector(rest: &str) -> Option<usize> {
    let len = if rest.starts_with("::") || rest.starts_with("->") {
        2
    } else if rest.starts_with(['_', '-', '.', '\'', '’']) {
        rest.chars().next()?.len_utf8()
    } else {
        return None;
    };
    let len = len + rest[len..].find(|c| c != '_').unwrap_or(0);
    rest[len..].starts_with(char::is_alphanumeric).then_some(len)
}

/// Emits the terms of runs of letters and digits that connectors join.
fn word(runs: &[&str], stemmer: &Stemmer, emit: &mut impl FnMut(&str)) {
    if runs.len() > 1 && runs.len() <= MAX_JOINED {
        let whole = runs.concat().to_lowercase();
        // `don't`, `it's`: an apostrophe joins a word, not an identifier; its tail says nothing.
        if runs.len() == 2
            && runs[1].len() <= 2
            && whole.is_ascii()
            && runs[1].chars().all(|c| c.is_ascii_lowercase())
            && matches!(runs[1], "s" | "t" | "d" | "m" | "ll" | "re" | "ve")
        {
            return run(runs[0], stemmer, emit);
        }
        if whole.chars().count() <= MAX_TERM_CHARS {
            emit(&whole);
        }
    }
    for text in runs {
        run(text, stemmer, emit);
    }
}

/// Emits the terms of one run of letters and digits.
fn run(text: &str, stemmer: &Stemmer, emit: &mut impl FnMut(&str)) {
    if text.chars().any(is_unspaced) {
        return unspaced(text, emit);
    }
    let lower = text.to_lowercase();
    let parts = parts(text);
    if parts.len() <= 1 {
        return single(&lower, stemmer, emit);
    }
    if lower.chars().count() <= MAX_TERM_CHARS {
        emit(&lower);
        for part in parts {
            single(&part.to_lowercase(), stemmer, emit);
        }
    }
}

/// Emits one word, stemmed where it is an English one.
fn single(lower: &str, stemmer: &Stemmer, emit: &mut impl FnMut(&str)) {
    if lower.chars().count() > MAX_TERM_CHARS {
        return;
    }
    if lower.len() > 3 && lower.bytes().all(|b| b.is_ascii_lowercase()) {
        emit(&stemmer.stem(lower));
    } else {
        emit(lower);
    }
}

/// The parts of a camelCase run: `HTTPServer2` gives `HTTP`, `Server2`.
fn parts(text: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut parts = Vec::new();
    let mut start = 0;
    for i in 1..chars.len() {
        let (at, c) = chars[i];
        let before = chars[i - 1].1;
        let next_lower = chars.get(i + 1).is_some_and(|(_, n)| n.is_lowercase());
        let boundary = c.is_uppercase()
            && (before.is_lowercase() || before.is_numeric() || (before.is_uppercase() && next_lower));
        if boundary {
            parts.push(&text[start..at]);
            start = at;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether `c` belongs to a script written without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF // Thai, Lao, Burmese, Khmer
        | 0x3040..=0x30FF | 0x31F0..=0x31FF                 // Kana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF // Han
        | 0xAC00..=0xD7AF) // Hangul
}

/// Emits pairs of neighbouring characters of unspaced stretches, and words between them whole.
fn unspaced(text: &str, emit: &mut impl FnMut(&str)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = is_unspaced(first);
        let end = rest.find(|c| is_unspaced(c) != inside).unwrap_or(rest.len());
        let (stretch, tail) = rest.split_at(end);
        rest = tail;
        if !inside {
            emit(&stretch.to_lowercase());
            continue;
        }
        let starts: Vec<usize> = stretch.char_indices().map(|(at, _)| at).chain([stretch.len()]).collect();
        if starts.len() == 2 {
            emit(stretch);
        }
        for pair in starts.windows(3) {
            emit(&stretch[pair[0]..pair[2]]);
        }
    }
}

/// English words that say nothing about what is sought. Left out of queries, never of the index.
pub fn is_stop_word(term: &str) -> bool {
    const STOP: &[&str] = &[
        "a", "about", "after", "all", "also", "am", "an", "and", "ani", "any", "are", "as", "at", "be",
        "becaus", "been", "befor", "but", "by", "can", "could", "did", "do", "doe", "does", "for", "from",
        "get", "got", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "just", "like", "me",
        "my", "need", "of", "on", "onli", "or", "our", "should", "so", "some", "that", "the", "their",
        "them", "then", "there", "these", "they", "this", "those", "to", "too", "us", "veri", "want", "was",
        "we", "were", "what", "when", "where", "which", "while", "who", "whi", "why", "will", "with",
        "would", "you", "your",
    ];
    STOP.binary_search(&term).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_kept_whole_and_in_parts() {
        assert_eq!(analysed("NewChatModel"), "newchatmodel new chat model");
        assert_eq!(analysed("stream_reader.Close()"), "streamreaderclose stream reader close");
        assert_eq!(analysed("git commit --no-verify"), "git commit noverify no verifi");
        assert_eq!(analysed("error[E0382]: use"), "error e0382 use");
        assert_eq!(analysed("std::sync::Arc"), "stdsyncarc std sync arc");
        assert_eq!(analysed("HTTPServer"), "httpserver http server");
        assert_eq!(analysed("don't panic, it's fine."), "don panic it fine");
        assert_eq!(analysed("文档搜索 v2"), "文档 档搜 搜索 v2");
    }

    #[test]
    fn the_stop_list_can_be_searched() {
        for word in ["a", "becaus", "which", "your", "the"] {
            assert!(is_stop_word(word), "{word}");
        }
        assert!(!is_stop_word("panic"));
    }
}
