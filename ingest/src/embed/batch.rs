//! Texts to requests. Pure.

use lectern_index::embed::Limits;

use super::Text;

/// Packs texts, in their order, into as few requests as the limits allow.
pub(super) fn pack(texts: impl Iterator<Item = Text>, limits: Limits) -> Vec<Vec<Text>> {
    let mut batches: Vec<Vec<Text>> = Vec::new();
    let mut tokens = 0;
    for text in texts {
        match batches.last_mut() {
            Some(batch) if batch.len() < limits.inputs && tokens + text.tokens <= limits.tokens as u64 => {
                tokens += text.tokens;
                batch.push(text);
            }
            _ => {
                tokens = text.tokens;
                batches.push(vec![text]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use lectern_index::chunk::Hash;
    use lectern_index::embed::Kind;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_hold_every_text_once_within_the_limits(
            sizes in prop::collection::vec(1u64..200, 0..60),
            inputs in 1usize..10,
            tokens in 200usize..600,
        ) {
            let texts = sizes.iter().enumerate().map(|(i, &tokens)| {
                let text = i.to_string();
                Text { kind: Kind::Document, hash: Hash::of(text.as_bytes()), text, tokens }
            });
            let limits = Limits { input_tokens: 200, inputs, tokens, requests: 1 };
            let batches = pack(texts, limits);
            for batch in &batches {
                prop_assert!((1..=inputs).contains(&batch.len()));
                prop_assert!(batch.iter().map(|text| text.tokens).sum::<u64>() <= tokens as u64);
            }
            // No two neighbours would fit into one: packing in order cannot do better by half.
            for pair in batches.windows(2) {
                let full = pair[0].len() == inputs;
                let sum: u64 = pair[0].iter().chain(&pair[1][..1]).map(|text| text.tokens).sum();
                prop_assert!(full || sum > tokens as u64);
            }
            let order: Vec<String> = batches.into_iter().flatten().map(|text| text.text).collect();
            prop_assert_eq!(order, (0..sizes.len()).map(|i| i.to_string()).collect::<Vec<_>>());
        }
    }
}
