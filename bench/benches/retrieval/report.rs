//! Results for people and for programs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Results;
use crate::labels::Set;
use crate::measure::Measured;
use crate::metrics::Quality;

/// A table for each set: a line for each mode, and one for each kind of question in it.
pub(crate) fn table(sets: &[Set], results: &Results) -> String {
    let mut out = String::new();
    for set in sets {
        let Some(modes) = results.get(&set.name) else { continue };
        let _ = writeln!(
            out,
            "\n{:<28} {:>4} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8}",
            set.name, "n", "nDCG@10", "Hit@1", "Hit@5", "MRR@10", "p50 ms", "p95 ms"
        );
        for (mode, measured) in modes {
            let Measured { quality, p50_ms, p95_ms, queries } = measured;
            let row = row(mode, queries.len(), quality);
            let _ = writeln!(out, "{row} {p50_ms:>8.1} {p95_ms:>8.1}");
            let kinds: BTreeSet<&str> = set.questions.iter().map(|question| question.kind.as_str()).collect();
            for kind in kinds {
                let of_kind = set.questions.iter().filter(|question| question.kind == kind);
                let found: Vec<Quality> =
                    of_kind.filter_map(|question| Some(queries.get(&question.qid)?.quality)).collect();
                let mean = Quality::mean(found.iter().copied());
                let _ = writeln!(out, "{}", self::row(&format!("  {kind}"), found.len(), &mean));
            }
        }
    }
    out
}

fn row(name: &str, count: usize, quality: &Quality) -> String {
    let Quality { ndcg10, hit1, hit5, mrr10 } = quality;
    format!("{name:<28} {count:>4} {ndcg10:>8.3} {hit1:>7.3} {hit5:>7.3} {mrr10:>7.3}")
}

/// `{SET: {MODE: {ndcg10, hit1, hit5, mrr10, p50_ms, p95_ms}}}`
pub(crate) fn json(results: &Results) -> Result<String> {
    let mut value = serde_json::to_value(results)?;
    let modes = value.as_object_mut().into_iter().flat_map(|sets| sets.values_mut());
    for measured in modes.filter_map(Value::as_object_mut).flat_map(|modes| modes.values_mut()) {
        if let Some(measured) = measured.as_object_mut() {
            measured.remove("queries");
        }
    }
    Ok(serde_json::to_string_pretty(&value)?)
}

/// Writes the same with `queries` in each mode.
pub(crate) fn save(path: &Path, results: &Results) -> Result<()> {
    std::fs::write(path, serde_json::to_string(results)?).with_context(|| path.display().to_string())
}

/// Reads what [`save`] wrote.
pub(crate) fn load(path: &Path) -> Result<Results> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} was not written by --save", path.display()))
}
