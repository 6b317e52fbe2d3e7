//! Remembering what short pieces of text count.

use std::cell::Cell;

/// Pieces and their tokens, two at each place that a hash says, the one last asked for first: a new
/// one takes the place of the other. Small enough to stay in a core's cache.
pub(super) struct Seen(Box<[[Cell<u128>; 2]]>);

const PLACE_BITS: u32 = 15;

impl Default for Seen {
    fn default() -> Self {
        let empty = || [Cell::new(0), Cell::new(0)];
        Self(std::iter::repeat_with(empty).take(1 << PLACE_BITS).collect())
    }
}

impl Seen {
    /// Forgets all.
    #[cfg(feature = "local")]
    pub(super) fn clear(&self) {
        self.0.iter().flatten().for_each(|entry| entry.set(0));
    }

    #[inline]
    pub(super) fn count(&self, key: Key, count: impl FnOnce() -> usize) -> usize {
        let [first, second] = &self.0[key.hash()];
        let entry = first.get();
        if entry & Key::MASK == key.0 {
            return (entry >> Key::BITS) as usize;
        }
        let mut found = second.replace(entry);
        if found & Key::MASK != key.0 {
            found = key.0 | (count() as u128) << Key::BITS;
        }
        first.set(found);
        (found >> Key::BITS) as usize
    }
}

/// The bytes of a short piece, and behind them how many there are.
#[derive(Clone, Copy)]
pub(super) struct Key(u128);

impl Key {
    /// Most bytes of a piece: one byte is left for their number, one for that of the tokens.
    const MOST: usize = 14;
    const BITS: u32 = 120;
    const MASK: u128 = (1 << Self::BITS) - 1;

    /// Of a piece that is not empty; `None` for one that is too long.
    #[inline]
    pub(super) fn new(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let len = end - start;
        if len > Self::MOST {
            return None;
        }
        let read = match (bytes[start..].first_chunk(), bytes.last_chunk()) {
            (Some(chunk), _) => u128::from_le_bytes(*chunk),
            // The last bytes, without those before the piece.
            (None, Some(chunk)) => u128::from_le_bytes(*chunk) >> ((start + 16 - bytes.len()) * 8),
            (None, None) => {
                let mut chunk = [0; 16];
                chunk[..len].copy_from_slice(&bytes[start..end]);
                u128::from_le_bytes(chunk)
            }
        };
        let read = read & ((1 << (len * 8)) - 1);
        Some(Self(read | (len as u128) << (Self::MOST * 8)))
    }

    #[inline]
    fn hash(self) -> usize {
        let folded = self.0 as u64 ^ ((self.0 >> 64) as u64).rotate_left(27);
        (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACE_BITS)) as usize
    }
}
