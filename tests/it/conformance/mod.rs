//! The conformance cases: scripted conversations between one call and one service.
//!
//! Every case of `tests/conformance` (or of the folder that `CONFORMANCE_CASES` names) runs through the real middleware
//! over a scripted transport on a paused clock, once with a jitter sample of 0 and once with 1, where the waits must
//! equal their bounds exactly. Transport faults are real `reqwest::Error`s, provoked over loopback before the clock is
//! paused.

mod case;
mod compare;
mod run;

use case::{Case, load, load_shipped};

use crate::support::{
    faults,
    profile::{self, Origin, Profiles},
};

/// Runs one case with both jitter samples, with the description built from the profile and with the shipped one, and
/// returns the differences.
fn check(case: &Case, profiles: &Profiles) -> Vec<String> {
    let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut all = Vec::new();
    for (origin, jitter_sample) in
        [Origin::Profile, Origin::Shipped].into_iter().flat_map(|origin| [(origin, 0.0), (origin, 1.0)])
    {
        let faults = case.faults().map(|fault| real.block_on(faults::provoke(fault.parse().unwrap()))).collect();
        let paused = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let Some(service) = profile::service(origin, &case.profile, profiles, &case.config) else { continue };
        let path = keyed_path(origin, &case.profile).unwrap_or(&case.request.path);
        let found = paused.block_on(run::run(case, path, service, jitter_sample, faults));
        let differences = compare::differences(case, &found, jitter_sample).into_iter();
        all.extend(
            differences.map(|difference| format!("{} ({origin:?}, jitter {jitter_sample}): {difference}", case.id)),
        );
    }
    all
}

/// Where a shipped service that keys only some operations takes a key.
fn keyed_path(origin: Origin, profile: &str) -> Option<&'static str> {
    match (origin, profile) {
        (Origin::Shipped, "paypal") => Some("/v2/checkout/orders"),
        (Origin::Shipped, "checkout") => Some("/payments"),
        _ => None,
    }
}

#[test]
fn every_case_passes() {
    let (cases, profiles) = load();
    let check = |case: &Result<Case, String>| match case {
        Ok(case) if case.needs_http2_feature() && !cfg!(feature = "http2") => Vec::new(),
        Ok(case) => check(case, &profiles),
        Err(unreadable) => vec![unreadable.clone()],
    };
    let failures: Vec<String> = cases.iter().flat_map(check).collect();
    assert!(failures.is_empty(), "{} of {} cases\n{}", failures.len(), cases.len(), failures.join("\n"));
    println!("{} cases pass", cases.len());
}

/// Changes the expectation of a passing case and returns the reported differences.
fn report_for_wrong_expectation(id: &str, change: fn(&mut Case)) -> String {
    let (cases, profiles) = load_shipped();
    let mut case = cases.into_iter().flatten().find(|case| case.id == id).unwrap();
    assert_eq!(check(&case, &profiles), [] as [String; 0], "{id} passes unchanged");
    change(&mut case);
    check(&case, &profiles).join("\n")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A case, what is reported, and the change of its expectation that is reported.
type WrongExpectation = (&'static str, &'static str, fn(&mut Case));

const WRONG_OUTCOMES: &[WrongExpectation] = &[
    ("A19", "attempts: expected 2, found 3", |case| case.expect.attempts = 2),
    ("A19", "outcome: expected error, found ok", |case| case.expect.outcome = "error".into()),
    ("A06", "kind: expected client, found not_found", |case| case.expect.kind = some("client")),
    ("A06", "stop: expected attempts, found permanent", |case| case.expect.stop = some("attempts")),
    ("A06", "applied: expected unknown, found no", |case| case.expect.applied = some("unknown")),
    ("A19", "jitter 0): delay_ms: expected 1, found 0", |case| case.expect.delay_ms = Some([1, 1500])),
    ("A19", "jitter 1): delay_ms: expected 1501, found 1500", |case| case.expect.delay_ms = Some([0, 1501])),
    ("C17", "verify_calls: expected 2, found 1", |case| case.expect.verify_calls = Some(2)),
    ("A19", "script: expected step 2 unreached, found reached", |case| case.script[1].unreached = true),
    ("A19", "config: expected , found shoe_size", |case| {
        case.config.unknown.insert("shoe_size".into(), 1.into());
    }),
];

const WRONG_KEYS_AND_FIELDS: &[WrongExpectation] = &[
    ("A19", "key: expected rotated, found same", |case| case.expect.key = some("rotated")),
    ("A23", "key: expected same, found absent", |case| case.expect.key = some("same")),
    ("C37", "rotated_at_attempt: expected 3, found 2", |case| case.expect.rotated_at_attempt = Some(3)),
    ("A19", "rotated_at_attempt: expected 2, found never", |case| case.expect.rotated_at_attempt = Some(2)),
    ("C02", "wire_key: expected x, found 7c9e6679-7425-40de-944b-e07fc1f90ae7", |case| {
        case.expect.wire_key = some("x");
    }),
    ("F01", "typed.status: expected 403, found 404", |case| {
        case.expect.typed.insert("status".into(), 403.into());
    }),
    ("F01", "typed.shoe_size: expected 1, found no such field", |case| {
        case.expect.typed.insert("shoe_size".into(), 1.into());
    }),
];

#[test]
fn wrong_expectation_is_reported() {
    for (id, message, change) in WRONG_OUTCOMES.iter().chain(WRONG_KEYS_AND_FIELDS) {
        let found = report_for_wrong_expectation(id, *change);
        assert!(
            found.contains(&format!("{id} (Shipped, jitter")) && found.contains(message),
            "expected {message}, found:\n{found}"
        );
    }
}
