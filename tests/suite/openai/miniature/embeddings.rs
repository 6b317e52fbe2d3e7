//! `POST /v1/embeddings`.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answer::{Refusal, tokens};
use super::{Answer, Fault, vector};

/// What OpenAI allows: inputs of a request, tokens of an input, tokens of a request.
const INPUTS: usize = 2048;
const INPUT_TOKENS: usize = 8192;
const TOKENS: u64 = 300_000;

pub struct Request {
    pub model: String,
    pub inputs: Vec<String>,
    dimensions: u32,
    base64: bool,
    /// Tokens of each input.
    counted: Vec<usize>,
}

struct Item {
    index: usize,
    numbers: Vec<f64>,
    /// It is right, and its index nobody else's.
    intact: bool,
}

impl Request {
    pub fn read(request: &Value, models: &HashMap<String, u32>) -> Result<Self, Box<Refusal>> {
        let Some(model) = request["model"].as_str() else {
            return Err(Refusal::invalid("you must provide a model parameter"));
        };
        let Some(&whole) = models.get(model) else { return Err(Refusal::unknown_model(model)) };
        let inputs: Option<Vec<String>> = match &request["input"] {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => texts.iter().map(|text| text.as_str().map(String::from)).collect(),
            _ => None,
        };
        let Some(inputs) = inputs else {
            return Err(Refusal::invalid("'$.input' is invalid: a string or an array of strings."));
        };
        let dimensions = match (&request["dimensions"], model.starts_with("text-embedding-3")) {
            (Value::Null, _) => whole,
            (_, false) => {
                return Err(Refusal::invalid("This model does not support specifying dimensions."));
            }
            (given, true) => match given.as_u64().filter(|it| (1..=u64::from(whole)).contains(it)) {
                Some(fewer) => fewer as u32,
                None => return Err(Refusal::invalid(format!("Invalid value for 'dimensions': {given}."))),
            },
        };
        let base64 = match &request["encoding_format"] {
            Value::Null => false,
            given if given == "float" => false,
            given if given == "base64" => true,
            given => return Err(Refusal::invalid(format!("Invalid value for 'encoding_format': {given}."))),
        };
        let counted = inputs.iter().map(|text| tokens(text)).collect();
        Ok(Self { model: model.into(), inputs, dimensions, base64, counted })
    }

    pub fn tokens(&self) -> u64 {
        self.counted.iter().sum::<usize>() as u64
    }

    /// Why it is refused, if it is.
    pub fn check(&self, refused: Option<&str>) -> Result<(), Box<Refusal>> {
        if self.inputs.is_empty() || self.inputs.len() > INPUTS {
            let given = self.inputs.len();
            return Err(Refusal::invalid(format!(
                "'$.input' is invalid: {given} inputs, not 1 to {INPUTS}."
            )));
        }
        if self.inputs.iter().any(String::is_empty) {
            return Err(Refusal::invalid("'$.input' is invalid: input cannot be an empty string."));
        }
        if let Some(count) = self.counted.iter().find(|count| **count > INPUT_TOKENS) {
            return Err(Refusal::invalid(format!(
                "This model's maximum context length is {INPUT_TOKENS} tokens, however you requested {count} tokens \
                 ({count} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
            )));
        }
        if self.tokens() > TOKENS {
            let kind = "max_tokens_per_request";
            let message = format!("Requested {} tokens, max {TOKENS} tokens per request", self.tokens());
            return Err(Refusal::new(400, kind, Some(kind), message));
        }
        if refused.is_some_and(|marker| self.inputs.iter().any(|text| text.contains(marker))) {
            return Err(Refusal::invalid("'$.input' is invalid. Please check the API reference."));
        }
        Ok(())
    }

    pub fn answer(&self, fault: Option<&Fault>) -> Answer {
        let vector = |text: &String| vector(&self.model, self.dimensions, text);
        let numbers = |text| vector(text).into_iter().map(f64::from).collect();
        let mut items: Vec<Item> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(index, text)| Item { index, numbers: numbers(text), intact: true })
            .collect();
        damage(&mut items, fault);
        let model = match fault {
            Some(Fault::OtherModel) => "text-embedding-2",
            _ => &self.model,
        };
        let illegal = matches!(fault, Some(Fault::OtherModel | Fault::ContentType(_)));
        let answered = items.iter().filter(|item| item.intact && !illegal);
        let answered = answered.map(|item| self.inputs[item.index].clone()).collect();
        let data: Vec<Value> = items.into_iter().map(|item| self.shown(item)).collect();
        let usage = json!({ "prompt_tokens": self.tokens(), "total_tokens": self.tokens() });
        Answer { body: json!({ "object": "list", "data": data, "model": model, "usage": usage }), answered }
    }

    fn shown(&self, item: Item) -> Value {
        let embedding = if self.base64 {
            let bytes: Vec<u8> =
                item.numbers.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect();
            Value::from(BASE64_STANDARD.encode(bytes))
        } else {
            Value::from(item.numbers)
        };
        json!({ "object": "embedding", "index": item.index, "embedding": embedding })
    }
}

/// Damages the item in the middle.
fn damage(items: &mut Vec<Item>, fault: Option<&Fault>) {
    let (count, middle) = (items.len(), items.len() / 2);
    let item = &mut items[middle];
    match fault {
        Some(Fault::Shuffled) => return items.reverse(),
        Some(Fault::Missing) => {
            items.remove(middle);
            return;
        }
        Some(Fault::DuplicateIndex) => {
            // Of two with one index nobody can tell which is right.
            let other = if middle == 0 { count } else { middle - 1 };
            item.index = other;
            item.intact = false;
            if let Some(other) = items.get_mut(other) {
                other.intact = false;
            }
            return;
        }
        Some(Fault::Short) => item.numbers.truncate(item.numbers.len() - 1),
        Some(Fault::Zeros) => item.numbers.fill(0.0),
        Some(Fault::NotANumber) => item.numbers[0] = f64::NAN,
        Some(Fault::Huge) => item.numbers[0] = 1e39,
        _ => return,
    }
    item.intact = false;
}
