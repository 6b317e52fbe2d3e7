//! A model that writes: one instruction, one text, one answer
//! (<https://platform.openai.com/docs/api-reference/chat/create>).

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::service::Service;
use crate::embed::EmbedError;

/// A model behind a service that speaks OpenAI's protocol.
pub struct Chat {
    model: String,
    service: Service,
}

/// What it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// Tokens it read, as the service counts them; 0 where it does not say.
    pub read: u64,
    /// Tokens it wrote.
    pub written: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    message: Written,
}

#[derive(Deserialize)]
struct Written {
    content: Option<String>,
}

#[derive(Deserialize, Default)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Chat {
    /// Nothing is sent yet. Fails where no HTTP client can be made.
    pub fn new(
        model: &str,
        base_url: &str,
        key: Option<SecretString>,
        timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let service = Service::new(base_url, key, timeout, "summary")?;
        Ok(Self { model: model.to_owned(), service })
    }

    /// Whether a key is needed and there is none.
    pub fn lacks_key(&self) -> bool {
        self.service.lacks_key()
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Asks once. An answer without text counts as refused: asked again, it would be the same.
    pub async fn complete(&self, instruction: &str, text: &str) -> Result<Completion, EmbedError> {
        let message = |role, content| Message { role, content };
        let request =
            Request { model: &self.model, messages: [message("system", instruction), message("user", text)] };
        let (answer, _): (Answer, _) =
            self.service.ask(|client| async move { client.chat().create_byot(request).await }).await?;
        let written = answer.choices.into_iter().next().and_then(|choice| choice.message.content);
        match written.filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                let Usage { prompt_tokens: read, completion_tokens: written } = answer.usage;
                Ok(Completion { text, read, written })
            }
            None => Err(EmbedError::Rejected { reason: "the model wrote nothing".into() }),
        }
    }
}
