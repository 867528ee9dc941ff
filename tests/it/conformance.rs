//! The conformance cases: scripted conversations between one call and one service.
//!
//! Every case of `tests/conformance` (or of the folder that `CONFORMANCE_CASES` names) runs through the real middleware
//! over a scripted transport on a paused clock, once with the jitter at 0 and once at 1, where the bounds of its waits
//! must be met exactly. Transport faults are real `reqwest::Error`s, made over loopback before the clock is paused.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use reqwest::Body;
use reqwest_safe_retry::{Attempts, Doubt, Error, IdempotencyKey, SafeRetry, Service, Verdict};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::{
    clock::Pinned,
    faults,
    profile::{self, Origin, Profiles},
    transport::{Reply, Transport},
};

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    profile: String,
    #[serde(rename = "source")]
    _source: String,
    request: CaseRequest,
    #[serde(default)]
    config: profile::Config,
    script: Vec<Step>,
    expect: Expect,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseRequest {
    method: String,
    #[serde(default = "default_path")]
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    body: Option<Value>,
}

fn default_path() -> String {
    "/v1/resource".into()
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    fault: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    unreached: bool,
    /// How a body that is too large for the file is made: `'['*100000`.
    #[serde(default)]
    generator: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    attempts: usize,
    outcome: String,
    kind: Option<String>,
    stop: Option<String>,
    applied: Option<String>,
    key: Option<String>,
    rotated_at_attempt: Option<usize>,
    delay_ms: Option<[u64; 2]>,
    verify_calls: Option<usize>,
    wire_key: Option<String>,
    #[serde(default)]
    typed: BTreeMap<String, Value>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What a run has shown, in the words of the cases.
#[derive(Debug)]
struct Found {
    attempts: usize,
    outcome: &'static str,
    kind: Option<String>,
    stop: Option<String>,
    applied: Option<String>,
    keys: Vec<Option<String>>,
    waited: Duration,
    verify_calls: usize,
    typed: BTreeMap<String, Value>,
    unread: usize,
}

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

type Cases = Vec<Result<Case, String>>;

/// The cases of the folder that `CONFORMANCE_CASES` names, or of this repository.
fn load() -> (Cases, Profiles) {
    load_from(std::env::var_os("CONFORMANCE_CASES").map_or_else(|| PathBuf::from(SHIPPED), PathBuf::from))
}

fn load_shipped() -> (Cases, Profiles) {
    load_from(PathBuf::from(SHIPPED))
}

/// Each case is read by itself: one that cannot be read fails alone.
fn load_from(folder: PathBuf) -> (Cases, Profiles) {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let cases: Vec<Value> = serde_json::from_str(&read("cases.json")).expect("cases.json");
    let cases = cases.into_iter().map(|case| {
        let id = case["id"].to_string();
        serde_json::from_value(case).map_err(|error| format!("{id}: {error}"))
    });
    let cases = cases.collect();
    let profiles = serde_json::from_str(&read("profiles.json")).expect("profiles.json");
    (cases, profiles)
}

/// `DidNotMatch` in the words of the cases: `did_not_match`.
fn snake(name: impl std::fmt::Debug) -> String {
    let mut snake = String::new();
    for char in format!("{name:?}").chars() {
        if char.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

fn body_text(step: &Step) -> String {
    if let Some(generator) = &step.generator {
        let (text, times) = generator.split_once('*').expect("a generator of the form 'x'*n");
        return text.trim_matches('\'').repeat(times.parse().expect("how often"));
    }
    match &step.body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    }
}

fn reply(step: &Step, faults: &mut Vec<reqwest::Error>) -> Reply {
    if step.fault.is_some() {
        return Reply::Failure(faults.remove(0).into());
    }
    let mut response = http::Response::builder().status(step.status.expect("a status or a fault"));
    for (name, values) in &step.headers {
        for value in values.values() {
            response = response.header(name, value);
        }
    }
    if step.body.is_object() && !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        response = response.header("content-type", "application/json");
    }
    Reply::Response(response.body(Body::from(body_text(step))).unwrap())
}

fn verifier(service: Service, answer: Option<&str>, calls: Arc<AtomicUsize>) -> Service {
    let Some(answer) = answer.map(str::to_owned) else { return service };
    service.verifier(move |_: &Doubt<'_>| {
        calls.fetch_add(1, Ordering::Relaxed);
        let verdict = match answer.as_str() {
            "applied" => Verdict::Applied(Some(http::Response::new("found").into())),
            "not_applied" => Verdict::NotApplied,
            "unknown" => Verdict::Unknown,
            other => panic!("{other} is no verdict"),
        };
        async move { verdict }
    })
}

