//! The client of the service, with the layer.

use std::time::Duration;

use anyhow::Context;
use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{
    Advice, Backoff, CallError, ErrorKind, RequestBuilderExt, RetryPolicy, SafeRetry, Service, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::WorkerSettings;

/// A step whose response was lost runs again.
const AGAIN: Advice = Advice::SameKeyAfter { wait: Duration::ZERO, not_after: None };
pub(crate) const CUSTOMERS: &str = "/v1/customers";
/// Requests with this header are not given faults: the verifier asks what is true.
pub(crate) const VERIFIER_HEADER: &str = "x-verifier";
/// The longest call. The step's own timeout is longer, so that the layer always gets to say what it knows.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(crate) struct Billing {
    client: ClientWithMiddleware,
    url: String,
    token: String,
    has_fresh_keys: bool,
}

/// The error of a step, as DBOS records it.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct StepError {
    pub(crate) advice: Advice,
    /// The service judged the content of the request itself, so that every run of the step ends so.
    pub(crate) is_refused: bool,
    pub(crate) message: String,
}

impl Billing {
    pub(crate) fn new(settings: &WorkerSettings) -> anyhow::Result<Self> {
        let waits = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
        let policy = RetryPolicy::new().max_attempts(3).transient(waits.clone()).throttled(waits).deadline(DEADLINE);
        let list = List {
            http: reqwest::Client::new(),
            url: format!("{}{CUSTOMERS}", settings.metronome),
            token: settings.token.clone(),
        };
        let mut service =
            Service::metronome().into_builder().base_url(settings.metronome.clone()).retry_policy(policy).verifier_fn(
                move |write| {
                    let (list, name) = (list.clone(), write.json("/name"));
                    async move { list.look_for(name.as_deref()).await.unwrap_or(Verdict::Unknown) }
                },
            );
        if !settings.has_fresh_keys {
            service = service.require_operation();
        }
        // Shorter than a stall.
        let http = reqwest::Client::builder().timeout(Duration::from_millis(600));
        let client = SafeRetry::new([service.build()?]).client(http)?;
        let (url, token) = (settings.metronome.clone(), settings.token.clone());
        Ok(Self { client, url, token, has_fresh_keys: settings.has_fresh_keys })
    }

    /// Creates a customer; one without a name is refused. Returns its id.
    pub(crate) async fn create(&self, operation: String, name: Option<&str>) -> Result<String, StepError> {
        let request = self.client.post(format!("{}{CUSTOMERS}", self.url)).bearer_auth(&self.token);
        // No `uniqueness_key`: only the idempotency key keeps the service from doing this twice.
        let request = request.json(&json!({ "name": name }));
        let request = if self.has_fresh_keys { request } else { request.operation(operation) };
        let response = request.send().await.map_err(|error| StepError::of(&error.into()))?;
        let created: Value = response.json().await.map_err(StepError::unreadable)?;
        Ok(created["data"]["id"].as_str().unwrap_or_default().to_owned())
    }
}

impl StepError {
    fn of(error: &CallError) -> Self {
        let (advice, is_refused) = match error {
            CallError::Service(error) => {
                (error.advice(), matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::Unprocessable))
            }
            _ => (Advice::LookFirst, false),
        };
        Self { advice, is_refused, message: error.to_string() }
    }

    /// The write took effect, and the next run of the step is given the response that the service has stored.
    fn unreadable(error: reqwest::Error) -> Self {
        Self { advice: AGAIN, is_refused: false, message: error.to_string() }
    }
}

/// The customers, as the verifier sees them.
#[derive(Clone)]
struct List {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl List {
    async fn look_for(&self, name: Option<&str>) -> anyhow::Result<Verdict> {
        let mut next = None;
        loop {
            let page = self.page(next.as_deref()).await?;
            let customers = page["data"].as_array().context("a page without customers")?;
            if let Some(found) = customers.iter().find(|customer| customer["name"].as_str() == name) {
                // In the form of the write's own response.
                let response = http::Response::new(json!({ "data": found }).to_string());
                return Ok(Verdict::Applied(Some(response.into())));
            }
            match &page["next_page"] {
                Value::String(cursor) => next = Some(cursor.clone()),
                Value::Null => return Ok(Verdict::NotApplied),
                _ => anyhow::bail!("a page that does not say whether it is the last"),
            }
        }
    }

    async fn page(&self, cursor: Option<&str>) -> anyhow::Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}?limit=100", self.url))?;
        url.query_pairs_mut().extend_pairs(cursor.map(|cursor| ("next_page", cursor)));
        let request = self.http.get(url).bearer_auth(&self.token).header(VERIFIER_HEADER, "1");
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

#[cfg(test)]
mod tests {
    use metronome_simulator::{Fault, Metronome, Moment};

    use super::*;

    /// What the step does after attempts that all meet this fault.
    async fn advice(fault: Option<Fault>, name: Option<&str>) -> Option<Advice> {
        let metronome = Metronome::start().await.unwrap();
        metronome.script([fault, fault, fault]);
        let settings = WorkerSettings {
            metronome: metronome.base_url().to_owned(),
            token: metronome.token().to_owned(),
            ..WorkerSettings::default()
        };
        let billing = Billing::new(&settings).unwrap();
        billing.create("order-1/create".to_owned(), name).await.err().map(|error| error.advice)
    }

    #[tokio::test]
    async fn errors_say_what_the_step_does() {
        let before = Moment::Before;
        assert_eq!(advice(None, Some("Ada")).await, None);
        assert_eq!(advice(None, None).await, Some(Advice::Never));
        // Two errors of the service itself prove nothing either: those of an earlier run may come first.
        for fault in [Fault::gateway(504, before), Fault::stored_500(before)] {
            let unclear = advice(Some(fault), Some("Ada")).await;
            assert!(matches!(unclear, Some(Advice::SameKeyAfter { not_after: Some(_), .. })), "{unclear:?}");
        }
    }
}
