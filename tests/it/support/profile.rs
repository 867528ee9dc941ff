//! A service built from the conformance profiles by the public builder: by data alone.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use reqwest_safe_retry::{
    Backoff, ErrorFormat, HintHeader, Idempotency, Jitter, KeyFormat, KeyKind, Meaning, RateLimiting, RetryPolicy,
    Service, ServiceBuilder, StatusSet, Window,
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
    pub replay: Option<String>,
    pub retry_after_headers: Option<Vec<String>>,
    pub retryable: Option<String>,
    pub same_key_probes_after_500: Option<u32>,
}

/// The numbers that a case may change, by the names of `defaults`.
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
    /// What this program does not know, so that it is not passed over in silence.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// Which description of a service is put to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built from the profile by the public builder.
    Profile,
    /// The one that ships with the crate.
    Shipped,
}

/// The description that ships with the crate, by its profile's name.
fn shipped(name: &str) -> Option<ServiceBuilder> {
    let service = match name {
        "draft" => return Some(Service::idempotency_key_draft("draft").base_url("https://api.example.com")),
        "metronome" => Service::metronome(),
        "stripe_v1" => Service::stripe_v1(),
        "stripe_v2" => Service::stripe_v2(),
        "orb" => Service::orb(),
        "adyen" => Service::adyen(),
        "modern_treasury" => Service::modern_treasury(),
        "checkout" => Service::checkout_com(),
        "paypal" => Service::paypal(),
        "zuora" => Service::zuora(),
        "increase" => Service::increase(),
        "fireblocks" => Service::fireblocks(),
        "solid" => Service::solid(),
        "openai" => Service::openai(),
        _ => return None,
    };
    Some(service.into_builder())
}

/// The service of a case under its numbers; `None` where nothing of this name ships.
pub fn service(origin: Origin, name: &str, profiles: &Profiles, config: &Config) -> Option<Service> {
    let profile = profiles.profiles.get(name).unwrap_or_else(|| panic!("no profile {name}"));
    assert!(matches!(profile.same_key_probes_after_500, None | Some(1)), "{name}: this layer probes once");
    assert_eq!(profiles.defaults.clock.as_deref(), Some("2026-01-01T00:00:00Z"), "the date that `Pinned` starts at");
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
    // The cases state what a repeat after a 429 costs, which is nothing while a window is on.
    let service = builder.retry(policy(&profiles.defaults, config)).window(Window::Off).build();
    Some(service.unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn from_profile(name: &str, profile: &Profile, profiles: &Profiles) -> ServiceBuilder {
    // The profiles say nothing about routes, which some of Metronome's cases need.
    let builder = match name {
        "metronome" => Service::metronome().into_builder(),
        _ => Service::builder(name.to_owned()).base_url("https://api.example.com"),
    };
    let format = ErrorFormat::new()
        .message(["/message", "/Message", "/error/message", "/errorMessage", "/detail", "/title", "/error"])
        .code(["/code", "/error/code", "/errorCode"]);
    let mut builder = builder.idempotency(idempotency(profile)).error_format(format);
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
        "poisoned" => KeyKind::Poisoned,
        "resource" => KeyKind::ResourceKey,
        "none" => return Idempotency::none(),
        other => panic!("{other} is no kind"),
    };
    let header = profile.header.clone().expect("a header");
    let mut idempotency = Idempotency::header(header, kind)
        .keyed(profile.keyed.iter().map(|method| method.parse::<Method>().unwrap()))
        .max_length(profile.max_len.unwrap_or(255));
    if profile.fmt.as_deref() == Some("sf-string") {
        idempotency = idempotency.format(KeyFormat::StructuredString);
    }
    if let Some(ms) = profile.retention_ms {
        idempotency = idempotency.retention(Duration::from_millis(ms));
    }
    for (status, text, meaning) in &profile.conflicts {
        let meaning = match meaning.as_str() {
            "in_progress" => Meaning::InProgress,
            "mismatch" => Meaning::OtherParameters,
            "already_exists" => Meaning::AlreadyExists,
            "poisoned" => Meaning::Burnt,
            "rotate_now" => Meaning::RotateAtOnce,
            "conflict" => continue,
            other => panic!("{other} is no meaning"),
        };
        idempotency = match text {
            Some(text) => idempotency.conflict_saying(*status, text.clone(), meaning),
            None => idempotency.conflict(*status, meaning),
        };
    }
    if let Some(header) = &profile.transient {
        idempotency = idempotency.transient_signal(header.clone());
    }
    if let Some(header) = &profile.replay {
        idempotency = idempotency.replay_marker(header.clone());
    }
    idempotency
}

fn rate_limiting(profile: &Profile, config: &Config) -> RateLimiting {
    let mut limits = RateLimiting::new().scope_header("x-metronome-rate-limit-type");
    if let Some(headers) = config.retry_after_headers.as_ref().or(profile.retry_after_headers.as_ref()) {
        limits = limits.hints(headers.iter().map(|name| {
            if name.ends_with("-ms") { HintHeader::millis(name.clone()) } else { HintHeader::seconds(name.clone()) }
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
        .hint_cap(ms(|c| c.retry_after_cap_ms))
        .hint_jitter(config.ra_jitter_ratio.or(defaults.ra_jitter_ratio).expect("a ratio"), ms(|c| c.ra_jitter_cap_ms))
        .budget(count(|c| c.budget_capacity))
        .retry_costs(count(|c| c.cost_transient), count(|c| c.cost_throttle))
        .max_error_body(config.max_error_body.or(defaults.max_error_body).expect("a number"))
        .deadline(ms(|c| c.deadline_ms))
}
