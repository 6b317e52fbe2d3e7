//! The best of many without sorting them all.

use std::cmp::Ordering;

/// A row with its score; among equal scores the lower `place` is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub(super) score: f32,
    pub(super) place: u32,
    pub(super) row: u32,
}

impl Scored {
    /// Best first.
    fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.place.cmp(&other.place))
    }
}

/// Keeps the best `limit` of what is pushed, in time linear in what is pushed: once that many are
/// there, nearly everything is refused by one comparison.
pub(super) struct Top {
    limit: usize,
    kept: Vec<Scored>,
    worst: Option<Scored>,
}

impl Top {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), worst: None }
    }

    pub(super) fn push(&mut self, scored: Scored) {
        if self.limit == 0 || self.worst.is_some_and(|worst| scored.order(&worst).is_ge()) {
            return;
        }
        self.kept.push(scored);
        if self.kept.len() >= self.limit.saturating_mul(2) {
            let (_, worst, _) = self.kept.select_nth_unstable_by(self.limit - 1, Scored::order);
            self.worst = Some(*worst);
            self.kept.truncate(self.limit);
        }
    }

    /// The best ones, best first.
    pub(super) fn sorted(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(Scored::order);
        self.kept.truncate(self.limit);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_beginning_of_the_sorted_list(scores in prop::collection::vec(0..20u8, 0..200), limit in 0..30usize) {
            let all: Vec<Scored> = scores.iter().zip(0..)
                .map(|(&score, place)| Scored { score: score.into(), place, row: place * 7 })
                .collect();
            let mut top = Top::new(limit);
            all.iter().rev().for_each(|&scored| top.push(scored));
            let mut sorted = all.clone();
            sorted.sort_by(Scored::order);
            sorted.truncate(limit);
            prop_assert_eq!(top.sorted(), sorted);
        }
    }
}
