//! What the benchmarks share: the chains of middleware that are compared, and the calls that go through them.
#![allow(dead_code)] // Each uses a part of it.

use std::{env, fs, path::Path, process::Command, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, header::CONTENT_TYPE};
use reqwest::{Client, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next, Result};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use reqwest_safe_retry::{Backoff, Clock, RetryPolicy, SafeRetry, Service};
use reqwest_tracing::TracingMiddleware;

/// An enum whose values have names in tables and arguments.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub(crate) fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

#[allow(unused_imports)] // As above.
pub(crate) use named;

named! {
    /// What stands between the client and what answers.
    Chain { Floor = "floor", Empty = "empty", Retry = "reqwest-retry", Tracing = "reqwest-tracing", SafeRetry = "safe-retry" }
}

named! {
    /// GET, or POST with 200 bytes of JSON and, where the layer knows the service, a fresh key.
    Verb { Get = "GET", Post = "POST" }
}

/// A middleware that does nothing, as it is usually written.
struct Empty;

#[async_trait]
impl Middleware for Empty {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        next.run(request, extensions).await
    }
}

/// Waits at their lower bound.
#[derive(Debug)]
struct NoJitter;

impl Clock for NoJitter {
    fn jitter(&self) -> f64 {
        0.0
    }
}

/// A client with this chain, made as the documentation of each says.
pub(crate) fn layered(chain: Chain, services: Vec<Service>, waits: Waits) -> ClientBuilder {
    let client = || ClientBuilder::new(Client::new());
    match chain {
        Chain::Floor => client(),
        Chain::Empty => client().with(Empty),
        Chain::Retry => {
            let policy = ExponentialBackoff::builder()
                .retry_bounds(waits.each, waits.each)
                .jitter(reqwest_retry::Jitter::None)
                .build_with_max_retries(waits.retries);
            client().with(RetryTransientMiddleware::new_with_policy(policy))
        }
        Chain::Tracing => client().with(TracingMiddleware::default()),
        Chain::SafeRetry => {
            let layer = SafeRetry::new(services).clock(NoJitter);
            layer.client_builder(Client::builder()).expect("a client")
        }
    }
}

/// The instructions of this program under callgrind, with `--under-valgrind` before these arguments; `None` where valgrind
/// is not installed.
pub(crate) fn callgrind(options: &[&str], arguments: &[&str]) -> Option<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(env::current_exe().ok()?)
        .arg("--under-valgrind")
        .args(arguments)
        .output()
        .ok()
        .filter(|run| run.status.success())?;
    let text = String::from_utf8(run.stderr).ok()?;
    text.lines().find_map(|line| line.split_once("Collected :"))?.1.trim().parse().ok()
}

/// The features of the library that is measured.
pub(crate) fn features() -> &'static [&'static str] {
    if cfg!(feature = "metrics") { &["default", "metrics"] } else { &["default"] }
}

/// A file of this name in the workspace's `target`.
pub(crate) fn write_to_target(name: &str, json: &serde_json::Value) -> std::io::Result<()> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    fs::create_dir_all(&target)?;
    fs::write(target.join(name), serde_json::to_string_pretty(json)? + "\n")
}

/// How often a failed attempt is repeated, and after what wait.
#[derive(Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) retries: u32,
    pub(crate) each: Duration,
}

impl Waits {
    /// The same as a policy of the layer.
    pub(crate) fn policy(self) -> RetryPolicy {
        let each = self.each.max(Duration::from_millis(1));
        let wait = Backoff::new(each, each);
        RetryPolicy::new().max_attempts(self.retries + 1).transient(wait.clone()).throttled(wait)
    }
}

/// A request of a kind, over and over.
pub(crate) struct Template {
    method: Method,
    url: Url,
    body: Option<Bytes>,
}

impl Template {
    /// To Metronome at this base URL.
    pub(crate) fn of(verb: Verb, base_url: &str) -> Arc<Self> {
        let of_customer = "/v1/customers/d7abd0cd-4ae9-4db7-8676-e986a4ebd8dc/invoices?limit=50";
        let (method, path, body) = match verb {
            Verb::Get => (Method::GET, of_customer, None),
            Verb::Post => (Method::POST, "/v1/contracts/create", Some(contract())),
        };
        Arc::new(Self { method, url: format!("{base_url}{path}").parse().expect("a URL"), body })
    }

    pub(crate) fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        if let Some(body) = &self.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // As `json` makes it.
            *request.body_mut() = Some(body.to_vec().into());
        }
        request
    }
}

/// 200 bytes.
fn contract() -> Bytes {
    let customer = r#"{"customer_id":"d7abd0cd-4ae9-4db7-8676-e986a4ebd8dc","rate_card_alias":"standard","name":""#;
    let rest = r#"","starting_at":"2026-01-01T00:00:00.000Z"}"#;
    let name = "n".repeat(200 - customer.len() - rest.len());
    format!("{customer}{name}{rest}").into()
}
