//! The client to compare with: it retries as the vendor's own SDKs do, without a key.

use std::time::Duration;

use http::header::RETRY_AFTER;
use reqwest::Response;
use reqwest_safe_retry::Applied;

use crate::{
    client::{Client, Ending, WAIT, json},
    endpoint::{BoxError, Endpoint},
    story::Message,
    timeline::Timeline,
};

const RETRIES: u32 = 2;

pub(crate) struct Naive {
    pub(crate) endpoint: Endpoint,
}

impl Naive {
    /// Retries after any failure of the transport, 408, 409, 429 and 5xx; keeps to `Retry-After`.
    async fn send(&self, message: &Message, timeline: &mut Timeline) -> reqwest::Result<Response> {
        let mut retry = 0;
        loop {
            let sent = self.endpoint.request(message).send().await;
            let status = sent.as_ref().map(Response::status).ok();
            timeline.outcome(status.as_ref().map_or("no response", |status| status.as_str()), status);
            let is_retryable = status.is_none_or(|status| matches!(status.as_u16(), 408 | 409 | 429 | 500..));
            if retry == RETRIES || !is_retryable {
                return sent;
            }
            let wait = sent.ok().and_then(|response| retry_after(&response)).unwrap_or(WAIT * 2_u32.pow(retry));
            timeline.wait(wait, "");
            pause(wait).await;
            retry += 1;
        }
    }
}

impl Client for Naive {
    /// The job around the SDK runs once more when its call has failed: it cannot know that this is not safe.
    async fn carry(&self, message: &Message) -> Result<Ending, BoxError> {
        let mut timeline = Timeline::default();
        let mut sent = self.send(message, &mut timeline).await;
        if sent.as_ref().map_or(true, |response| response.status().is_server_error()) {
            timeline.end("error: the job runs again");
            sent = self.send(message, &mut timeline).await;
        }
        let (applied, answer) = match sent {
            Ok(response) if response.status().is_success() => (Applied::Yes, Some(json(response).await)),
            // It is there already.
            Ok(response) if response.status() == 409 => (Applied::Yes, None),
            Ok(response) if response.status().is_client_error() => (Applied::No, None),
            _ => (Applied::Unknown, None),
        };
        Ok(Ending { applied, answer, timeline })
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

// The crate itself sleeps in one file only; a program may sleep where it likes.
#[allow(clippy::disallowed_methods)]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
