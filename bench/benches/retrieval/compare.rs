//! What a change has won and lost, question by question.

use std::fmt::Write;

use crate::Results;
use crate::labels::{Question, Set};

/// Differences of nDCG@10 that are none.
const EQUAL: f64 = 1e-9;

/// For each set and mode that both have: the questions whose nDCG@10 differs, the largest gain first.
pub(crate) fn table(sets: &[Set], before: &Results, after: &Results) -> String {
    let mut out = String::new();
    for set in sets {
        for (mode, now) in after.get(&set.name).into_iter().flatten() {
            let Some(then) = before.get(&set.name).and_then(|modes| modes.get(mode)) else {
                let _ = writeln!(out, "\n{}, {mode}: not in the file compared with", set.name);
                continue;
            };
            let mut differences: Vec<(f64, f64, &Question)> = Vec::new();
            let (mut asked, mut same) = (0, 0);
            for question in &set.questions {
                let (Some(then), Some(now)) =
                    (then.queries.get(&question.qid), now.queries.get(&question.qid))
                else {
                    continue;
                };
                asked += 1;
                same += usize::from(then.found.first() == now.found.first());
                let (then, now) = (then.quality.ndcg10, now.quality.ndcg10);
                if (now - then).abs() > EQUAL {
                    differences.push((then, now, question));
                }
            }
            differences.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)));
            let won = differences.iter().filter(|(then, now, _)| now > then).count();
            let _ = writeln!(
                out,
                "\n{}, {mode}: nDCG@10 {:.3} -> {:.3}, {won} better, {} worse; {same} of {asked} with the same first document",
                set.name,
                then.quality.ndcg10,
                now.quality.ndcg10,
                differences.len() - won
            );
            for (then, now, question) in differences {
                let (qid, kind, query) = (&question.qid, &question.kind, &question.query);
                let _ = writeln!(out, "  {:+.3}  {then:.3} -> {now:.3}  {qid} ({kind}): {query}", now - then);
            }
        }
    }
    out
}
