//! The account that requests are sent to.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::story::Message;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The URL of an account, and a client with its token and without retries.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) base_url: String,
    pub(crate) http: reqwest::Client,
}

impl Endpoint {
    pub(crate) fn new(base_url: &str, token: &str, timeout: Duration) -> Result<Self, BoxError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token has characters that no header can hold")?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let http = reqwest::Client::builder().default_headers(headers).timeout(timeout).build()?;
        Ok(Self { base_url: base_url.trim_end_matches('/').to_owned(), http })
    }

    pub(crate) fn request(&self, message: &Message) -> reqwest::RequestBuilder {
        let request = self.http.request(message.method.clone(), format!("{}{}", self.base_url, message.path));
        match &message.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}
