//! Reading what a failed attempt has left: an error's body once, or the causes of a failure.

use std::{mem, sync::OnceLock};

use http::{HeaderMap, StatusCode};
use reqwest::Response;

use super::{
    call::Call,
    failed::{FailedAttempt, FailedResponse},
};
use crate::{
    classifier::ErrorResponse,
    decide::{
        key::Meaning,
        outcome::{Failure, Redirect, ResponseFacts},
    },
    error::{details::ErrorDetails, error::Error, not_sent::NotSent},
    limit::limiters::Scope,
    service::{description::ErrorStatusHandling, response_rule::Said},
    time,
    wire::{body::Reading, failure, head},
};

/// An error response whose body is read.
pub(crate) struct Unread {
    status: StatusCode,
    headers: HeaderMap,
    redirect: Redirect,
    /// As it came, without its body, if it may become the caller's.
    head: Option<Box<http::Response<()>>>,
    scope: Option<Scope>,
    body: Reading,
}

impl Call<'_> {
    /// What the attempt has left; or a response whose body is not there yet, see [`read_rest`](Self::read_rest).
    pub(crate) fn read(&mut self, failed: FailedResponse) -> Result<Box<FailedAttempt>, Box<Unread>> {
        Ok(Box::new(match failed {
            FailedResponse::Status(response, scope) => {
                let mut unread = self.begin_read(response, scope);
                if !unread.body.read_at_once() {
                    return Err(Box::new(unread));
                }
                self.read_whole_error(unread)
            }
            FailedResponse::Missing(Some(error)) if NotSent::is_said_by(&error) => {
                let details = ErrorDetails::of_failure(Failure::NotSent, error);
                FailedAttempt::new(Failure::NotSent.into(), ErrorDetails { connecting: false, ..details })
            }
            FailedResponse::Missing(Some(error)) => {
                let failure = match Error::find(&error) {
                    // Another layer below has made several attempts, of which this error shows the last.
                    Some(_) => Failure::Middleware,
                    None => failure::classify(&error, &self.sent_url()),
                };
                FailedAttempt::new(failure.into(), ErrorDetails::of_failure(failure, error))
            }
            FailedResponse::Missing(None) => FailedAttempt::past_deadline(),
        }))
    }

    fn begin_read(&self, mut response: Response, scope: Option<Scope>) -> Unread {
        let (status, headers) = (response.status(), mem::take(response.headers_mut()));
        let redirect = self.redirect(response.url());
        let keeps_response = self.plan.service.error_statuses() == ErrorStatusHandling::Response;
        let head = keeps_response.then(|| Box::new(head::of(&mut response, headers.clone())));
        let body = Reading::new(response, self.plan.policy().max_error_body);
        Unread { status, headers, redirect, head, scope, body }
    }

    /// Reads the rest of the body, within its time and the call's.
    pub(super) async fn read_rest(&mut self, mut unread: Box<Unread>) -> Box<FailedAttempt> {
        let read_until = self.now.checked_add(self.plan.policy().error_body_timeout);
        let deadline = read_until.into_iter().chain(self.deadline()).min();
        unread.body.read_rest(deadline).await;
        self.now = time::now();
        Box::new(self.read_whole_error(*unread))
    }

    fn read_whole_error(&mut self, unread: Unread) -> FailedAttempt {
        let Unread { status, headers, redirect, head, scope, body } = unread;
        let body = body.into_read();
        let (reader, parts) = (self.plan.service.error_reader(), OnceLock::new());
        let is_truncated = body.truncated;
        let said = Said { status, headers: &headers, body: &body.bytes, is_truncated, reader, read: &parts };
        let facts = ResponseFacts { redirect, ..self.facts(&said) };
        let scope =
            if self.plan.judges_load_by_body(status) { self.release_by_meaning(&facts, &headers) } else { scope };
        let details = ErrorDetails {
            status: Some(status),
            retry_after: facts.retry_after,
            scope: self.plan.service.rate_limiting().scope(&headers).map(Box::from),
            request_id: reader.request_id(&headers),
            parts,
            body,
            ..ErrorDetails::default()
        };
        FailedAttempt { scope, head, ..FailedAttempt::new(facts.into(), details) }
    }

    /// What status, headers and body say, by the classifier and the service's description.
    fn facts(&self, said: &Said<'_>) -> ResponseFacts {
        let (service, idempotency) = (self.plan.service, self.plan.idempotency());
        let Said { status, headers, body, .. } = *said;
        let classified = self.classify(said);
        ResponseFacts {
            meaning: classified.or_else(|| self.plan.meaning(said, self.key.place())),
            is_classified: classified.is_some(),
            retry_after: service.rate_limiting().wait(status, headers, body, || self.clock.wall()),
            retry_signal: service.retry_signal().and_then(|signal| signal.read(headers)),
            transient: idempotency.is_transient(headers),
            replayed: idempotency.is_replay(headers),
            ..ResponseFacts::new(status)
        }
    }

    /// What the user's classifier says, if it says something that can be meant for this request.
    fn classify(&self, said: &Said<'_>) -> Option<Meaning> {
        let service = self.plan.service;
        let (method, url, attempt) = (self.request.method(), self.request.url(), self.attempts.count());
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX).saturating_add(1);
        let classifier = service.hooks().classifier.as_ref()?;
        let (name, template) = (service.name(), service.template(method, url));
        let meaning =
            classifier.classify(&ErrorResponse { service: name, method, url, template, attempt, said: *said })?;
        self.plan.applies(meaning, self.key.place()).then_some(meaning)
    }
}
