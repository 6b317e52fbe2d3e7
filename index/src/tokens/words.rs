//! Counting with a Hugging Face tokenizer, word by word where that is the same.
//!
//! A tokenizer of the BERT family cuts a text at white space before it does anything else, so counts
//! add up there, and those of short words are remembered: encoding a text takes a hundred times as
//! long as looking them up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::seen::{Key, Seen};

thread_local! {
    /// Whose words those are.
    static OWNER: Cell<u64> = const { Cell::new(0) };
    static SEEN: Seen = Seen::default();
}

/// What is known of a tokenizer whose counts add up between words.
pub(super) struct Words {
    id: u64,
    /// Tokens it adds to every text.
    special: usize,
}

impl Words {
    /// `None` if they need not add up.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let cuts_at_white_space =
            matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
                && matches!(tokenizer.get_normalizer(), None | Some(NormalizerWrapper::BertNormalizer(_)));
        let added = tokenizer.get_added_tokens_decoder();
        let one_word = added.values().all(|token| !token.content.contains(char::is_whitespace));
        (cuts_at_white_space && one_word).then(|| Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            special: count_whole(tokenizer, "", true),
        })
    }

    pub(super) fn count(&self, tokenizer: &Tokenizer, text: &str) -> usize {
        SEEN.with(|seen| {
            if OWNER.replace(self.id) != self.id {
                seen.clear();
            }
            let mut next = 0;
            let count = |word: &str| {
                let start = next;
                next += word.len() + 1;
                if word.is_empty() {
                    return 0;
                }
                let count = || count_whole(tokenizer, word, false);
                match Key::new(text.as_bytes(), start, start + word.len()) {
                    Some(key) => seen.count(key, count),
                    None => count(),
                }
            };
            self.special + text.split([' ', '\n', '\t', '\r']).map(count).sum::<usize>()
        })
    }
}

/// Tokens of a text, with those that are added to every text if they are `special`. A text the
/// model cannot encode is never sent to it: its bytes are a safe upper bound.
pub(super) fn count_whole(tokenizer: &Tokenizer, text: &str, special: bool) -> usize {
    tokenizer.encode_fast(text, special).map_or(text.len(), |encoding| encoding.len())
}
