//! Texts to vectors with real geometry: the terms that search knows and the trigrams of letters are
//! hashed into the vector's numbers, each with a sign, so texts that share words, or parts of words,
//! are near. The same in every process and on every machine.

use std::collections::BTreeMap;

use lectern_index::analyse;

/// The vector of a text, of length one. Models have nothing in common.
pub fn vector(model: &str, dimensions: u32, text: &str) -> Vec<f32> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    analyse::terms(text, |term| {
        let stop = analyse::is_stop_word(term);
        if !stop {
            *counts.entry(format!("term {term}")).or_default() += 1;
        }
        let letters: Vec<char> = format!("^{term}$").chars().collect();
        for three in letters.windows(3).filter(|_| !stop) {
            *counts.entry(three.iter().collect()).or_default() += 1;
        }
    });
    if counts.is_empty() {
        // Nothing to go by: any direction will do, so long as it is this text's own.
        counts.insert(format!("text {text}"), 1);
    }
    let mut sums = vec![0f64; dimensions as usize];
    for (feature, count) in counts {
        let weight = if feature.starts_with("term ") { 1.0 } else { 0.3 };
        let hash = hash(&format!("{model}\0{feature}"));
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        sums[(hash % u64::from(dimensions)) as usize] += sign * weight * f64::from(count).sqrt();
    }
    let norm = sums.iter().map(|it| it * it).sum::<f64>().sqrt();
    if norm == 0.0 {
        // Every feature met its opposite.
        sums[0] = 1.0;
        return sums.iter().map(|it| *it as f32).collect();
    }
    sums.iter().map(|it| (it / norm) as f32).collect()
}

/// FNV-1a, its bits mixed (SplitMix64's last steps), since its high ones are poor for short texts.
fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(text.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// SplitMix64's last steps.
pub fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
