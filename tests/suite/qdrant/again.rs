//! What files are held to, again in Qdrant.

use super::contract::fill;
use super::{in_qdrant, server};
use crate::ingest::canary::{
    lost_answers_are_waited_for, models_are_compared, words_are_compared_with_vectors,
};
use crate::ingest::embedding::summaries::replace_extracted_ones;
use crate::openai::Hybrid;
use crate::serve::embedding::model_change;

#[test]
fn a_build_that_lost_answers_waits_in_qdrant_until_it_has_them() {
    in_qdrant(lost_answers_are_waited_for);
}

#[test]
fn a_build_of_another_model_is_compared_in_qdrant_too() {
    in_qdrant(models_are_compared);
}

#[test]
fn a_build_without_vectors_is_compared_in_qdrant_with_what_vectors_find() {
    in_qdrant(words_are_compared_with_vectors);
}

#[test]
fn summaries_replace_extracted_ones_in_qdrant_and_are_written_once() {
    in_qdrant(replace_extracted_ones);
}

#[test]
fn a_change_of_model_in_qdrant_is_switched_to_at_once_and_back() {
    in_qdrant(|workspace| {
        fill(&workspace, 300);
        server::wait(model_change(&Hybrid::of(workspace)));
    });
}
