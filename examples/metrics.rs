//! Serves the metrics of calls with every outcome to a Prometheus server:
//!
//! ```text
//! cargo run --example metrics
//! ```
//!
//! It prints its address. The service is scripted, and the calls are made again each second.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::{
    collections::VecDeque,
    error::Error,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Extensions, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Backoff, RetryPolicy, SafeRetry, Service, ServiceBuilder, Verdict, async_trait, services,
    telemetry::describe_metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const WRITE: &str = "https://api.metronome.com/v1/contracts/addManualBalanceLedgerEntry";
const MILLISECOND: Duration = Duration::from_millis(1);
/// Attempts of milliseconds, waits of up to a minute.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let metrics = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    describe_metrics();
    let services = Services::new()?;
    services.run().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/metrics", listener.local_addr()?);
    let mut again = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = again.tick() => services.run().await,
            // The server goes on if a client closes its connection early.
            accepted = listener.accept() => drop(serve(accepted?.0, &metrics).await),
        }
    }
}

/// Answers one request, whatever it asks for.
async fn serve(mut stream: TcpStream, metrics: &PrometheusHandle) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    let body = metrics.render();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\ncontent-length:";
    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    stream.shutdown().await
}

struct Services {
    /// A verifier of this service finds nothing.
    healthy: Service,
    /// A verifier of this one finds the write.
    verified: Service,
    stripe: Service,
    /// Has no tokens left soon.
    over_budget: Service,
    /// Is closed soon.
    down: Service,
}

impl Services {
    fn new() -> Result<Self, Box<dyn Error>> {
        let short = Backoff::new(MILLISECOND, 2 * MILLISECOND);
        let policy = RetryPolicy::new().transient(short.clone()).throttled(short).deadline(200 * MILLISECOND);
        let metronome = || Service::metronome().into_builder().retry_policy(policy.clone());
        let other = |name: &'static str| -> ServiceBuilder {
            Service::builder(name, format!("https://{name}.internal")).retry_policy(policy.clone())
        };
        Ok(Self {
            healthy: metronome().verifier_fn(|_| async { Verdict::NotApplied }).build()?,
            verified: metronome()
                .verifier_fn(|_| async { Verdict::Applied(Some(http::Response::new("").into())) })
                .build()?,
            stripe: services::stripe::v1(),
            over_budget: other("over-budget").retry_budget(20).build()?,
            down: other("down").build()?,
        })
    }

    async fn run(&self) {
        for (service, script) in [
            (&self.healthy, &[200][..]),
            (&self.healthy, &[503, 429, 200]),
            (&self.healthy, &[500, 500, 200]),
            (&self.healthy, &[404]),
            (&self.healthy, &[503, 503, 503]),
            (&self.verified, &[500, 500]),
        ] {
            let _ = client(service, script).post(WRITE).body("{}").send().await;
        }
        let replayed = client(&self.stripe, &[200]).post("https://api.stripe.com/v1/charges").send();
        let _ = replayed.await;
        let dropped = client(&self.healthy, &[]).post(WRITE).send();
        let _ = tokio::time::timeout(10 * MILLISECOND, dropped).await;
        let _ = client(&self.over_budget, &[503; 3]).get("https://over-budget.internal").send().await;
        let down = client(&self.down, &[503; 100]);
        for _ in 0..8 {
            let _ = down.get("https://down.internal").send().await;
        }
    }
}

/// In place of a service: answers with these statuses, and then no more.
struct Script(Mutex<VecDeque<u16>>);

fn client(service: &Service, script: &[u16]) -> ClientWithMiddleware {
    let script = Script(Mutex::new(script.iter().copied().collect()));
    ClientBuilder::new(reqwest::Client::new()).with(SafeRetry::new([service.clone()])).with(script).build()
}

#[async_trait]
impl Middleware for Script {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(status) = next.and_then(|status| StatusCode::from_u16(status).ok()) else {
            return std::future::pending().await;
        };
        // Long enough to be measured.
        tokio::time::sleep(MILLISECOND).await;
        let response = http::Response::builder().status(status).header("idempotent-replayed", "true");
        let response = response.url(request.url().clone()).body("");
        response.map(Response::from).map_err(reqwest_middleware::Error::middleware)
    }
}
