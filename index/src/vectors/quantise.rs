//! Vectors in eight bits: rows and query as integers, and their dot products by SIMD.
//!
//! A row is `numbers × scale`, each number off by at most half a scale. The query keeps as many
//! bits as an `i32` sum has room for, so that what a score is off by comes from the row alone.

use multiversion::multiversion;

/// Appends the row's numbers and returns its scale; `None`, and nothing appended, where a number
/// is not finite.
pub(super) fn quantise(vector: impl Iterator<Item = f32> + Clone, row: &mut Vec<i8>) -> Option<f32> {
    let (largest, finite) =
        vector.clone().fold((0f32, true), |(l, f), x| (l.max(x.abs()), f & x.is_finite()));
    if !finite {
        return None;
    }
    let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    row.extend(vector.map(|x| (x * factor).round_ties_even() as i8));
    Some(largest / 127.0)
}

/// A query as integers.
pub(super) struct Query {
    numbers: Vec<i16>,
    scale: f32,
    length: f32,
}

impl Query {
    /// `None` where a number is not finite.
    pub(super) fn new(vector: &[f32]) -> Option<Self> {
        if !vector.iter().all(|x| x.is_finite()) {
            return None;
        }
        let largest = vector.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        // A sum over all dimensions at their limits still is an `i32`.
        let room = (i32::MAX / 127 / vector.len().max(1) as i32).min(i16::MAX.into()) as f32;
        let factor = if largest > 0.0 { room / largest } else { 0.0 };
        Some(Self {
            numbers: vector.iter().map(|x| (x * factor) as i16).collect(),
            scale: largest / room,
            length: vector.iter().map(|x| x * x).sum::<f32>().sqrt(),
        })
    }

    /// About the dot product of the query and a row, from what [`dots`] gave.
    pub(super) fn score(&self, dot: i32, scale: f32) -> f32 {
        dot as f32 * scale * self.scale
    }

    /// The standard deviation of what a score of a row with this scale is off by: each of its
    /// numbers is off by something between minus and plus half a scale, all equally likely.
    pub(super) fn deviation(&self, scale: f32) -> f32 {
        self.length * scale / 12f32.sqrt()
    }
}

/// The dot products of the query with those rows that `wanted` lets pass; others are left as they are.
pub(super) fn dots(query: &Query, rows: &[i8], wanted: impl Iterator<Item = bool>, dots: &mut [i32]) {
    let rows = rows.chunks_exact(query.numbers.len().max(1));
    for ((row, wanted), out) in rows.zip(wanted).zip(dots) {
        if wanted {
            *out = dot(row, &query.numbers);
        }
    }
}

// One loop, compiled for each: the widest that the CPU has is chosen when the program runs.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512vnni",
    "x86_64+avx2",
    "aarch64+neon+dotprod"
))]
fn dot(row: &[i8], query: &[i16]) -> i32 {
    row.iter().zip(query).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}

/// The dot product in full precision. Summed in f64, so that it is the same on every machine and
/// equal vectors have equal scores.
pub(super) fn exact(vector: impl Iterator<Item = f32>, query: &[f32]) -> f32 {
    vector.zip(query).map(|(x, &y)| f64::from(x) * f64::from(y)).sum::<f64>() as f32
}

/// Reads a stored vector; `None` where it has not `dimensions` numbers.
pub(super) fn stored(bytes: &[u8], dimensions: usize) -> Option<impl Iterator<Item = f32> + Clone> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    (numbers.len() == dimensions && rest.is_empty())
        .then(|| numbers.iter().map(|number| f32::from_le_bytes(*number)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scores_are_off_by_no_more_than_half_a_scale_a_number(
            (vector, query) in (1..200usize).prop_flat_map(|n| {
                let numbers = || prop::collection::vec(-1f32..1.0, n);
                (numbers(), numbers())
            })
        ) {
            let mut row = Vec::new();
            let scale = quantise(vector.iter().copied(), &mut row).expect("finite numbers");
            let quantised = Query::new(&query).expect("finite numbers");
            let mut found = [0];
            dots(&quantised, &row, [true].into_iter(), &mut found);
            let off = quantised.score(found[0], scale) - exact(vector.iter().copied(), &query);
            let rows = query.iter().map(|x| x.abs()).sum::<f32>() * scale / 2.0;
            let queries = vector.iter().map(|x| x.abs()).sum::<f32>() * quantised.scale;
            prop_assert!(off.abs() <= (rows + queries) * 1.01 + 1e-5, "{off} of {rows} and {queries}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        for dimensions in [1, 2, 1536, 4096, 20_000] {
            let ones = vec![1f32; dimensions];
            let mut row = Vec::new();
            let scale = quantise(ones.iter().copied(), &mut row).expect("finite numbers");
            let query = Query::new(&ones).expect("finite numbers");
            let mut found = [0];
            dots(&query, &row, [true].into_iter(), &mut found);
            let score = query.score(found[0], scale);
            assert!((score / dimensions as f32 - 1.0).abs() < 1e-3, "{dimensions}: {score}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut row = Vec::new();
            assert!(quantise([0.5, bad].into_iter(), &mut row).is_none() && row.is_empty());
            assert!(Query::new(&[bad]).is_none());
        }
    }
}
