//! What a file says beside a description or the defaults: what it changes, and what it leaves.

use reqwest_safe_retry::{
    Backoff, Effect, Idempotency, Jitter, KeyFormat, KeyKind, Meaning, RetryPolicy, Route, Service, services,
};

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

    let moved = keys("[services.orb]\nfrom = 'orb'\nidempotency.query = 'requestid'");
    assert_eq!((moved.header, moved.query.as_deref()), (None, Some("requestid")));
    let moved = keys("[services.square]\nfrom = 'square'\nidempotency.query = 'requestid'");
    assert_eq!((moved.query.as_deref(), moved.body_member, moved.callers_keys_only), (Some("requestid"), None, false));
    let written = keys("[services.square]\nfrom = 'square'\nidempotency.callers_keys_only = false");
    assert_eq!(written, services::square().idempotency().clone().write_into_body());
    let marked = one("[services.increase]\nfrom = 'increase'\nidempotency.replay_status = 409");
    assert_eq!((marked.idempotency().replay_status, marked.responses().len()), (Some(409), 0));
    let moved = one("[services.solid]\nfrom = 'solid'\nidempotency.body_member = '/key'");
    assert_eq!(moved.responses().len(), 0, "a key in the body is never replaced");

    let draft = "[services.draft]\nfrom = 'idempotency_key_draft'\nbase_url = 'https://a'\nidempotency.query = 'k'";
    assert_eq!((keys(draft).query.as_deref(), keys(draft).format), (Some("k"), KeyFormat::Raw));

    let given = keys("[services.openai]\nfrom = 'openai'\nidempotency = { header = 'k', kind = 'replay_all' }");
    assert_eq!(given, Idempotency::header("k", KeyKind::ReplayAll));
}

#[test]
fn header_tables_are_replaced_whole() {
    let scope = "{ header = 'x-scope', limit_key_values = ['a', 'b'] }";
    let file = &format!("[services.metronome]\nfrom = 'metronome'\nrate_limiting.scope_header = {scope}");
    let scope = one(file).rate_limiting().scope_header.clone().unwrap();
    assert_eq!((scope.header.as_str(), scope.limit_key_values.len()), ("x-scope", 2));
    // The values of the description's header are not those of another one.
    let error = toml("[services.metronome]\nfrom = 'metronome'\nrate_limiting.scope_header.header = 'x-scope'").build();
    let expected = "services.metronome.rate_limiting.scope_header: missing field `limit_key_values`";
    assert_eq!(error.unwrap_err().to_string(), expected);
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
fn rule_with_other_capitals_replaces_that_of_the_description() {
    let changed = one(
        "[services.resend]\nfrom = 'resend'\nresponses = [{ status = 409, text = 'Invalid_Idempotent_Request', meaning = 'final' }]",
    );
    let rules: Vec<_> = changed.responses().iter().map(|rule| rule.meaning).collect();
    assert_eq!(rules, [Meaning::Final, Meaning::InProgress]);
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

/// The rules of PayPal's operations.
fn paypal_rules(more: &str) -> Vec<Idempotency> {
    let paypal = one(&format!("[services.paypal]\nfrom = 'paypal'\n{more}"));
    paypal.routes().iter().filter_map(|route| route.idempotency.as_deref().cloned()).collect()
}

#[test]
fn key_rules_of_the_service_change_those_of_its_routes() {
    use reqwest_safe_retry::ConcurrentRequests::Executed;
    let rules = paypal_rules("idempotency = { concurrent_requests = 'executed', callers_keys_only = true }");
    assert_eq!(rules.len(), 20);
    assert!(rules.iter().all(|keys| keys.concurrent_requests == Executed && keys.callers_keys_only));
    let lengths: Vec<_> = rules.iter().map(|keys| keys.max_length).collect();
    assert!(lengths.contains(&78) && lengths.contains(&108) && lengths.contains(&1000), "the rest stays: {lengths:?}");
    assert_eq!(paypal_rules("idempotency = { kind = 'unsupported' }"), []);

    // The same in code.
    let none = services::paypal().into_builder().idempotency(Idempotency::none()).build().unwrap();
    assert!(none.routes().iter().all(|route| route.idempotency.is_none()));
    let none = services::checkout_com().into_builder().idempotency(Idempotency::none()).build().unwrap();
    assert!(none.routes().iter().all(|route| route.keyed.is_none()));
}

#[test]
fn route_of_the_description_is_changed_in_part() {
    let orders = "method = 'POST', path = '/v2/checkout/orders', effect = 'write'";
    let route = |more: &str| {
        let paypal = one(&format!("[services.paypal]\nfrom = 'paypal'\nroutes = [{{ {orders}, {more} }}]"));
        assert_eq!(paypal.routes().len(), services::paypal().routes().len());
        paypal.routes().iter().find(|route| route.path == "/v2/checkout/orders").unwrap().clone()
    };
    let shipped = services::paypal().routes().iter().find(|route| route.path == "/v2/checkout/orders").unwrap().clone();
    let policy = route("retry_policy = { max_attempts = 5 }");
    assert_eq!(policy, shipped.clone().retry_policy(RetryPolicy::new().max_attempts(5)));
    let keys = shipped.idempotency.as_deref().unwrap().clone();
    assert_eq!(route("idempotency = { max_length = 40 }").idempotency.as_deref(), Some(&keys.max_length(40)));
    let unkeyed = route("keyed = false");
    assert_eq!((unkeyed.keyed, unkeyed.idempotency), (Some(false), None));

    // The same in code, where a route is replaced as a whole; two new ones for one operation are still a mistake.
    let new = || Route::new(http::Method::POST, "/v2/checkout/orders", Effect::Write).unkeyed();
    let changed = services::paypal().into_builder().routes([new()]).build().unwrap();
    assert_eq!(changed.routes().len(), services::paypal().routes().len());
    assert!(changed.routes().contains(&new()));
    let twice = Service::builder("a", "https://a.example").routes([new(), new()]).build().unwrap_err();
    assert!(twice.to_string().contains("is given twice"), "{twice}");
}

/// Rules of the file come first and replace what is about the same; the others of the description stay.
#[test]
fn rules_of_a_file_come_before_those_of_the_description() {
    let service = one("
        [services.a]
        from = 'stripe_v1'
        responses = [{ status = 429, meaning = 'final' }, { status = 409, meaning = 'already_exists' }]
    ");
    let rules: Vec<_> = service.responses().iter().map(|rule| (rule.status, rule.meaning)).collect();
    let expected = [(429, Meaning::Final), (409, Meaning::AlreadyExists), (400, Meaning::PayloadMismatch)];
    assert_eq!(rules, expected);
}

/// The file has no word about what the other kind lacks.
#[test]
fn another_kind_leaves_what_it_does_not_have() {
    for (from, kind) in [("adyen", "replay_success"), ("fireblocks", "resource_key"), ("solid", "replay_success")] {
        let service = one(&format!("[services.a]\nfrom = '{from}'\nidempotency.kind = '{kind}'"));
        assert_eq!(service.idempotency().kind.to_string(), kind);
        let more =
            format!("routes = [{{ method = 'POST', path = '/x', effect = 'write', idempotency.kind = '{kind}' }}]");
        one(&format!("[services.a]\nfrom = '{from}'\n{more}"));
    }
}
