//! The services of a layer from a file: every error with its path, all formats alike, and back again.

mod changed;
mod contradictions;
mod equal;
mod generated;
mod hooks;
mod keys;
#[cfg(feature = "schema")]
mod schema;
mod secrets;
mod values;
mod whole;

use std::{fmt::Write as _, time::Duration};

use reqwest_safe_retry::{ConfigError, Service, ServicesConfig};

const EXAMPLE: &str = include_str!("../../../../examples/services.toml");
const SECOND: Duration = Duration::from_secs(1);

fn toml(text: &str) -> ServicesConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn errors(built: Result<Vec<Service>, ConfigError>) -> Vec<String> {
    built.err().map(|error| error.errors().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn billing(more: &str) -> Result<Vec<Service>, ConfigError> {
    toml(&format!("[services.billing]\nbase_url = 'https://billing.internal'\n{more}")).build()
}

/// Each of these lines alone gives this error in the service `billing`.
fn assert_errors(cases: &[(&str, &str)]) {
    for (given, expected) in cases {
        assert_eq!(errors(billing(given)), [format!("services.billing.{expected}")], "{given}");
    }
}

/// Everything that makes two services behave alike.
fn behaviour(services: &[Service]) -> Vec<String> {
    services
        .iter()
        .map(|service| {
            let mut text = format!("{} {} {:?}\n", service.name(), service.base_url(), service.concurrency_limit());
            writeln!(text, "{:?}\n{:?}", service.retry_policy(), service.idempotency()).unwrap();
            writeln!(text, "{:?}\n{:?}", service.error_format(), service.rate_limiting()).unwrap();
            writeln!(text, "{:?}\n{:?}", service.retry_signal(), service.routes()).unwrap();
            writeln!(text, "{:?} {:?}", service.retry_budget(), service.retry_costs()).unwrap();
            writeln!(text, "{:?}", service.limit_key_from()).unwrap();
            write!(text, "{:?}\n{:?}\n{:?}", service.error_statuses(), service.retryable(), service.sources()).unwrap();
            text
        })
        .collect()
}
