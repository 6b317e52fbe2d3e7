//! Cutting a line that alone exceeds the cap: text-splitter finds the places.

use lectern_index::tokens::Tokenizer;
use text_splitter::{ChunkConfig, ChunkSizer, TextSplitter};

/// Bytes that text-splitter looks at together, for each token of a piece: four pieces of prose.
/// It sizes and segments what it is given several times over, so a whole line at once would take
/// quadratic time.
const WINDOW: usize = 16;

/// White space at a line's end that is not worth a piece of its own, in bytes: no more than the tokens
/// of a piece, since each can be a token.
const TAIL: usize = 16;

/// text-splitter over pieces of at most `piece` tokens: of sentences where they fit, else of words,
/// else of grapheme clusters; of characters only where one cluster has more tokens than that.
pub(super) struct Cutter<'a> {
    splitter: TextSplitter<Sizer<'a>>,
    window: usize,
    tail: usize,
}

/// Counts without what the tokenizer adds to every text.
struct Sizer<'a> {
    tokenizer: &'a Tokenizer,
    overhead: u32,
}

impl ChunkSizer for Sizer<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.tokenizer.count(chunk).saturating_sub(self.overhead as usize)
    }
}

impl<'a> Cutter<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, overhead: u32, piece: u32) -> Self {
        let sizer = Sizer { tokenizer, overhead };
        // Trimmed white space would belong to no piece.
        let config = ChunkConfig::new(piece as usize).with_sizer(sizer).with_trim(false);
        let piece = piece as usize;
        Self { splitter: TextSplitter::new(config), window: piece * WINDOW, tail: TAIL.min(piece) }
    }

    /// Calls `piece` with the end of each piece of a line that is not empty, the last one being the
    /// line's.
    ///
    /// An end before which there is white space is moved before that, since counts add up there: a
    /// piece can have up to twice the tokens it was made for.
    pub(super) fn cut(&self, line: &str, mut piece: impl FnMut(usize)) {
        let (mut at, mut cut) = (0, 0);
        while at < line.len() {
            let window = &line[at..self.window_end(line, at)];
            let is_last = at + window.len() == line.len();
            let start = at;
            for (offset, part) in self.splitter.chunk_indices(window) {
                let end = start + offset + part.len();
                // The last one ends where the window does, which means nothing.
                if end == start + window.len() && offset > 0 && !is_last {
                    break;
                }
                at = end;
                let better = before_white_space(line, cut, end);
                if better < line.len() && !self.is_tail(&line[better..]) {
                    piece(better);
                    cut = better;
                }
            }
        }
        piece(line.len());
    }

    /// Before an ASCII character if there is one near, since that never continues a grapheme cluster
    /// (but for a line feed); else between any two characters.
    fn window_end(&self, line: &str, start: usize) -> usize {
        if line.len() - start <= self.window {
            return line.len();
        }
        let end = line.floor_char_boundary(start + self.window);
        let near = end - self.window / 4;
        let ascii = line.as_bytes()[near..=end].iter().rposition(|byte| byte.is_ascii() && *byte != b'\n');
        ascii.map_or(end, |offset| near + offset)
    }

    fn is_tail(&self, rest: &str) -> bool {
        rest.len() <= self.tail && rest.trim().is_empty()
    }
}

/// The place before the white space that ends at `end`, unless all from `start` on is white space.
fn before_white_space(line: &str, start: usize, end: usize) -> usize {
    let part = &line[start..end];
    let word = part.trim_end_matches(|c: char| c.is_whitespace() && c != '\n' && c != '\r');
    if word.is_empty() || word.ends_with(['\n', '\r']) { end } else { start + word.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(line: &str, tokens: u32) -> Vec<&str> {
        let (mut from, mut pieces) = (0, Vec::new());
        let tokenizer = Tokenizer::cl100k();
        Cutter::new(&tokenizer, 0, tokens).cut(line, |to| {
            pieces.push(&line[from..to]);
            from = to;
        });
        assert_eq!(from, line.len());
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert!(pieces.iter().all(|piece| tokenizer.count(piece) <= 2 * tokens as usize));
        pieces
    }

    #[test]
    fn sentences_stay_whole_where_they_fit_and_the_line_end_is_no_piece() {
        let line = "A first sentence here. A second one there. A third is here.\n\n";
        let sentences = ["A first sentence here.", " A second one there.", " A third is here.\n\n"];
        assert_eq!(pieces(line, 8), sentences);
        assert_eq!(pieces("one two three four\n", 2), ["one two", " three four\n"]);
    }

    #[test]
    fn grapheme_clusters_stay_whole() {
        let families = "👨‍👩‍👧‍👦".repeat(400);
        assert!(pieces(&families, 40).iter().all(|piece| piece.starts_with('👨') && piece.ends_with('👦')));
        let marked = "e\u{301}\u{323}".repeat(4000);
        assert!(pieces(&marked, 30).iter().all(|piece| piece.starts_with('e')));
        let flags = "🇩🇪".repeat(1000);
        assert!(pieces(&flags, 30).iter().all(|piece| piece.chars().count() % 2 == 0));
    }

    #[test]
    fn a_cluster_of_any_size_and_white_space_without_end_are_cut() {
        assert!(pieces(&format!("e{}", "\u{301}".repeat(10_000)), 16).len() > 10);
        assert!(pieces(&" ".repeat(100_000), 16).len() > 10);
        assert!(pieces(&"\n".repeat(100_000), 16).len() > 10);
        assert!(pieces(&"\r\n".repeat(100_000), 16).iter().all(|piece| !piece.starts_with('\n')));
    }
}
