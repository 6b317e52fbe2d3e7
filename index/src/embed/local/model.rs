//! Weights, and from token ids to vectors.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, xlm_roberta};

/// What is computed with the weights, as `config.json` describes it.
pub(super) enum Architecture {
    Bert(bert::Config),
    Roberta(xlm_roberta::Config),
}

impl Architecture {
    /// Length of the vectors.
    pub(super) fn dimensions(&self) -> u32 {
        let size = match self {
            Self::Bert(config) => config.hidden_size,
            Self::Roberta(config) => config.hidden_size,
        };
        size as u32
    }

    /// Tokens for which the model has positions.
    pub(super) fn positions(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            // The positions up to that of padding are never used.
            Self::Roberta(config) => {
                config.max_position_embeddings.saturating_sub(config.pad_token_id as usize + 1)
            }
        }
    }

    fn padding(&self) -> u32 {
        match self {
            Self::Bert(config) => config.pad_token_id as u32,
            Self::Roberta(config) => config.pad_token_id,
        }
    }
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first, special token.
    Cls,
}

impl Pooling {
    /// The name sentence-transformers has for it; `None` for any other way.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        [Self::Mean, Self::Cls].into_iter().find(|pooling| pooling.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
        }
    }
}

/// A model that is loaded.
pub(super) struct Model {
    network: Network,
    padding: u32,
}

enum Network {
    Bert(bert::BertModel),
    Roberta(xlm_roberta::XLMRobertaModel),
}

impl Model {
    /// Loads the content of a `model.safetensors`, whatever its precision, to compute with 32 bits.
    pub(super) fn load(architecture: &Architecture, weights: Vec<u8>) -> Result<Self> {
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let network = match architecture {
            Architecture::Bert(config) => Network::Bert(bert::BertModel::load(weights, config)?),
            Architecture::Roberta(config) => {
                let weights = match weights.contains_tensor("roberta.embeddings.word_embeddings.weight") {
                    true => weights.pp("roberta"),
                    false => weights,
                };
                Network::Roberta(xlm_roberta::XLMRobertaModel::new(config, weights)?)
            }
        };
        Ok(Self { network, padding: architecture.padding() })
    }

    /// A vector for each row of token ids; the rows may differ in length.
    pub(super) fn vectors(&self, rows: &[&[u32]], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let shape = (rows.len(), length);
        let pad = |row: &[u32], with: u32| std::iter::repeat_n(with, length - row.len());
        let ids: Vec<u32> =
            rows.iter().flat_map(|row| row.iter().copied().chain(pad(row, self.padding))).collect();
        let mask: Vec<u32> = rows.iter().flat_map(|row| row.iter().map(|_| 1).chain(pad(row, 0))).collect();
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let types = ids.zeros_like()?;
        let hidden = match &self.network {
            Network::Bert(bert) => bert.forward(&ids, &types, Some(&mask))?,
            Network::Roberta(roberta) => roberta.forward(&ids, &mask, &types, None, None, None)?,
        };
        match pooling {
            Pooling::Cls => hidden.get_on_dim(1, 0)?,
            Pooling::Mean => {
                let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
                hidden.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?
            }
        }
        .to_vec2()
    }
}
