use proptest::prelude::*;

use super::*;
use crate::chunk::Chunk;
use crate::document::{BlobSha, SourceName};
use crate::fingerprint::ChunkSettings;
use crate::fingerprint::Fingerprint;
use crate::search::Status;

/// A chunk of `docs/N.md` in a source, beginning at `start`.
fn chunk(source: &str, document: usize, ordinal: u32, start: u32, heading: &str, text: &str) -> StoredChunk {
    let source = SourceName::parse(source).expect("a name");
    let path = format!("docs/{document}.md");
    let blob = BlobSha::of(path.as_bytes());
    StoredChunk {
        id: ChunkId::derive(&source, &path, &blob, &Fingerprint::from_stored("0"), ordinal),
        source,
        path,
        title: Some("A title".into()),
        chunk: Chunk {
            ordinal,
            start_byte: start,
            end_byte: start + text.len() as u32,
            start_line: ordinal + 1,
            end_line: ordinal + 1,
            heading_path: vec![heading.into()],
            anchor: None,
            tokens: text.len() as u32 / 4,
            context: String::new(),
            text: text.into(),
        },
    }
}

fn found(lexical: Vec<(f32, StoredChunk)>, dense: Vec<(f32, StoredChunk)>) -> Found {
    let list = |mut list: Vec<(f32, StoredChunk)>| {
        list.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        list.into_iter().map(|(score, chunk)| Candidate { score, chunk }).collect()
    };
    let status = Status {
        fingerprint: Fingerprint::from_stored("0"),
        embedder: None,
        dimensions: None,
        chunk: ChunkSettings { max_tokens: 512, overlap_tokens: 0, tokenizer: "cl100k_base".into() },
        heads: Vec::new(),
    };
    Found { lexical: list(lexical), dense: list(dense), status }
}

/// Which document, its heading, and a text, for every chunk in order; then whether and how well the
/// two lists have it.
type Case = Vec<(usize, bool, String, Option<u8>, Option<u8>)>;

fn cases() -> impl Strategy<Value = Case> {
    let score = prop::option::weighted(0.7, any::<u8>());
    let one = (
        0usize..4,
        any::<bool>(),
        "(drop|value|scope|[a-z]{1,8})( [a-z]{1,6}){0,400}\n",
        score.clone(),
        score,
    );
    prop::collection::vec(one, 0..25)
}

/// Chunks of one source, in one of two sections each, with their scores.
fn lists(case: &Case) -> Found {
    let mut ends = [(0u32, 0u32); 4];
    let (mut lexical, mut dense) = (Vec::new(), Vec::new());
    for (document, section, text, words, meaning) in case {
        let (ordinal, start) = &mut ends[*document];
        let chunk = chunk("docs", *document, *ordinal, *start, if *section { "A" } else { "B" }, text);
        (*ordinal, *start) = (*ordinal + 1, chunk.chunk.end_byte);
        if let Some(score) = words {
            lexical.push((f32::from(*score) + 0.5, chunk.clone()));
        }
        if let Some(score) = meaning {
            dense.push((f32::from(*score) / 255.0, chunk));
        }
    }
    found(lexical, dense)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Joined or not, every candidate is shown once, as the file has it; best first, from 1.
    #[test]
    fn nothing_is_lost_or_shown_twice(case in cases()) {
        let found = lists(&case);
        let mut left: HashMap<ChunkId, StoredChunk> = found
            .lexical.iter().chain(&found.dense).map(|it| (it.chunk.id, it.chunk.clone())).collect();
        let ranked = fuse(found, &Terms::parse("drop value"));
        for (place, passage) in ranked.iter().enumerate() {
            prop_assert!(passage.score.is_finite() && passage.score >= 0.0);
            prop_assert!(place == 0 || ranked[place - 1].score >= passage.score);
            let one = &passage.chunk.chunk;
            let mut parts: Vec<StoredChunk> = left.values()
                .filter(|it| it.path == passage.chunk.path
                    && it.chunk.start_byte >= one.start_byte && it.chunk.end_byte <= one.end_byte)
                .cloned().collect();
            parts.sort_by_key(|it| it.chunk.ordinal);
            let text: String = parts.iter().map(|it| it.chunk.text.as_str()).collect();
            prop_assert_eq!(&one.text, &text);
            prop_assert_eq!(one.end_byte - one.start_byte, text.len() as u32);
            prop_assert_eq!(one.ordinal, parts[0].chunk.ordinal);
            prop_assert_eq!(one.start_line, parts[0].chunk.start_line);
            prop_assert_eq!(one.end_line, parts[parts.len() - 1].chunk.end_line);
            prop_assert!(parts.iter().all(|it| it.chunk.heading_path == one.heading_path));
            prop_assert!(parts.len() == 1 || one.tokens <= 1024);
            for part in parts {
                left.remove(&part.id);
            }
        }
        prop_assert!(left.is_empty(), "{} lost", left.len());
        if let Some(best) = ranked.first() {
            prop_assert!(best.score == 1.0 || best.score == 0.0, "{}", best.score);
        }
    }

    /// What is better by words and by meaning is better, where no document has more than it.
    #[test]
    fn better_in_both_lists_is_better(scores in prop::collection::vec((any::<u8>(), any::<u8>()), 2..20)) {
        let chunks = |score: fn(&(u8, u8)) -> u8| scores.iter().enumerate()
            .map(|(n, pair)| (f32::from(score(pair)) + 1.0, chunk("docs", n, 0, 0, "A", "drop the value\n"))).collect();
        let ranked = fuse(found(chunks(|pair| pair.0), chunks(|pair| pair.1)), &Terms::parse("drop value"));
        let place: HashMap<&str, usize> = ranked.iter().enumerate().map(|(n, it)| (it.chunk.path.as_str(), n)).collect();
        for (n, one) in scores.iter().enumerate() {
            for (m, other) in scores.iter().enumerate() {
                if one.0 > other.0 && one.1 > other.1 {
                    let (one, other) = (format!("docs/{n}.md"), format!("docs/{m}.md"));
                    prop_assert!(place[one.as_str()] < place[other.as_str()]);
                }
            }
        }
    }
}

