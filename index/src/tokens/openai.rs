//! Counting as OpenAI's tokenizers do, word by word.
//!
//! A text is cut into pieces by a pattern (tiktoken, `openai_public.py`), and each piece is tokens of
//! its own. Most pieces are short ASCII words that come again and again: those are cut here, and
//! what tiktoken counted for each is remembered. Whatever is not ASCII is left to tiktoken, up to the
//! next place where counts add up.

use std::sync::LazyLock;
use std::thread::LocalKey;

use tiktoken::CoreBpe;

use super::Encoding;
use super::seen::{Key, Seen};

/// Loading a table takes a while, so it happens on first use and once.
static CL100K: LazyLock<&'static CoreBpe> =
    LazyLock::new(|| tiktoken::get_encoding("cl100k_base").expect("cl100k_base is compiled in"));
static O200K: LazyLock<&'static CoreBpe> =
    LazyLock::new(|| tiktoken::get_encoding("o200k_base").expect("o200k_base is compiled in"));

thread_local! {
    static CL100K_SEEN: Seen = Seen::default();
    static O200K_SEEN: Seen = Seen::default();
}

/// Number of tokens in `text`.
pub(super) fn count(encoding: Encoding, text: &str) -> usize {
    match encoding {
        Encoding::Cl100k => count_with::<false>(&CL100K, &CL100K_SEEN, text),
        Encoding::O200k => count_with::<true>(&O200K, &O200K_SEEN, text),
    }
}

fn count_with<const O200K: bool>(bpe: &CoreBpe, seen: &'static LocalKey<Seen>, text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut tokens) = (0, 0);
    seen.with(|seen| {
        while at < bytes.len() {
            let piece = piece::<O200K>(bytes, at);
            let end = piece.unwrap_or_else(|| next_gap(bytes, at));
            tokens += match piece.and_then(|end| Key::new(bytes, at, end)) {
                Some(key) => seen.count(key, || bpe.count(&text[at..end])),
                None => bpe.count(&text[at..end]),
            };
            at = end;
        }
    });
    tokens
}

// What the patterns tell apart: of the characters of ASCII, `\p{Lu}`, `\p{Ll}`, `\p{N}`, `[\r\n]`, the
// rest of `\s`, and the rest.
const UPPER: u8 = 1;
const LOWER: u8 = 2;
const DIGIT: u8 = 4;
const NEWLINE: u8 = 8;
const BLANK: u8 = 16;
const MARK: u8 = 32;
/// The bytes of all other characters.
const OTHER: u8 = 64;

static CLASSES: [u8; 256] = {
    let mut classes = [MARK; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => DIGIT,
            b'\r' | b'\n' => NEWLINE,
            b' ' | b'\t' | 0x0b | 0x0c => BLANK,
            0x80.. => OTHER,
            _ => MARK,
        };
        byte += 1;
    }
    classes
};

/// The class of a byte; none behind the last.
#[inline]
fn class(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).map_or(0, |&byte| CLASSES[usize::from(byte)])
}

/// Where the bytes of these classes end that begin here.
#[inline]
fn skip(bytes: &[u8], mut at: usize, classes: u8) -> usize {
    while class(bytes, at) & classes != 0 {
        at += 1;
    }
    at
}

/// Where the piece ends that begins here; `None` where that depends on a character beyond ASCII.
#[inline]
fn piece<const O200K: bool>(bytes: &[u8], start: usize) -> Option<usize> {
    // `[^\r\n\p{L}\p{N}]?` before a word.
    let first = class(bytes, start);
    let word = start + usize::from(first & (BLANK | MARK) != 0);
    let next = class(bytes, word);
    if next & (UPPER | LOWER) != 0 {
        return match O200K {
            false => cl100k_word(bytes, start, word),
            true => o200k_word(bytes, word),
        };
    }
    if next == OTHER {
        return None;
    }
    let end = match first {
        // `\p{N}{1,3}`
        DIGIT => {
            let end = skip(&bytes[..bytes.len().min(start + 3)], start, DIGIT);
            if end == start + 3 {
                return Some(end);
            }
            end
        }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with `/` among the last in o200k
        _ if first == MARK || next == MARK && bytes[start] == b' ' => skip(bytes, word, MARK),
        // `\s*[\r\n]+|\s+(?!\S)|\s+`
        _ => skip(bytes, start, BLANK | NEWLINE),
    };
    if class(bytes, end) == OTHER {
        return None;
    }
    Some(match first {
        DIGIT => end,
        _ if class(bytes, end - 1) == MARK => {
            let tail = |&byte: &u8| byte == b'\n' || byte == b'\r' || O200K && byte == b'/';
            end + bytes[end..].iter().take_while(|&byte| tail(byte)).count()
        }
        _ => match bytes[start..end].iter().rposition(|&byte| CLASSES[usize::from(byte)] == NEWLINE) {
            Some(newline) => start + newline + 1,
            None if end == bytes.len() || end == start + 1 => end,
            None => end - 1,
        },
    })
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`
#[inline]
fn cl100k_word(bytes: &[u8], start: usize, word: usize) -> Option<usize> {
    if bytes[start] == b'\''
        && let Some(end) = contraction(bytes, start)
    {
        return Some(end);
    }
    let end = skip(bytes, word, UPPER | LOWER);
    (class(bytes, end) != OTHER).then_some(end)
}

/// `\p{Lu}*\p{Ll}+(?i:'s|…)?|\p{Lu}+\p{Ll}*(?i:'s|…)?`
#[inline]
fn o200k_word(bytes: &[u8], word: usize) -> Option<usize> {
    let end = skip(bytes, skip(bytes, word, UPPER), LOWER);
    if class(bytes, end) == OTHER {
        return None;
    }
    if bytes.get(end) != Some(&b'\'') {
        return Some(end);
    }
    // To the pattern `ſ` is an `s`.
    (class(bytes, end + 1) != OTHER).then(|| contraction(bytes, end).unwrap_or(end))
}

/// Where the contraction ends whose apostrophe is here.
#[inline]
fn contraction(bytes: &[u8], start: usize) -> Option<usize> {
    let letter = |at: usize| bytes.get(at).map_or(0, u8::to_ascii_lowercase);
    match (letter(start + 1), letter(start + 2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(start + 2),
        (b'r' | b'v', b'e') | (b'l', b'l') => Some(start + 3),
        _ => None,
    }
}

/// The next space behind a word, where counts add up; else the end.
fn next_gap(bytes: &[u8], start: usize) -> usize {
    let gap = |pair: &[u8]| pair[0].is_ascii_graphic() && pair[1] == b' ';
    bytes[start..].windows(2).position(gap).map_or(bytes.len(), |gap| start + gap + 1)
}
