//! serve finds a document's headings by itself: it has to find those that ingest found.

use lectern_index::open::Location;
use lectern_index::search::Filter;
use lectern_serve::outline;

use crate::programs::corpora_index;

#[tokio::test]
async fn every_indexed_anchor_opens_its_section() {
    let index = Location::Sqlite(corpora_index().to_owned()).open().expect("a file");
    let (documents, _) = index.documents(&Filter::default(), None, 10_000).await.expect("documents");
    let mut checked = 0;
    for document in documents {
        let found = index.document(&document.source, &document.path).await.expect("an answer");
        let chunks = found.expect("the document").chunks;
        let text: String = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
        let sections = outline::sections(&text);
        let mut at = 0;
        for chunk in &chunks {
            if let Some(anchor) = &chunk.anchor {
                let place = format!("{} {}#{anchor}", document.source, document.path);
                let section = sections.iter().find(|section| section.anchor == *anchor).expect(&place);
                assert_eq!(Some(&section.heading), chunk.heading_path.last(), "{place}");
                assert!(section.bytes.contains(&at), "{place}");
                checked += 1;
            }
            at += chunk.text.len();
        }
    }
    assert!(checked > 3, "{checked}");
}