async fn run(case: &Case, service: Service, chance: f64, mut faults: Vec<reqwest::Error>) -> Found {
    let verify_calls = Arc::new(AtomicUsize::new(0));
    let service = verifier(service, case.config.verify.as_deref(), verify_calls.clone());
    let header = service.idempotency().header_name().map(ToString::to_string);
    let url = format!("{}{}", service.base_url().trim_end_matches('/'), case.request.path);
    let transport = Transport::new(case.script.iter().map(|step| reply(step, &mut faults)));
    let client = transport.layered(SafeRetry::new([service]).clock(Pinned::at(chance)));

    let method: Method = case.request.method.parse().unwrap();
    let has_body = !matches!(method, Method::GET | Method::DELETE);
    let mut request = client.request(method, url);
    for (name, values) in &case.request.headers {
        for value in values.values() {
            request = request.header(name, value);
        }
    }
    if let Some(key) = &case.request.idempotency_key {
        request = request.with_extension(IdempotencyKey::new(key.as_str()));
    }
    if case.config.body_replayable == Some(false) {
        request = request.body(streamed("{}"));
    } else if let Some(body) = &case.request.body {
        request = request.json(body);
    } else if has_body {
        request = request.json(&Value::Object(Default::default()));
    }

    let started = Instant::now();
    let limit = case.config.cancel_at_ms.map_or(Duration::MAX, Duration::from_millis);
    let ended = tokio::time::timeout(limit, request.send()).await;
    let waited = started.elapsed();
    // What is cancelled must send nothing afterwards either.
    tokio::time::sleep(Duration::from_secs(300)).await;

    let mut found = Found {
        attempts: transport.sent().len(),
        outcome: "cancelled",
        kind: None,
        stop: None,
        applied: None,
        keys: header.map_or_else(Vec::new, |name| transport.header(&name)),
        waited,
        verify_calls: verify_calls.load(Ordering::Relaxed),
        typed: BTreeMap::new(),
        unread: transport.left(),
    };
    match ended {
        Err(_) => {}
        Ok(Ok(response)) => {
            let attempts = response.extensions().get::<Attempts>().expect("an account");
            assert_eq!(attempts.count(), found.attempts, "{}: the account", case.id);
            found.outcome = if attempts.is_reconciled() { "reconciled" } else { "ok" };
        }
        Ok(Err(error)) => {
            let error = Error::find(&error).expect("the layer's error");
            assert_eq!(error.attempts().count(), found.attempts, "{}: the account", case.id);
            found.outcome = "error";
            found.kind = Some(snake(error.kind()));
            found.stop = Some(snake(error.stop()));
            found.applied = Some(snake(error.applied()));
            found.typed = typed(error);
        }
    }
    found
}

/// The fields of the error by the names that the cases give them.
fn typed(error: &Error) -> BTreeMap<String, Value> {
    [
        ("status", error.status().map(|status| status.as_u16().into())),
        ("message", Some(error.message().into())),
        ("code", error.code().map(Into::into)),
        ("type", error.error_type().map(Into::into)),
        ("request_id", error.request_id().map(Into::into)),
        ("retry_after_ms", error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into())),
        ("rate_limit_scope", error.rate_limit_scope().map(Into::into)),
        ("truncated", Some(error.is_truncated().into())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.unwrap_or(Value::Null)))
    .collect()
}

/// A body that can be sent only once.
fn streamed(text: &'static str) -> Body {
    Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]))
}

