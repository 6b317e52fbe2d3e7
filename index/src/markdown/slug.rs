//! GitHub's heading anchors.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The anchors given so far in a document.
#[derive(Debug, Default)]
pub(super) struct Slugs {
    /// How often each slug was asked for again.
    seen: HashMap<String, u32>,
}

impl Slugs {
    /// GitHub's slug of a heading's text: lower case, without punctuation, dashes for spaces; `-1`,
    /// `-2`, … where it was given before.
    pub(super) fn of(&mut self, text: &str) -> String {
        let mut slug = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                ' ' => slug.push('-'),
                '-' | '_' => slug.push(c),
                c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
                c if c.is_ascii() => {}
                c if c.is_alphanumeric() => slug.extend(c.to_lowercase()),
                _ => {}
            }
        }
        let mut number = match self.seen.entry(slug.clone()) {
            Entry::Vacant(new) => {
                new.insert(0);
                return slug;
            }
            Entry::Occupied(given) => *given.get(),
        };
        let unique = loop {
            number += 1;
            let candidate = format!("{slug}-{number}");
            if !self.seen.contains_key(&candidate) {
                break candidate;
            }
        };
        self.seen.insert(slug, number);
        self.seen.insert(unique.clone(), 0);
        unique
    }

    /// Marks an anchor the author chose as given.
    pub(super) fn take(&mut self, id: String) -> String {
        self.seen.entry(id.clone()).or_insert(0);
        id
    }
}
