//! `POST /v1/chat/completions`, not streamed: a completion is the beginning of the last message.

use serde_json::{Value, json};

use super::Answer;
use super::answer::{Refusal, tokens};

/// Words of a completion.
const WORDS: usize = 30;

pub struct Request {
    pub model: String,
    /// The last message.
    pub text: String,
}

impl Request {
    pub fn read(request: &Value) -> Result<Self, Box<Refusal>> {
        let Some(model) = request["model"].as_str() else {
            return Err(Refusal::invalid("you must provide a model parameter"));
        };
        let last = request["messages"].as_array().and_then(|messages| messages.last());
        match last.and_then(|message| message["content"].as_str()) {
            _ if request["stream"] == true => Err(Refusal::invalid("This miniature does not stream.")),
            Some(text) => Ok(Self { model: model.into(), text: text.into() }),
            None => Err(Refusal::invalid("Missing required parameter: 'messages'.")),
        }
    }

    pub fn answer(&self) -> Answer {
        let content = self.text.split_whitespace().take(WORDS).collect::<Vec<_>>().join(" ");
        let (prompt, completion) = (tokens(&self.text), tokens(&content));
        let body = json!({
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": content, "refusal": null, "annotations": [] },
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        });
        Answer { body, answered: Vec::new() }
    }
}
