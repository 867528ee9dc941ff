//! The OpenTelemetry spans of calls that recover, rotate their key, or end in doubt:
//!
//! ```text
//! cargo run --example otel
//! ```
//!
//! The simulator injects the faults. The spans go to an in-memory exporter and are printed as a tree; an application uses
//! an exporter of its own.
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use metronome_simulator::{Fault, Metronome, Moment};
use opentelemetry::{SpanId, trace::TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Backoff, RetryPolicy, SafeRetry, Service, Verdict};
use reqwest_tracing::TracingMiddleware;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    // The attempts are spans at DEBUG.
    tracing_subscriber::registry()
        .with(EnvFilter::new("info,reqwest_safe_retry=debug"))
        .with(tracing_opentelemetry::layer().with_location(false).with_tracer(provider.tracer("example")))
        .init();

    let metronome = Metronome::start().await?;
    let gateway = || Some(Fault::gateway(504, Moment::After));
    let stored = || Some(Fault::stored_500(Moment::Before));
    for (title, script, verdict) in [
        ("A lost answer: the same key brings it back", vec![gateway()], Verdict::Unknown),
        ("A stored error: the verifier allows a new key", vec![stored()], Verdict::NotApplied),
        ("No answer at all: the call ends in doubt", vec![gateway(), gateway(), gateway()], Verdict::Unknown),
    ] {
        metronome.script(script);
        let client = client(&metronome, matches!(verdict, Verdict::NotApplied))?;
        let request = client.post(format!("{}/v1/customers", metronome.base_url())).bearer_auth(metronome.token());
        let answer = request.body(format!(r#"{{"name":"{title}"}}"#)).send().await;
        println!("{title}");
        match answer {
            Ok(response) => println!("  {}", response.status()),
            Err(error) => println!("  {error}"),
        }
        print_tree(&exporter.get_finished_spans()?, SpanId::INVALID, 1);
        exporter.reset();
    }
    Ok(provider.shutdown()?)
}

/// The layer, and below it the one that makes a client's span of each attempt.
fn client(metronome: &Metronome, was_not_applied: bool) -> Result<ClientWithMiddleware, Box<dyn Error>> {
    let short = Backoff::new(Duration::from_millis(20), Duration::from_millis(80));
    let service = Service::metronome().into_builder().base_url(metronome.base_url().to_owned());
    let service = service
        .retry_policy(RetryPolicy::new().transient(short))
        .verifier_fn(move |_| async move { if was_not_applied { Verdict::NotApplied } else { Verdict::Unknown } });
    let layer = SafeRetry::new([service.build()?]);
    Ok(ClientBuilder::new(reqwest::Client::new()).with(layer).with(TracingMiddleware::default()).build())
}

fn print_tree(spans: &[SpanData], parent: SpanId, depth: usize) {
    let mut children: Vec<_> = spans.iter().filter(|span| span.parent_span_id == parent).collect();
    children.sort_by_key(|span| span.start_time);
    for span in children {
        let took = span.end_time.duration_since(span.start_time).unwrap_or_default().as_millis();
        println!("{:indent$}{} {took}ms {}", "", span.name, attributes(span), indent = 2 * depth);
        for event in span.events.iter() {
            println!("{:indent$}* {}", "", event.name, indent = 2 * depth + 2);
        }
        print_tree(spans, span.span_context.span_id(), depth + 1);
    }
}

/// The layer's own attributes and the status.
fn attributes(span: &SpanData) -> String {
    let ours = |key: &str| key.starts_with("safe_retry.") || key == "http.response.status_code";
    let shown = span.attributes.iter().filter(|attribute| ours(attribute.key.as_str()));
    let shown = shown.map(|attribute| {
        let key = attribute.key.as_str();
        format!("{}={}", key.strip_prefix("safe_retry.").unwrap_or("status"), attribute.value)
    });
    shown.collect::<Vec<_>>().join(" ")
}
