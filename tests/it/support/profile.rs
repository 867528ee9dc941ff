//! Services of the conformance cases, built from their profiles with the public builder.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use reqwest_safe_retry::{
    Backoff, ConcurrencyLimit, ErrorFormat, Idempotency, Jitter, KeyFormat, KeyKind, Meaning, RateLimiting,
    ResponseRule, RetryAfterSource, RetryAfterUnit, RetryPolicy, Service, ServiceBuilder, StatusSet, services,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Profiles {
    pub defaults: Config,
    pub profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub kind: String,
    pub header: Option<String>,
    pub fmt: Option<String>,
    pub max_len: Option<usize>,
    pub retention_ms: Option<u64>,
    pub conflicts: Vec<(u16, Option<String>, String)>,
    pub keyed: Vec<String>,
    pub should_retry: Option<String>,
    pub transient: Option<String>,
    pub in_progress: Option<String>,
    pub replay: Option<String>,
    pub retry_after_headers: Option<Vec<String>>,
    pub retryable: Option<String>,
    pub same_key_probes_after_500: Option<u32>,
}

/// The settings that a case may override, named as in `defaults`.
#[derive(Clone, Default, Deserialize)]
pub struct Config {
    pub max_attempts: Option<u32>,
    pub transient_base_ms: Option<u64>,
    pub transient_cap_ms: Option<u64>,
    pub throttle_base_ms: Option<u64>,
    pub throttle_cap_ms: Option<u64>,
    pub retry_after_cap_ms: Option<u64>,
    pub ra_jitter_ratio: Option<f64>,
    pub ra_jitter_cap_ms: Option<u64>,
    pub budget_capacity: Option<u32>,
    pub cost_transient: Option<u32>,
    pub cost_throttle: Option<u32>,
    pub statuses: Option<Vec<u16>>,
    pub retry_after_headers: Option<Vec<String>>,
    pub use_ratelimit_header: Option<bool>,
    pub clock: Option<String>,
    pub max_error_body: Option<usize>,
    pub deadline_ms: Option<u64>,
    pub auto_key: Option<bool>,
    pub body_replayable: Option<bool>,
    pub cancel_at_ms: Option<u64>,
    pub verify: Option<String>,
    pub jitter: Option<String>,
    /// Unknown settings, so that they can be reported.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// The service description under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built from the profile by the public builder.
    Profile,
    /// Shipped with the crate.
    Shipped,
}

/// The shipped description for a profile's name.
fn shipped(name: &str) -> Option<ServiceBuilder> {
    let service = match name {
        "draft" => return Some(services::idempotency_key_draft("draft", "https://api.example.com")),
        "metronome" => Service::metronome(),
        "stripe_v1" => services::stripe::v1(),
        "stripe_v2" => services::stripe::v2(),
        "orb" => services::orb(),
        "adyen" => services::adyen(),
        "modern_treasury" => services::modern_treasury(),
        "checkout" => services::checkout_com(),
        "paypal" => services::paypal(),
        "zuora" => services::zuora(),
        "increase" => services::increase(),
        "fireblocks" => services::fireblocks(),
        "solid" => services::solid(),
        "openai" => services::openai(),
        _ => return None,
    };
    Some(service.into_builder())
}

