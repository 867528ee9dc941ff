//! Requests to hosts that no service covers.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use http::Method;
use reqwest::{Request, Url};

use crate::{
    attempts::Attempts,
    decide::{
        advice::Advice,
        effect::Effect,
        stop::{Applied, StopReason},
    },
    error::{
        callee::Callee,
        details::ErrorDetails,
        error::{Error, FollowUp, Inner},
        kind::ErrorKind,
        secrets::RequestHead,
    },
    service::error_format::ErrorParts,
    telemetry::spans,
};

/// What becomes of requests to hosts that no service covers.
#[derive(Clone, Debug)]
pub(crate) enum UnknownHosts {
    /// They pass through; each host is reported once.
    PassThrough(Arc<Mutex<HashSet<String>>>),
    Refused,
}

/// However many hosts a client talks to, no more are kept and reported.
const MOST_REPORTED: usize = 100;

impl Default for UnknownHosts {
    fn default() -> Self {
        Self::PassThrough(Arc::default())
    }
}

impl UnknownHosts {
    /// The error of a request that is refused.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Error> {
        match self {
            Self::PassThrough(reported) => {
                spans::if_info_enabled(|| report(request, reported));
                Ok(())
            }
            Self::Refused => Err(refusal(request)),
        }
    }
}

fn report(request: &Request, reported: &Mutex<HashSet<String>>) {
    let Some(host) = request.url().host_str() else { return };
    // No panic leaves the set half-changed.
    let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
    if reported.len() < MOST_REPORTED && reported.insert(host.to_owned()) {
        drop(reported);
        spans::unknown_host(host);
    }
}

/// A host that no service covers.
struct Host(String);

impl Callee for Host {
    fn name(&self) -> &str {
        &self.0
    }

    fn template(&self, _: &Method, _: &Url) -> Option<String> {
        None
    }

    fn read_error(&self, _: &[u8]) -> ErrorParts {
        ErrorParts::default()
    }
}

fn refusal(request: &Request) -> Error {
    let (host, port) = (request.url().host_str(), request.url().port_or_known_default());
    let place = match (host, port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or("no host").to_owned(),
    };
    Error::new(Inner {
        callee: Arc::new(Host(place)),
        method: request.method().clone(),
        request: RequestHead::of(request, None),
        effect: Effect::of_method(request.method()),
        kind: ErrorKind::UnknownHost,
        stop: StopReason::Permanent,
        applied: Applied::No,
        key: None,
        attempts: Attempts::default(),
        details: ErrorDetails::default(),
        follow_up: FollowUp::of(Advice::Never),
    })
}