const PAGE: &str = "Every value has an owner, and when the owner goes out of scope the value is dropped: its memory \
    is given back at once, without a collector that would have to look for it from time to time, and the \
    program needs to say nothing about it at all, since the compiler knows where every scope ends.\n";

#[test]
fn a_page_of_several_versions_is_one_result() {
    let newer = PAGE.replace("at once", "immediately");
    let texts = [("v1", 0, PAGE), ("v2", 1, newer.as_str()), ("v2", 2, "Something else about a value.\n")];
    let list = texts.map(|(source, n, text)| (9.0 - n as f32, chunk(source, n, 0, 0, "A", text)));
    let ranked = fuse(found(list.to_vec(), Vec::new()), &Terms::parse("value"));
    let paths: Vec<&str> = ranked.iter().map(|it| it.chunk.path.as_str()).collect();
    assert_eq!(paths, ["docs/0.md", "docs/2.md"]);
    // Within one source two documents are two documents.
    let list = [0, 1].map(|n| (9.0 - n as f32, chunk("v1", n, 0, 0, "A", PAGE)));
    assert_eq!(fuse(found(list.to_vec(), Vec::new()), &Terms::parse("value")).len(), 2);
}

#[test]
fn neighbours_are_one_passage_where_both_are_good() {
    let parts = [(9.0, "First, "), (8.0, "then "), (1.0, "last.\n")];
    let mut start = 0;
    let list: Vec<(f32, StoredChunk)> = parts
        .iter()
        .zip(0..)
        .map(|((score, text), ordinal)| {
            let chunk = chunk("docs", 0, ordinal, start, "A", text);
            start = chunk.chunk.end_byte;
            (*score, chunk)
        })
        .collect();
    let ranked = fuse(found(list, Vec::new()), &Terms::parse("first"));
    let texts: Vec<&str> = ranked.iter().map(|it| it.chunk.chunk.text.as_str()).collect();
    assert_eq!(texts, ["First, then ", "last.\n"]);
}

#[test]
fn words_count_by_how_much_of_the_question_they_cover() {
    let winners = |question: &str| {
        let lexical = vec![
            (9.0, chunk("docs", 0, 0, 0, "A", "the borrow checker\n")),
            (1.0, chunk("docs", 2, 0, 0, "A", "x\n")),
        ];
        let dense =
            vec![(0.9, chunk("docs", 1, 0, 0, "A", "y\n")), (0.1, chunk("docs", 2, 0, 0, "A", "x\n"))];
        fuse(found(lexical, dense), &Terms::parse(question))[0].chunk.path.clone()
    };
    assert_eq!(winners("borrow checker"), "docs/0.md", "all words are in it");
    assert_eq!(winners("program refuses reference somebody owns already borrow"), "docs/1.md", "one word is");
}