/// The service of a case with its settings; `None` if the crate ships none of this name.
pub fn service(origin: Origin, name: &str, profiles: &Profiles, config: &Config) -> Option<Service> {
    let profile = profiles.profiles.get(name).unwrap_or_else(|| panic!("no profile {name}"));
    assert!(matches!(profile.same_key_probes_after_500, None | Some(1)), "{name}: this layer probes once");
    assert_eq!(
        profiles.defaults.clock.as_deref(),
        Some("2026-01-01T00:00:00Z"),
        "the date that `FixedClock` starts at"
    );
    let mut builder = match origin {
        Origin::Profile => from_profile(name, profile, profiles),
        Origin::Shipped => shipped(name)?,
    };
    if config.auto_key == Some(false) {
        builder = builder.map_idempotency(Idempotency::callers_keys_only);
    }
    if let Some(statuses) = &config.statuses {
        builder = builder.retryable(StatusSet::of(statuses));
    }
    if origin == Origin::Profile || config.retry_after_headers.is_some() || config.use_ratelimit_header.is_some() {
        builder = builder.rate_limiting(rate_limiting(profile, config));
    }
    // The cases state the cost of a retry after a 429, which is zero with a concurrency limit.
    let count = |pick: fn(&Config) -> Option<u32>| pick(config).or(pick(&profiles.defaults)).expect("a number");
    let service = builder
        .retry_policy(policy(&profiles.defaults, config))
        .retry_budget(count(|c| c.budget_capacity))
        .retry_costs(count(|c| c.cost_transient), count(|c| c.cost_throttle))
        .concurrency_limit(ConcurrencyLimit::Off)
        .build();
    Some(service.unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn from_profile(name: &str, profile: &Profile, profiles: &Profiles) -> ServiceBuilder {
    // The profiles have no routes, but some of Metronome's cases need them.
    let builder = match name {
        "metronome" => Service::metronome().into_builder(),
        _ => Service::builder(name.to_owned(), "https://api.example.com"),
    };
    let format = ErrorFormat::new()
        .message(["/message", "/Message", "/error/message", "/errorMessage", "/detail", "/title", "/error"])
        .code(["/code", "/error/code", "/errorCode"]);
    let rules = profile.conflicts.iter().filter_map(|(status, text, meaning)| {
        let rule = ResponseRule::new(*status, meaning_of(meaning)?);
        Some(match text {
            Some(text) => rule.text(text.clone()),
            None => rule,
        })
    });
    let mut builder = builder.idempotency(idempotency(profile)).responses(rules).error_format(format);
    if let Some(header) = &profile.should_retry {
        builder = builder.retry_signal(header.clone());
    }
    builder.retryable(match (&profile.retryable, &profiles.defaults.statuses) {
        (Some(_), _) => StatusSet::of(&[408, 425, 429]).with(500..=599).without(&[501, 505]),
        (None, Some(statuses)) => StatusSet::of(statuses),
        (None, None) => StatusSet::DEFAULT,
    })
}

fn idempotency(profile: &Profile) -> Idempotency {
    let kind = match profile.kind.as_str() {
        "replay_success" => KeyKind::ReplaySuccess,
        "replay_all" => KeyKind::ReplayAll,
        "signalled" => KeyKind::Signalled,
        "poisoned" => KeyKind::InvalidatedByError,
        "resource" => KeyKind::ResourceKey,
        "none" => return Idempotency::none(),
        other => panic!("unknown kind {other}"),
    };
    let header = profile.header.clone().expect("a header");
    let mut idempotency = Idempotency::header(header, kind)
        .methods(profile.keyed.iter().map(|method| method.parse::<Method>().unwrap()))
        .max_length(profile.max_len.unwrap_or(255));
    if profile.fmt.as_deref() == Some("sf-string") {
        idempotency = idempotency.format(KeyFormat::StructuredString);
    }
    if let Some(ms) = profile.retention_ms {
        idempotency = idempotency.retention(Duration::from_millis(ms));
    }
    if let Some(header) = &profile.transient {
        idempotency = idempotency.transient_header(header.clone());
        if profile.in_progress.as_deref() != Some("retry") {
            idempotency = idempotency.in_progress_needs_signal();
        }
    }
    if let Some(header) = &profile.replay {
        idempotency = idempotency.replay_header(header.clone());
    }
    idempotency
}

/// `None` for a conflict without a special meaning.
fn meaning_of(name: &str) -> Option<Meaning> {
    match name {
        "in_progress" => Some(Meaning::InProgress),
        "mismatch" => Some(Meaning::PayloadMismatch),
        "already_exists" => Some(Meaning::AlreadyExists),
        "poisoned" => Some(Meaning::KeyInvalidated),
        "rotate_now" => Some(Meaning::NotApplied),
        "conflict" => None,
        other => panic!("unknown meaning {other}"),
    }
}

fn rate_limiting(profile: &Profile, config: &Config) -> RateLimiting {
    let mut limits = RateLimiting::new().scope_header("x-metronome-rate-limit-type", ["customer"]);
    if let Some(headers) = config.retry_after_headers.as_ref().or(profile.retry_after_headers.as_ref()) {
        limits = limits.retry_after(headers.iter().map(|name| {
            let unit = if name.ends_with("-ms") { RetryAfterUnit::Milliseconds } else { RetryAfterUnit::Seconds };
            RetryAfterSource::header(name.clone()).unit(unit)
        }));
    }
    if config.use_ratelimit_header == Some(false) { limits.ignore_rate_limit_header() } else { limits }
}

fn policy(defaults: &Config, config: &Config) -> RetryPolicy {
    let ms =
        |pick: fn(&Config) -> Option<u64>| Duration::from_millis(pick(config).or(pick(defaults)).expect("a number"));
    let count = |pick: fn(&Config) -> Option<u32>| pick(config).or(pick(defaults)).expect("a number");
    let (full, equal) = match config.jitter.as_deref() {
        Some("none") => (Jitter::None, Jitter::None),
        _ => (Jitter::Full, Jitter::Equal),
    };
    RetryPolicy::new()
        .max_attempts(count(|c| c.max_attempts))
        .transient(Backoff::new(ms(|c| c.transient_base_ms), ms(|c| c.transient_cap_ms)).jitter(full))
        .throttled(Backoff::new(ms(|c| c.throttle_base_ms), ms(|c| c.throttle_cap_ms)).jitter(equal))
        .max_retry_after(ms(|c| c.retry_after_cap_ms))
        .retry_after_jitter(
            config.ra_jitter_ratio.or(defaults.ra_jitter_ratio).expect("a ratio"),
            ms(|c| c.ra_jitter_cap_ms),
        )
        .max_error_body(config.max_error_body.or(defaults.max_error_body).expect("a number"))
        .deadline(ms(|c| c.deadline_ms))
}
