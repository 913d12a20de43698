//! A support desk: a model says which team a ticket is for, then writes the reply.
//!
//! Nothing in here is for tests.

use futures_util::StreamExt as _;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};

/// The desk's connection to an OpenAI-compatible server.
pub struct Desk {
    client: Client,
    model: String,
}

/// What the desk made of a ticket.
#[derive(Debug)]
pub struct Reply {
    /// `billing`, `shipping` or `technical`, if the model kept to these.
    pub team: String,
    /// What the customer reads.
    pub text: String,
}

impl Desk {
    /// A desk on the server at `base_url`, such as `http://127.0.0.1:8089/v1/`.
    pub fn new(base_url: &str, key: &str, model: &str) -> genai::Result<Self> {
        let base_url = format!("{}/", base_url.trim_end_matches('/'));
        let key = key.to_string();
        let resolver = ServiceTargetResolver::from_resolver_fn(
            move |target: ServiceTarget| -> Result<ServiceTarget, genai::resolver::Error> {
                Ok(ServiceTarget {
                    endpoint: Endpoint::from_owned(base_url.clone()),
                    auth: AuthData::from_single(key.clone()),
                    model: ModelIden::new(AdapterKind::OpenAI, target.model.model_name),
                })
            },
        );
        Ok(Self {
            client: Client::builder()
                .with_service_target_resolver(resolver)
                .build()?,
            model: model.to_string(),
        })
    }

    /// Sorts a ticket and answers it.
    pub async fn answer(&self, ticket: &str) -> genai::Result<Reply> {
        let team = self.team(ticket).await?;
        let text = self.write(ticket, &team).await?;
        Ok(Reply { team, text })
    }

    /// One call of the model.
    async fn team(&self, ticket: &str) -> genai::Result<String> {
        let request = ChatRequest::new(vec![
            ChatMessage::system(
                "Which team of a shop handles this ticket? billing: money and cards. shipping: parcels and delivery. technical: the web site. Answer with one word.",
            ),
            ChatMessage::user(ticket),
        ]);
        let options = ChatOptions::default()
            .with_temperature(0.0)
            .with_max_tokens(8);
        let response = self
            .client
            .exec_chat(&self.model, request, Some(&options))
            .await?;
        let word = response.first_text().unwrap_or_default();
        Ok(word
            .trim_matches(|c: char| !c.is_alphabetic())
            .to_lowercase())
    }

    /// Another, streamed.
    async fn write(&self, ticket: &str, team: &str) -> genai::Result<String> {
        let request = ChatRequest::new(vec![
            ChatMessage::system(format!(
                "You are the front desk of a shop. Write one friendly sentence to the customer that ends with: the {team} team is on it.",
            )),
            ChatMessage::user(ticket),
        ]);
        let options = ChatOptions::default()
            .with_temperature(0.0)
            .with_max_tokens(80)
            .with_capture_usage(true)
            .with_capture_content(true);
        let mut stream = self
            .client
            .exec_chat_stream(&self.model, request, Some(&options))
            .await?
            .stream;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event? {
                text.push_str(&chunk.content);
            }
        }
        Ok(text)
    }
}
