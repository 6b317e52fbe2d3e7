//! Quantised vectors, one after another, in blocks that snapshots share.

use std::sync::Arc;

/// Rows in a block. More: a refresh, which copies the last block, takes longer. Fewer: blocks are
/// scanned with more pauses.
pub(super) const BLOCK: usize = 1024;

/// What a row was made from. The id finds the vector; a vector that took over the id of one that
/// was deleted has another text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) vector: i64,
    pub(super) text: u64,
}

impl Key {
    /// `text_hash` is the SHA-256 of the embedded text.
    pub(super) fn new(vector: i64, text_hash: &[u8]) -> Self {
        let text = text_hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { vector, text }
    }
}

/// Up to [`BLOCK`] rows.
#[derive(Clone, Default)]
pub(super) struct Block {
    pub(super) numbers: Vec<i8>,
    pub(super) scales: Vec<f32>,
    keys: Vec<Key>,
}

/// Rows by number: row `n` is the `n % BLOCK`th of block `n / BLOCK`.
///
/// A clone shares the blocks. Rows are only added, to the last block; those that nobody uses any
/// more stay until half of their block is unused.
#[derive(Clone, Default)]
pub(super) struct Rows {
    blocks: Vec<Arc<Block>>,
}

impl Rows {
    /// One past the highest row number; some below may be none, since only the last block grows.
    pub(super) fn bound(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// The blocks, each with the number of its first row.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.blocks.iter().enumerate().map(|(n, block)| (n * BLOCK, &**block))
    }

    /// What a row was made from, and its scale.
    pub(super) fn get(&self, row: u32) -> Option<(Key, f32)> {
        let (block, place) = (self.blocks.get(row as usize / BLOCK)?, row as usize % BLOCK);
        Some((*block.keys.get(place)?, *block.scales.get(place)?))
    }

    /// All rows with what they were made from.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Key, u32)> {
        self.blocks().flat_map(|(first, block)| block.keys.iter().copied().zip(first as u32..))
    }

    /// Adds a row that `fill` writes and gives the scale of; `None` where it gives none.
    pub(super) fn push(
        &mut self,
        key: Key,
        dimensions: usize,
        fill: impl FnOnce(&mut Vec<i8>) -> Option<f32>,
    ) -> Option<u32> {
        if self.blocks.last().is_none_or(|block| block.scales.len() == BLOCK) {
            self.blocks.push(Arc::default());
        }
        let first = (self.blocks.len() - 1) * BLOCK;
        // Copied where a snapshot shares it.
        let block = Arc::make_mut(self.blocks.last_mut()?);
        if block.numbers.capacity() < BLOCK * dimensions {
            block.numbers.reserve_exact(BLOCK * dimensions - block.numbers.len());
        }
        let scale = fill(&mut block.numbers)?;
        block.scales.push(scale);
        block.keys.push(key);
        Some((first + block.scales.len() - 1) as u32)
    }

    /// Drops the blocks of which less than half is used, and adds what is used of them again.
    /// Returns the new number of each row that is used.
    pub(super) fn compact(&mut self, used: &[bool], dimensions: usize) -> Vec<u32> {
        let mut moved: Vec<u32> = vec![u32::MAX; self.bound()];
        let mut sparse = Vec::new();
        let mut kept = Vec::new();
        for (n, block) in std::mem::take(&mut self.blocks).into_iter().enumerate() {
            let first = n * BLOCK;
            let rows = first..first + block.scales.len();
            if used[rows.clone()].iter().filter(|used| **used).count() * 2 < rows.len() || rows.is_empty() {
                sparse.push((first, block));
                continue;
            }
            for row in rows {
                moved[row] = (kept.len() * BLOCK + row - first) as u32;
            }
            kept.push(block);
        }
        self.blocks = kept;
        for (first, block) in sparse {
            for (place, (key, scale)) in block.keys.iter().zip(&block.scales).enumerate() {
                if used[first + place] {
                    let numbers = &block.numbers[place * dimensions..(place + 1) * dimensions];
                    let copy = |row: &mut Vec<i8>| {
                        row.extend_from_slice(numbers);
                        Some(*scale)
                    };
                    moved[first + place] = self.push(*key, dimensions, copy).unwrap_or(u32::MAX);
                }
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push(rows: &mut Rows, n: i64) -> u32 {
        let key = Key { vector: n, text: 0 };
        let fill = |row: &mut Vec<i8>| {
            row.extend([(n % 100) as i8, (n / 100 % 100) as i8]);
            Some(n as f32)
        };
        rows.push(key, 2, fill).expect("a row")
    }

    fn numbers(rows: &Rows, row: u32) -> Vec<i8> {
        let (_, block) = rows.blocks().nth(row as usize / BLOCK).expect("its block");
        block.numbers[row as usize % BLOCK * 2..][..2].to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn used_rows_survive_and_unused_ones_are_at_most_half(
            count in 0..5000i64,
            uses in prop::collection::vec(0..=10u8, 5),
            more in 0..2000i64,
        ) {
            let mut rows = Rows::default();
            let numbered: Vec<(i64, u32)> = (0..count).map(|n| (n, push(&mut rows, n))).collect();
            let before = rows.clone();
            let mut used = vec![false; rows.bound()];
            for &(n, row) in &numbered {
                used[row as usize] = (n * 7 % 10) < i64::from(uses[row as usize / BLOCK]);
            }
            let moved = rows.compact(&used, 2);
            let kept: Vec<(i64, u32)> = numbered.iter()
                .filter(|(_, row)| used[*row as usize])
                .map(|&(n, row)| (n, moved[row as usize]))
                .chain((count..count + more).map(|n| (n, push(&mut rows, n))))
                .collect();
            for &(n, row) in &kept {
                prop_assert_eq!(rows.get(row), Some((Key { vector: n, text: 0 }, n as f32)));
                prop_assert_eq!(numbers(&rows, row), vec![(n % 100) as i8, (n / 100 % 100) as i8]);
            }
            let count = rows.keys().count();
            prop_assert!(count <= 2 * kept.len(), "{count} rows for {}", kept.len());
            // What shares the blocks is left alone.
            for &(n, row) in &numbered {
                prop_assert_eq!(before.get(row), Some((Key { vector: n, text: 0 }, n as f32)));
            }
        }
    }
}