/// The fields in which a run differs from what its case expects: field, expected, found.
fn differences(expect: &Expect, case: &Case, found: &Found, chance: f64) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |field: &str, expected: String, found: String| {
        if expected != found {
            differences.push(format!("{field}: expected {expected}, found {found}"));
        }
    };
    compare("config", String::new(), case.config.unknown.keys().cloned().collect::<Vec<_>>().join(", "));
    compare("attempts", expect.attempts.to_string(), found.attempts.to_string());
    compare("outcome", expect.outcome.clone(), found.outcome.into());
    for (field, expected, found) in [
        ("kind", &expect.kind, &found.kind),
        ("stop", &expect.stop, &found.stop),
        ("applied", &expect.applied, &found.applied),
    ] {
        if let Some(expected) = expected {
            compare(field, expected.clone(), found.clone().unwrap_or_else(|| "nothing".into()));
        }
    }
    if let Some(expected) = &expect.key {
        compare("key", expected.clone(), key_story(&found.keys, expected));
    }
    if let Some(expected) = expect.rotated_at_attempt {
        let found = found.keys.windows(2).position(|pair| pair[0] != pair[1]).map(|index| index + 2);
        compare("rotated_at_attempt", expected.to_string(), found.map_or_else(|| "never".into(), |at| at.to_string()));
    }
    if let Some(expected) = &expect.wire_key {
        for key in &found.keys {
            compare("wire_key", expected.clone(), key.clone().unwrap_or_default());
        }
    }
    if let Some(expected) = expect.verify_calls {
        compare("verify_calls", expected.to_string(), found.verify_calls.to_string());
    }
    if let (Some([least, most]), true) = (expect.delay_ms, found.outcome != "cancelled") {
        let bound = if chance > 0.5 || case.config.jitter.as_deref() == Some("none") { most } else { least };
        compare("delay_ms", bound.to_string(), found.waited.as_millis().to_string());
    }
    for (name, expected) in &expect.typed {
        let found = found.typed.get(name).map_or_else(|| "no such field".into(), ToString::to_string);
        compare(&format!("typed.{name}"), expected.to_string(), found);
    }
    let consumed = &case.script[..case.script.len() - found.unread];
    if let Some(index) = consumed.iter().position(|step| step.unreached) {
        compare("script", format!("step {} unreached", index + 1), "reached".into());
    }
    differences
}

/// What became of the key over the attempts, in the words of the cases. Where nothing was sent, every key is right.
fn key_story(keys: &[Option<String>], expected: &str) -> String {
    if keys.iter().all(Option::is_none) {
        return "absent".into();
    }
    if keys.iter().any(Option::is_none) {
        return format!("missing in some of {keys:?}");
    }
    let changes = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
    match changes {
        0 => "same".into(),
        1 => "rotated".into(),
        n => format!("rotated {n} times, expected {expected}"),
    }
}

/// Runs one case at both ends of the jitter, with the description that the profile makes and with the one that ships;
/// the answer names what differs.
fn check(case: &Case, profiles: &Profiles) -> Vec<String> {
    let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut all = Vec::new();
    for (origin, chance) in
        [Origin::Profile, Origin::Shipped].into_iter().flat_map(|origin| [(origin, 0.0), (origin, 1.0)])
    {
        let faults = case.script.iter().filter_map(|step| step.fault.as_deref());
        let faults: Vec<_> = faults.map(|fault| real.block_on(faults::provoke(fault.parse().unwrap()))).collect();
        let paused = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let Some(service) = profile::service(origin, &case.profile, profiles, &case.config) else { continue };
        let found = paused.block_on(run(case, service, chance, faults));
        let differences = differences(&case.expect, case, &found, chance).into_iter();
        all.extend(differences.map(|difference| format!("{} ({origin:?}, jitter {chance}): {difference}", case.id)));
    }
    all
}

/// Whether only the feature `http2` tells that the request was not processed.
fn needs_http2(case: &Case) -> bool {
    let mut faults = case.script.iter().filter_map(|step| step.fault.as_deref());
    faults.any(|fault| matches!(fault, "h2_refused_stream" | "h2_goaway_unprocessed"))
}

