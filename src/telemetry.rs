//! What the layer tells the outside: events of `tracing`, without keys, tokens, query strings or bodies.

use std::time::Duration;

use crate::{
    attempts::{Attempts, VerdictKind},
    decide::{Applied, KeyAction},
    error::Error,
    service::Service,
};

pub(crate) fn retrying(service: &Service, attempts: &Attempts, delay: Duration, key: KeyAction) {
    tracing::debug!(service = service.name(), %attempts, ?delay, ?key, "retrying");
}

pub(crate) fn verified(service: &Service, verdict: VerdictKind) {
    tracing::debug!(service = service.name(), ?verdict, "asked the verifier");
}

pub(crate) fn redirected(service: &Service) {
    tracing::warn!(
        service = service.name(),
        "a redirect took the idempotency key to another origin: set `redirect::Policy::none()` on the client"
    );
}

pub(crate) fn failed(error: &Error) {
    if error.applied() == Applied::Unknown {
        tracing::warn!(%error, "call ended in doubt");
    } else {
        tracing::debug!(%error, "call failed");
    }
}
