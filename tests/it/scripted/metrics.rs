//! Metrics, as a Prometheus server reads them.

use std::{collections::BTreeSet, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{ConcurrencyLimit, Service, Verdict, services, telemetry::describe_metrics};

use super::{LEDGER, LIST};
use crate::support::transport::{Reply, Transport, reply, status};

const DOCUMENTED: &str = include_str!("../../../src/telemetry/mod.rs");
const SAMPLES: &str = include_str!("metrics.prom");
const ALERTS: &str = include_str!("../../../dashboards/alerts.yml");
const OPERATIONS: &str = include_str!("../../../docs/guide/operations.md");
const DASHBOARD: &str = include_str!("../../../dashboards/reqwest-safe-retry.json");

fn recorder() -> PrometheusRecorder {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(seconds, &[1.0, 10.0]).unwrap().build_recorder()
}

/// Name and kind of each metric in the documented table.
fn table() -> BTreeSet<(&'static str, &'static str)> {
    let rows = DOCUMENTED.lines().filter_map(|line| line.strip_prefix("//! | `safe_retry_"));
    let parts = rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        (name, rest.split(" | ").next().unwrap())
    });
    parts.collect()
}

/// The samples, sorted, without the buckets.
fn samples(recorder: &PrometheusRecorder) -> String {
    let text = recorder.handle().render();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("_bucket{"));
    let mut samples: Vec<_> = lines.map(|line| line.to_owned() + "\n").collect();
    samples.sort();
    samples.concat()
}

/// A call for each outcome: recovered, rotated, in doubt, failed, dropped and replayed.
async fn run() {
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let service = service.into_builder().concurrency_limit(ConcurrencyLimit::Fixed(32)).build().unwrap();
    let client = |script: Vec<Reply>| -> ClientWithMiddleware { Transport::new(script).client(service.clone()) };
    let slow_down = reply(429, &[("retry-after", "3")], "");
    client(vec![status(503), slow_down, status(200)]).post(LIST).send().await.unwrap();
    client([500, 500, 200].map(status).into()).post(LEDGER).send().await.unwrap();
    let _ = client([503, 503, 503].map(status).into()).post(LEDGER).send().await;
    let _ = client(vec![status(404)]).post(LIST).send().await;
    let dropped = client(vec![Reply::never()]).post(LEDGER).send();
    assert!(tokio::time::timeout(Duration::from_secs(1), dropped).await.is_err());
    let replayed = reply(200, &[("idempotent-replayed", "true")], "");
    let stripe = Transport::new([replayed]).client(services::stripe::v1());
    stripe.post("https://api.stripe.com/v1/charges").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn scripted_run_matches_the_samples() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    run().await;
    let samples = samples(&recorder);
    assert_eq!(samples, SAMPLES, "{samples}");
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_documented() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    run().await;
    let text = recorder.handle().render();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE safe_retry_")?.split_once(' '));
    assert_eq!(kinds.clone().collect::<BTreeSet<_>>(), table());
    for (name, _) in kinds {
        assert!(text.contains(&format!("# HELP safe_retry_{name} ")), "{name} is not described");
    }
}

#[test]
fn dashboard_reads_every_metric() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let queries = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: String = queries.map(|target| target["expr"].as_str().unwrap().to_owned() + "\n").collect();
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let words = queries.split(|char| !is_part(char)).filter_map(|word| word.strip_prefix("safe_retry_"));
    let read: BTreeSet<_> = words.map(|word| word.strip_suffix("_bucket").unwrap_or(word)).collect();
    assert_eq!(read, table().into_iter().map(|(name, _)| name).collect());
}

#[test]
fn alerts_read_known_metrics_and_link_to_what_to_do() {
    let alerts: serde_json::Value = serde_yaml_ng::from_str(ALERTS).unwrap();
    let headings = OPERATIONS.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 3);
    for rule in rules {
        let (expression, page) = (rule["expr"].as_str().unwrap(), rule["annotations"]["runbook_url"].as_str().unwrap());
        let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let read: BTreeSet<_> = words.filter_map(|word| word.strip_prefix("safe_retry_")).collect();
        assert!(read.len() == 1 && read.iter().all(|name| table().iter().any(|(known, _)| known == name)), "{read:?}");
        let (page, anchor) = page.split_once('#').unwrap();
        assert!(page.ends_with("/reqwest_safe_retry/guide/operations/") && anchors.contains(anchor), "{anchor}");
    }
}

/// One gauge for all of its hosts would show another host's number each time.
#[tokio::test(start_paused = true)]
async fn service_of_several_hosts_has_no_gauges() {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::any_host("any").build().unwrap();
    let client = Transport::new([503, 200].map(status)).client(service);
    client.get("https://elsewhere.example").send().await.unwrap();
    let samples = samples(&recorder);
    assert!(samples.contains("safe_retry_calls_total{service=\"any\""), "{samples}");
    assert!(!samples.contains("safe_retry_budget_tokens") && !samples.contains("safe_retry_concurrency_limit"));
}