#[test]
fn every_case_holds() {
    let (cases, profiles) = load();
    let check = |case: &Result<Case, String>| match case {
        Ok(case) if needs_http2(case) && !cfg!(feature = "http2") => Vec::new(),
        Ok(case) => check(case, &profiles),
        Err(unreadable) => vec![unreadable.clone()],
    };
    let failures: Vec<String> = cases.iter().flat_map(check).collect();
    assert!(failures.is_empty(), "{} of {} cases\n{}", failures.len(), cases.len(), failures.join("\n"));
    println!("{} cases hold", cases.len());
}

/// A case that holds, and what is found where its expectation is wrong.
fn with_wrong_expectation(id: &str, spoil: impl FnOnce(&mut Case)) -> String {
    let (cases, profiles) = load_shipped();
    let mut case = cases.into_iter().flatten().find(|case| case.id == id).unwrap();
    assert_eq!(check(&case, &profiles), [] as [String; 0], "{id} holds as it stands");
    spoil(&mut case);
    check(&case, &profiles).join("\n")
}

#[test]
fn a_wrong_expectation_in_any_field_fails_with_case_field_expected_and_found() {
    let some = |text: &str| Some(text.to_owned());
    for (id, message, spoil) in [
        (
            "A19",
            "attempts: expected 2, found 3",
            Box::new(|case: &mut Case| case.expect.attempts = 2) as Box<dyn FnOnce(&mut Case)>,
        ),
        ("A19", "outcome: expected error, found ok", Box::new(|case| case.expect.outcome = "error".into())),
        ("A06", "kind: expected client, found not_found", Box::new(move |case| case.expect.kind = some("client"))),
        ("A06", "stop: expected attempts, found permanent", Box::new(move |case| case.expect.stop = some("attempts"))),
        ("A06", "applied: expected unknown, found no", Box::new(move |case| case.expect.applied = some("unknown"))),
        ("A19", "key: expected rotated, found same", Box::new(move |case| case.expect.key = some("rotated"))),
        ("A23", "key: expected same, found absent", Box::new(move |case| case.expect.key = some("same"))),
        ("C37", "rotated_at_attempt: expected 3, found 2", Box::new(|case| case.expect.rotated_at_attempt = Some(3))),
        (
            "A19",
            "rotated_at_attempt: expected 2, found never",
            Box::new(|case| case.expect.rotated_at_attempt = Some(2)),
        ),
        (
            "C02",
            "wire_key: expected x, found 7c9e6679-7425-40de-944b-e07fc1f90ae7",
            Box::new(move |case| case.expect.wire_key = some("x")),
        ),
        ("A19", "jitter 0): delay_ms: expected 1, found 0", Box::new(|case| case.expect.delay_ms = Some([1, 1500]))),
        (
            "A19",
            "jitter 1): delay_ms: expected 1501, found 1500",
            Box::new(|case| case.expect.delay_ms = Some([0, 1501])),
        ),
        ("C17", "verify_calls: expected 2, found 1", Box::new(|case| case.expect.verify_calls = Some(2))),
        (
            "F01",
            "typed.status: expected 403, found 404",
            Box::new(|case| _ = case.expect.typed.insert("status".into(), 403.into())),
        ),
        (
            "F01",
            "typed.shoe_size: expected 1, found no such field",
            Box::new(|case| _ = case.expect.typed.insert("shoe_size".into(), 1.into())),
        ),
        ("A19", "script: expected step 2 unreached, found reached", Box::new(|case| case.script[1].unreached = true)),
        (
            "A19",
            "config: expected , found shoe_size",
            Box::new(|case| _ = case.config.unknown.insert("shoe_size".into(), 1.into())),
        ),
    ] {
        let found = with_wrong_expectation(id, spoil);
        assert!(
            found.contains(&format!("{id} (Shipped, jitter")) && found.contains(message),
            "expected {message}, found:\n{found}"
        );
    }
}
