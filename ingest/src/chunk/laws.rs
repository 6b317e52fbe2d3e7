// What must hold of the chunks of any text. Included by the tests and by the fuzz target, so it
// uses nothing but the public interface, and reads Markdown on its own with pulldown-cmark.

use lectern_index::chunk::Chunk;

/// Spans tile the body, ordinals count, lines are right, and no chunk is over the cap by `count`.
pub(crate) fn check_basics(
    text: &str,
    body: usize,
    chunks: &[Chunk],
    cap: u32,
    count: &dyn Fn(&str) -> usize,
) {
    let mut at = body;
    for (ordinal, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal as usize, ordinal);
        assert_eq!(chunk.start_byte as usize, at, "spans tile");
        let (start, end) = (chunk.start_byte as usize, chunk.end_byte as usize);
        assert!(start < end, "no span is empty");
        assert_eq!(chunk.text, text[start..end], "the text is the span");
        let line_of = |byte: usize| 1 + text[..byte].matches('\n').count() as u32;
        assert_eq!(chunk.start_line, line_of(start), "first line");
        let last = text[start..end].char_indices().next_back().map_or(start, |(at, _)| start + at);
        assert_eq!(chunk.end_line, line_of(last), "last line");
        let counted = count(&chunk.searchable());
        assert_eq!(chunk.tokens as usize, counted, "counted exactly: {:?}", chunk.searchable());
        assert!(chunk.tokens <= cap, "{} tokens are over the cap of {cap}: {:?}", chunk.tokens, chunk.text);
        assert_eq!(chunk.anchor.is_none(), chunk.heading_path.is_empty());
        at = end;
    }
    assert!(chunks.is_empty() == (body >= text.len()));
    assert!(chunks.is_empty() || at == text.len(), "spans reach the end");
}
