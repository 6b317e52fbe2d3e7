//! How collections are laid out: what the settings decide when one is made, and only then.

use std::sync::atomic::Ordering;

use lectern_index::config::IndexSettings;
use lectern_index::qdrant::Collection;
use lectern_index::qdrant::points::{DENSE, TEXT};
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CollectionParams, CreateCollection, CreateCollectionBuilder, Distance, Memory, Modifier,
    ScalarQuantizationBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder,
    StrictModeConfigBuilder, UpdateCollection, UpdateCollectionBuilder, VectorParams, VectorParamsBuilder,
    VectorsConfigBuilder,
};

use super::QdrantStore;
use crate::store::BuildSpec;

/// The longest list that may be asked for, and that of the heads.
const LONGEST_LIST: u32 = 10_000;

impl QdrantStore {
    /// Warns, once, where a collection was made under other settings, which would seem to count.
    pub(super) async fn warn_of_layout(&self, collection: &Collection) {
        if self.warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let name = collection.name();
        // Without an answer the sync has other troubles.
        let Ok(info) = self.client.qdrant().collection_info(name).await else { return };
        let made = info.result.and_then(|info| info.config).and_then(|config| config.params);
        for (setting, set, made) in made.iter().flat_map(|made| differences(made, &self.settings)) {
            tracing::warn!(
                "index.{setting} = {set} does not count: {name} was made with {made} and keeps that; copy the index to a new collection to change it (docs/scaling.md)"
            );
        }
    }
}

/// How a collection is laid out.
pub(super) fn creation(name: &str, spec: &BuildSpec, settings: &IndexSettings) -> CreateCollection {
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params(TEXT, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
    let mut create = CreateCollectionBuilder::new(name).sparse_vectors_config(sparse);
    if let Some((_, dimensions)) = &spec.embedder {
        let mut dense = VectorsConfigBuilder::default();
        // Eight bits of each number are searched, in memory; the best are scored again in full.
        let eight_bits = ScalarQuantizationBuilder::default().always_ram(true);
        let params = VectorParamsBuilder::new(u64::from(*dimensions), Distance::Cosine)
            .quantization_config(eight_bits)
            .on_disk(settings.on_disk.unwrap_or(false));
        dense.add_named_vector_params(DENSE, params);
        create = create.vectors_config(dense);
    }
    if let Some(shards) = settings.shard_number {
        create = create.shard_number(shards);
    }
    replicated(create, settings).build()
}

/// What a finished collection refuses. Not before it is: one whose payload indexes are still being made
/// could not even be asked whether it is finished.
pub(super) fn strictness(name: &str) -> UpdateCollection {
    let strict = StrictModeConfigBuilder::default()
        .enabled(true)
        .max_query_limit(LONGEST_LIST)
        .unindexed_filtering_retrieve(false)
        .unindexed_filtering_update(false);
    UpdateCollectionBuilder::new(name).strict_mode_config(strict).build()
}

/// A collection with the copies that the settings ask for.
pub(super) fn replicated(
    mut create: CreateCollectionBuilder,
    settings: &IndexSettings,
) -> CreateCollectionBuilder {
    if let Some(copies) = settings.replication_factor {
        create = create.replication_factor(copies);
    }
    if let Some(copies) = settings.write_consistency_factor {
        create = create.write_consistency_factor(copies);
    }
    create
}

/// Whether full vectors are read from disk. Qdrant 1.18 has no other word for it than the one that
/// 1.19 replaces.
#[expect(deprecated, reason = "1.18 knows no other")]
fn is_on_disk(vectors: &VectorParams) -> bool {
    vectors.on_disk.unwrap_or(vectors.memory == Some(Memory::Cold as i32))
}

/// The settings that a collection was made without: name, what is set, what it was made with.
fn differences(made: &CollectionParams, settings: &IndexSettings) -> Vec<(&'static str, String, String)> {
    let dense = match made.vectors_config.as_ref().and_then(|vectors| vectors.config.as_ref()) {
        Some(Config::ParamsMap(vectors)) => vectors.map.get(DENSE),
        _ => None,
    };
    let number =
        |set: Option<u32>, made: Option<u32>| Some((set?.to_string(), made.unwrap_or(1).to_string()));
    let on_disk = settings.on_disk.zip(dense.map(is_on_disk));
    let settings = [
        ("shard_number", number(settings.shard_number, Some(made.shard_number))),
        ("replication_factor", number(settings.replication_factor, made.replication_factor)),
        (
            "write_consistency_factor",
            number(settings.write_consistency_factor, made.write_consistency_factor),
        ),
        ("on_disk", on_disk.map(|(set, made)| (set.to_string(), made.to_string()))),
    ];
    let differs = |(name, values): (_, Option<(String, String)>)| {
        values.filter(|(set, made)| set != made).map(|(set, made)| (name, set, made))
    };
    settings.into_iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::VectorsConfig;

    use super::*;

    #[test]
    fn a_collection_differs_from_settings_that_it_was_not_made_under() {
        let settings = IndexSettings {
            shard_number: Some(3),
            replication_factor: Some(2),
            write_consistency_factor: Some(1),
            on_disk: Some(true),
            ..IndexSettings::default()
        };
        let made = CollectionParams {
            shard_number: 3,
            replication_factor: None,
            write_consistency_factor: None,
            vectors_config: Some(VectorsConfig {
                config: Some(Config::ParamsMap(
                    [(DENSE.to_owned(), VectorParamsBuilder::new(4, Distance::Cosine).build())]
                        .into_iter()
                        .collect::<std::collections::HashMap<_, _>>()
                        .into(),
                )),
            }),
            ..CollectionParams::default()
        };
        let told: Vec<_> = differences(&made, &settings).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(told, ["replication_factor", "on_disk"]);
        assert_eq!(differences(&made, &IndexSettings::default()), []);
    }
}
