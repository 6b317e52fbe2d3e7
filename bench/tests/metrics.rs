//! The metrics of the retrieval bench, held against values worked out by hand.

#![allow(missing_docs)]

#[path = "../benches/retrieval/metrics.rs"]
mod metrics;

use metrics::{Quality, percentile};

#[test]
fn values_worked_out_by_hand() {
    // Gains 3 and 1; discounts 1, 1/log2(3), 1/2.
    let worked = Quality::of(&[0, 2, 1], &[1, 2]);
    let (dcg, ideal) = (3.0 / 3f64.log2() + 0.5, 3.0 + 1.0 / 3f64.log2());
    assert!((worked.ndcg10 - dcg / ideal).abs() < 1e-12);
    assert_eq!((worked.hit1, worked.hit5, worked.mrr10), (0.0, 1.0, 0.5));
    let helps = Quality::of(&[1, 0, 0, 0, 0, 2], &[2, 1]);
    assert_eq!((helps.hit1, helps.hit5, helps.mrr10), (0.0, 0.0, 1.0), "a hit has the best grade");
}

#[test]
fn the_best_order_is_1_and_nothing_found_is_0() {
    assert_eq!(Quality::of(&[2, 1, 1, 0], &[1, 2, 1]).ndcg10, 1.0);
    assert_eq!(Quality::of(&[0; 10], &[2]), Quality::default());
    assert_eq!(Quality::of(&[], &[2]), Quality::default());
    let eleventh = Quality::of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], &[2]);
    assert_eq!(eleventh, Quality::default());
}

#[test]
fn means_and_percentiles() {
    let one = Quality { ndcg10: 1.0, hit1: 1.0, hit5: 1.0, mrr10: 1.0 };
    assert_eq!(Quality::mean([one, Quality::default()].into_iter()).ndcg10, 0.5);
    assert_eq!(Quality::mean(std::iter::empty()), Quality::default());
    let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!((percentile(&values, 0.5), percentile(&values, 0.95)), (50.0, 95.0));
    assert_eq!((percentile(&[7.0], 0.95), percentile(&[], 0.5)), (7.0, 0.0));
}
