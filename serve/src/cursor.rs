//! Cursors: opaque, short, kept by nobody. Pure.
//!
//! A cursor carries the position to go on from, and hashes of what it was made for: of the
//! arguments, so that it fits no other call, and of the state of the index, so that a caller can
//! be told when that has changed in between.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lectern_index::chunk::Hash;

const ARGUMENTS: usize = 4;
const STATE: usize = 3;

/// A cursor that was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Where to go on.
    pub position: Vec<u8>,
    /// Whether the state of the index is still the one it was made in.
    pub fresh: bool,
}

/// A cursor that was not made for these arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "cursor does not belong to these arguments: pass the next_cursor of the last answer unchanged, together with \
     the arguments of that call, or leave cursor out to begin anew"
)]
pub struct ForeignCursor;

/// A hash of parts that keeps them apart: no two lists of parts give the same by being joined.
fn digest<const N: usize>(parts: &[Option<&str>]) -> [u8; N] {
    let mut bytes = Vec::new();
    for part in parts {
        // A length no text has stands for an absent part.
        bytes.extend_from_slice(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.unwrap_or_default().as_bytes());
    }
    let mut out = [0; N];
    out.copy_from_slice(&Hash::of(&bytes).as_bytes()[..N]);
    out
}

/// Makes a cursor for a call with `arguments`, in `state`.
pub fn encode(arguments: &[Option<&str>], state: &[Option<&str>], position: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(ARGUMENTS + STATE + position.len());
    bytes.extend_from_slice(&digest::<ARGUMENTS>(arguments));
    bytes.extend_from_slice(&digest::<STATE>(state));
    bytes.extend_from_slice(position);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor that a call with `arguments` brings, in `state`.
pub fn decode(
    cursor: &str,
    arguments: &[Option<&str>],
    state: &[Option<&str>],
) -> Result<Cursor, ForeignCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| ForeignCursor)?;
    let (made_for, rest) = bytes.split_at_checked(ARGUMENTS).ok_or(ForeignCursor)?;
    let (made_in, position) = rest.split_at_checked(STATE).ok_or(ForeignCursor)?;
    if made_for != digest::<ARGUMENTS>(arguments) {
        return Err(ForeignCursor);
    }
    Ok(Cursor { position: position.to_vec(), fresh: made_in == digest::<STATE>(state) })
}

/// A number as a position.
pub fn number(n: u32) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}

/// Reads a position made by [`number`].
pub fn as_number(position: &[u8]) -> Result<u32, ForeignCursor> {
    if position.len() > 4 {
        return Err(ForeignCursor);
    }
    Ok(position.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(n in any::<u32>(), query in ".*", source in proptest::option::of(".*")) {
            let arguments = [Some(query.as_str()), source.as_deref()];
            let cursor = encode(&arguments, &[Some("1")], &number(n));
            let decoded = decode(&cursor, &arguments, &[Some("1")]).expect("it was made for these");
            prop_assert_eq!(as_number(&decoded.position), Ok(n));
            prop_assert!(decoded.fresh);
            prop_assert!(!decode(&cursor, &arguments, &[Some("2")]).expect("the same arguments").fresh);
        }

        #[test]
        fn anything_else_is_refused_and_never_panics(text in ".*", query in ".{1,20}") {
            let _ = decode(&text, &[Some(&query)], &[]);
            let cursor = encode(&[Some("other")], &[], &number(1));
            prop_assume!(query != "other");
            prop_assert_eq!(decode(&cursor, &[Some(&query)], &[]), Err(ForeignCursor));
        }
    }

    #[test]
    fn absent_and_empty_differ() {
        let cursor = encode(&[Some(""), None], &[], &[]);
        assert!(decode(&cursor, &[None, Some("")], &[]).is_err());
    }
}
