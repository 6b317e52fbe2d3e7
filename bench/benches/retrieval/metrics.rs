//! How good a ranking is. Over documents; grades are from 1 up, 0 is not relevant. Pure.

use serde::{Deserialize, Serialize};

/// How good one ranking is, or, as means, many are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quality {
    /// Normalised discounted cumulative gain of the first 10, with gain 2^grade − 1 (Järvelin and
    /// Kekäläinen 2002, with the gain of Burges et al. 2005): 1 where no order is better.
    pub(crate) ndcg10: f64,
    /// Whether the first document has the best grade there is.
    pub(crate) hit1: f64,
    /// Whether one of the first 5 has it.
    pub(crate) hit5: f64,
    /// Reciprocal rank of the first relevant document among the first 10, else 0.
    pub(crate) mrr10: f64,
}

impl Quality {
    /// Of a ranking with these grades, best place first. `relevant` are the grades of all relevant
    /// documents, in any order.
    pub(crate) fn of(ranking: &[u32], relevant: &[u32]) -> Self {
        let mut ideal = relevant.to_vec();
        ideal.sort_by(|a, b| b.cmp(a));
        let best = ideal.first().copied().unwrap_or(0);
        let hit = |first: usize| ranking.iter().take(first).any(|&grade| grade == best && grade > 0);
        let found = ranking.iter().take(10).position(|&grade| grade > 0);
        Self {
            ndcg10: if best == 0 { 0.0 } else { gain(ranking) / gain(&ideal) },
            hit1: hit(1).into(),
            hit5: hit(5).into(),
            mrr10: found.map_or(0.0, |at| 1.0 / (at + 1) as f64),
        }
    }

    /// The mean; all zero of none.
    pub(crate) fn mean(all: impl ExactSizeIterator<Item = Self>) -> Self {
        let count = all.len().max(1) as f64;
        let sum = all.fold(Self::default(), |sum, one| Self {
            ndcg10: sum.ndcg10 + one.ndcg10,
            hit1: sum.hit1 + one.hit1,
            hit5: sum.hit5 + one.hit5,
            mrr10: sum.mrr10 + one.mrr10,
        });
        Self {
            ndcg10: sum.ndcg10 / count,
            hit1: sum.hit1 / count,
            hit5: sum.hit5 / count,
            mrr10: sum.mrr10 / count,
        }
    }
}

/// Discounted cumulative gain of the first 10.
fn gain(grades: &[u32]) -> f64 {
    let first = grades.iter().take(10).enumerate();
    first.map(|(at, &grade)| (f64::from(grade).exp2() - 1.0) / (at as f64 + 2.0).log2()).sum()
}

/// The `share` of `values` that is not above it (nearest rank); 0 of none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}
