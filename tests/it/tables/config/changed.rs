//! What a file says beside a description or the defaults: what it changes, and what it leaves.

use reqwest_safe_retry::{Backoff, Effect, Idempotency, Jitter, KeyKind, RetryPolicy, Route, Service, services};

use super::{SECOND, behaviour, billing, toml};

fn one(text: &str) -> Service {
    toml(text).build().unwrap_or_else(|error| panic!("{error}\n{text}")).remove(0)
}

#[test]
fn every_shipped_description_can_be_changed_in_part() {
    for service in crate::tables::services::shipped() {
        let name = service.name();
        let base_url = if name == "idempotency_key_draft" { "base_url = 'https://api.example.com'\n" } else { "" };
        let with = |more: &str| toml(&format!("[services.{name}]\nfrom = '{name}'\n{base_url}{more}")).build().unwrap();
        let expect = |found: Vec<Service>, expected: Service| {
            assert_eq!(behaviour(&found), behaviour(&[expected]), "{name}");
        };
        let changed = || service.clone().into_builder();
        expect(with(""), service.clone());
        let policy = service.retry_policy().clone();
        let more = policy.clone().max_attempts(9);
        expect(with("retry_policy.max_attempts = 9"), changed().retry_policy(more).build().unwrap());
        let waits = policy.transient(Backoff::new(SECOND / 10, 8 * SECOND));
        expect(with("retry_policy.transient.base = '100ms'"), changed().retry_policy(waits).build().unwrap());
        expect(with("retry_costs.throttled = 6"), changed().retry_costs(14, 6).build().unwrap());
    }
}

#[test]
fn keys_of_a_description_are_changed_in_part() {
    let keys = |text: &str| one(text).idempotency().clone();
    let metronome = Service::metronome().idempotency().clone();
    let longer = keys("[services.metronome]\nfrom = 'metronome'\nidempotency.retention = '48h'");
    assert_eq!(longer, metronome.retention(48 * 3600 * SECOND));

    let none = keys("[services.orb]\nfrom = 'orb'\nidempotency.kind = 'unsupported'");
    assert_eq!(none, Idempotency::none());

    let moved = keys("[services.orb]\nfrom = 'orb'\nidempotency.body_member = '/key'");
    assert_eq!((moved.header, moved.body_member.as_deref()), (None, Some("/key")));
    assert!(moved.callers_keys_only);
    assert_eq!(moved.kind, services::orb().idempotency().kind);

    let moved = keys("[services.square]\nfrom = 'square'\nidempotency.header = 'x-key'");
    assert_eq!((moved.header.unwrap().as_str(), moved.body_member), ("x-key", None));
    assert!(!moved.callers_keys_only);

    let given = keys("[services.openai]\nfrom = 'openai'\nidempotency = { header = 'k', kind = 'replay_all' }");
    assert_eq!(given, Idempotency::header("k", KeyKind::ReplayAll));
}

#[test]
fn header_tables_are_replaced_whole() {
    let file = "[services.metronome]\nfrom = 'metronome'\nrate_limiting.scope_header.header = 'x-scope'";
    let scope = one(file).rate_limiting().scope_header.clone().unwrap();
    assert_eq!((scope.header.as_str(), scope.limit_key_values.len()), ("x-scope", 0));
}

#[test]
fn routes_are_added_to_those_of_the_description() {
    let metronome = Service::metronome();
    let route = |path: &str| {
        let route = format!("{{ method = 'POST', path = '{path}', effect = 'read' }}");
        one(&format!("[services.metronome]\nfrom = 'metronome'\nroutes = [{route}]"))
    };
    let added = route("/own");
    assert_eq!(added.routes().len(), metronome.routes().len() + 1);
    assert!(metronome.routes().iter().all(|route| added.routes().contains(route)));

    let is = |route: &&Route| route.method == http::Method::POST && route.path == "/v1/customers";
    assert_eq!(metronome.routes().iter().filter(is).count(), 1);
    let replaced = route("/v1/customers");
    let found: Vec<_> = replaced.routes().iter().filter(is).collect();
    assert_eq!(found, [&Route::new(http::Method::POST, "/v1/customers", Effect::Read)]);
    assert_eq!(replaced.routes().len(), metronome.routes().len());
}

#[test]
fn route_policy_is_completed_from_the_service() {
    let policy = |service: &str, route: &str| {
        let services = billing(&format!(
            "retry_policy = {{ {service} }}\nroutes = [{{ method = 'POST', path = '/a', effect = 'read', retry_policy = {{ {route} }} }}]"
        ));
        services.unwrap()[0].routes()[0].retry_policy.clone().unwrap()
    };
    let found = policy("transient = { base = '1s', cap = '3s' }", "transient.jitter = 'none'");
    assert_eq!(found, RetryPolicy::new().transient(Backoff::new(SECOND, 3 * SECOND).jitter(Jitter::None)));
    let found = policy("transient.cap = '3s'", "deadline = '100ms', transient.jitter = 'none'");
    let waits = Backoff::new(SECOND / 10, 3 * SECOND).jitter(Jitter::None);
    assert_eq!(found, RetryPolicy::new().deadline(SECOND / 10).transient(waits));
}

#[test]
fn defaults_fit_into_a_short_deadline() {
    let built = billing("retry_policy = { deadline = '100ms', transient.jitter = 'none', throttled.cap = '1s' }");
    let policy = built.unwrap()[0].retry_policy().resolve();
    assert_eq!(policy.transient, Backoff::new(SECOND / 10, 8 * SECOND).jitter(Jitter::None));
    assert_eq!(policy.throttled, Backoff::new(SECOND / 10, SECOND).jitter(Jitter::Equal));
    assert_eq!(policy.verify_timeout, SECOND / 10);
}
