//! The promise of `max_tokens`: neither form of an answer is larger. Pure.
//!
//! Sizes are found by estimate (sums over lines or passages, cheap) and then made true by counting
//! the finished answer: [`Budget::holds`] has the last word.

use std::io::{self, Write};

use lectern_index::tokens::Tokenizer;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

use crate::answer::Answer;

/// How many tokens an answer may have, in each of its two forms.
#[derive(Clone)]
pub struct Budget {
    limit: usize,
    tokenizer: Tokenizer,
}

impl Budget {
    /// A budget of `limit` cl100k tokens.
    pub fn new(limit: usize) -> Self {
        Self { limit, tokenizer: Tokenizer::cl100k() }
    }

    /// The tokens that are allowed.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Tokens of a text.
    pub fn count(&self, text: &str) -> usize {
        self.tokenizer.count(text)
    }

    /// Tokens of the larger form of an answer. The structured content is counted as it is sent and
    /// as it looks with a space behind each colon and comma: hosts that write it anew, before a
    /// model reads it, often do that, and the promise should survive it.
    pub fn cost<T: Serialize>(&self, answer: &Answer<T>) -> usize {
        let structured = value_of(&answer.structured);
        let sent = self.count(&structured.to_string()).max(self.count(&spaced(&structured)));
        self.count(&answer.text).max(sent)
    }

    /// Whether an answer keeps the promise.
    pub fn holds<T: Serialize>(&self, answer: &Answer<T>) -> bool {
        self.cost(answer) <= self.limit
    }

    /// About what `line` (with its line end, if any) adds to the larger form of an answer.
    pub fn line(&self, line: &str) -> usize {
        // In JSON a line end is the two characters `\n`, and counts with what follows it.
        let escaped = json(&line.trim_end_matches('\n'));
        let escaped = escaped.trim_matches('"');
        self.count(line).max(self.count(&format!("\\n{escaped}")))
    }
}

/// The text of `value` in JSON, exactly as it is sent: by way of a [`Value`], which decides the
/// order of keys.
pub fn json<T: Serialize + ?Sized>(value: &T) -> String {
    value_of(value).to_string()
}

/// An answer as a JSON value.
pub fn value_of<T: Serialize + ?Sized>(value: &T) -> Value {
    // Nothing in an answer can fail to be written: no map has keys other than strings.
    serde_json::to_value(value).unwrap_or_default()
}

/// JSON with a space behind each colon and comma.
fn spaced(value: &Value) -> String {
    let mut out = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced));
    // Writing to memory does not fail.
    written.ok().and_then(|()| String::from_utf8(out).ok()).unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The largest of 0…`most` for which `holds`, assuming that it holds up to some number and not
/// beyond; 0 is not tried. The number returned was tried, so where the assumption is a little off
/// the result is a little small, never wrong.
pub fn largest(most: usize, mut holds: impl FnMut(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, most + 1);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) { good = middle } else { bad = middle }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spaced_json_is_json() {
        let value = serde_json::json!({"a": [1, "x, y: z", {}], "b": {"c": null, "d": []}});
        let text = spaced(&value);
        assert_eq!(text, r#"{"a": [1, "x, y: z", {}], "b": {"c": null, "d": []}}"#);
    }

    proptest! {
        #[test]
        fn largest_finds_the_last_that_holds(most in 0usize..200, last in 0usize..250) {
            prop_assert_eq!(largest(most, |n| n <= last), last.min(most));
        }

        #[test]
        fn largest_never_returns_what_does_not_hold(most in 0usize..50, seed in any::<u64>()) {
            let holds = |n: usize| (seed >> (n % 64)) & 1 == 1;
            let found = largest(most, holds);
            prop_assert!(found == 0 || holds(found));
        }

        #[test]
        fn lines_are_estimated_closely(text in "([a-zA-Z .`\"#*-]{0,60}\n){1,20}") {
            let budget = Budget::new(1000);
            let sum: usize = text.split_inclusive('\n').map(|line| budget.line(line)).sum();
            let exact = budget.count(&text).max(budget.count(&json(&text)));
            prop_assert!(sum + sum / 4 + 8 >= exact, "{} for {}", sum, exact);
        }
    }
}
