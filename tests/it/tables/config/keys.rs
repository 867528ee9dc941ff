//! Rules for keys that are well formed but contradict themselves.

use reqwest_safe_retry::{Idempotency, KeyKind};

use super::{assert_errors, billing, errors};

const CONTRADICTING_KEYS: &[(&str, &str)] = &[
    ("idempotency.header = 'Idempotency-Key'", "idempotency: missing field `kind`"),
    (
        "idempotency.kind = 'replay_all'",
        "idempotency.header: is missing: name a header, a `query` parameter or a `body_member`",
    ),
    (
        "idempotency = { kind = 'unsupported', header = 'k' }",
        "idempotency.kind: is `unsupported`, but a place for keys is given: choose another kind",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', body_member = '/k' }",
        "idempotency.body_member: is given beside a header: keys have one place",
    ),
    (
        "idempotency = { kind = 'replay_all', query = 'k', body_member = '/k' }",
        "idempotency.body_member: is given beside a query parameter: keys have one place",
    ),
    (
        "idempotency = { kind = 'replay_all', query = 'k', header = 'k' }",
        "idempotency.query: is given beside a header: keys have one place",
    ),
    (
        "idempotency = { kind = 'unsupported', query = 'k' }",
        "idempotency.kind: is `unsupported`, but a place for keys is given: choose another kind",
    ),
    (
        "idempotency = { kind = 'replay_all', query = '' }",
        "idempotency.query: \"\" is not a parameter's name: use letters, digits and `-._~`",
    ),
    (
        "idempotency = { kind = 'replay_all', query = 'a&b' }",
        "idempotency.query: \"a&b\" is not a parameter's name: use letters, digits and `-._~`",
    ),
    (
        "idempotency = { kind = 'replay_all', query = 'k', format = 'structured_string' }",
        "idempotency.format: does not apply to a key in the query, which is sent as it is",
    ),
    (
        "idempotency = { kind = 'replay_all', body_member = '/a/k', callers_keys_only = false }",
        "idempotency.callers_keys_only: is false, but a key is written only into a member of the body itself",
    ),
    (
        "idempotency = { kind = 'replay_all', body_member = 'k' }",
        "idempotency.body_member: \"k\" is not a JSON pointer: it must start with a slash",
    ),
    ("idempotency = { kind = 'replay_all', header = 'a b' }", "idempotency.header: \"a b\" is not a header name"),
    (
        "idempotency = { kind = 'replay_all', header = 'Authorization' }",
        "idempotency.header: \"authorization\" cannot carry a key",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', methods = [] }",
        "idempotency.methods: is empty, and no route is `keyed`: for a service without keys use the kind `unsupported`",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', methods = [] }
         routes = [{ method = 'POST', path = '/a', effect = 'write', keyed = false }]",
        "idempotency.methods: is empty, and no route is `keyed`: for a service without keys use the kind `unsupported`",
    ),
    (
        "idempotency = { header = 'k', kind = 'replay_all', methods = ['post'] }",
        "idempotency.methods: \"post\" is not a known method: use one of GET, HEAD, POST, PUT, DELETE, CONNECT, \
         OPTIONS, TRACE, PATCH, QUERY",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', retention = '1m' }",
        "retry_policy.deadline: 120s is above the retention 60s of keys",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', max_length = 35 }",
        "idempotency.max_length: 35 is too short for a UUID (36): set `callers_keys_only`",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', replay_status = 409 }",
        "idempotency.replay_status: does not apply to the kind `replay_all`, which stores errors as well",
    ),
    (
        "idempotency = { kind = 'replay_success', header = 'k', replay_status = 500 }",
        "idempotency.replay_status: 500 cannot stand for a stored success: use a status of 400 to 499 that is not sent again",
    ),
    (
        "idempotency = { kind = 'replay_success', header = 'k', replay_status = 429 }",
        "idempotency.replay_status: 429 cannot stand for a stored success: use a status of 400 to 499 that is not sent again",
    ),
    (
        "idempotency = { kind = 'replay_success', header = 'k', replay_status = 409 }
         responses = [{ status = 409, text = 'x', meaning = 'in_progress' }]",
        "responses[0].status: 409 is the `replay_status`, which means a stored success",
    ),
    (
        "idempotency = { kind = 'signalled', header = 'k' }",
        "idempotency.transient_header: is missing: the kind `signalled` reads it after an error",
    ),
    (
        "idempotency = { kind = 'invalidated_by_error', header = 'k', probe = 'once' }",
        "idempotency.probe: does not apply to the kind `invalidated_by_error`, which stores no error",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', in_progress_needs_signal = true }",
        "idempotency.in_progress_needs_signal: does not apply to the kind `replay_all`, which has no signal",
    ),
];

#[test]
fn keys_that_contradict_themselves_are_refused() {
    assert_errors(CONTRADICTING_KEYS);
}

/// Contradictions of a route with the service's rules.
const CONTRADICTING_ROUTES: &[(&str, &str)] = &[
    ("keyed = true", "keyed: is true, but the service has no keys: give `idempotency`"),
    (
        "keyed = false, idempotency = { kind = 'replay_all', header = 'k' }",
        "keyed: is false, but `idempotency` is given",
    ),
    (
        "idempotency = { kind = 'replay_all' }",
        "idempotency.header: is missing: name a header, a `query` parameter or a `body_member`",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', retention = '1m' }",
        "idempotency.retention: 120s is above the retention 60s of keys",
    ),
    (
        "idempotency = { kind = 'replay_all', header = 'k', retention = '1h' }, retry_policy = { deadline = '2h' }",
        "retry_policy.deadline: 7200s is above the retention 3600s of keys",
    ),
    (
        "responses = [{ status = 200, meaning = 'in_progress' }]",
        "responses[0].status: 200 is not an error: use 400 to 599",
    ),
    (
        "idempotency = { body_member = '/k', kind = 'replay_all' }, responses = [{ status = 400, meaning = 'not_applied' }]",
        "responses[0].meaning: 400 cannot ask for a new key: a key in the body is never replaced",
    ),
];

#[test]
fn routes_that_contradict_the_keys_are_refused() {
    for (given, expected) in CONTRADICTING_ROUTES {
        let route = format!("routes = [{{ method = 'POST', path = '/a', effect = 'write', {given} }}]");
        let found = errors(billing(&route)).join("; ");
        assert!(found.contains(&format!("routes[0].{expected}")), "{given}: {found}");
    }
    let read = "idempotency = { kind = 'replay_all', header = 'k' }
                routes = [{ method = 'POST', path = '/a', effect = 'read', keyed = true }]";
    let found = errors(billing(read)).join("; ");
    assert!(found.contains("routes[0].keyed: does not apply to a route that only reads"), "{found}");
}

/// A route says only what differs.
#[test]
fn route_keys_complete_those_of_the_service() {
    let services = super::toml(
        "
        [services.billing]
        base_url = 'https://billing.internal'
        idempotency = { kind = 'replay_all', header = 'k', max_length = 64, probe = 'never', methods = [] }
        routes = [
            { method = 'POST', path = '/a', effect = 'write', idempotency = { max_length = 40 } },
            { method = 'POST', path = '/b', effect = 'write', idempotency = { body_member = '/id', kind = 'resource_key' } },
            { method = 'POST', path = '/c', effect = 'write', idempotency = {} },
        ]
        ",
    )
    .build()
    .unwrap();
    let [a, b, c] = services[0].routes() else { panic!("three routes") };
    let own = |route: &reqwest_safe_retry::Route| *route.idempotency.clone().unwrap();
    let service = services[0].idempotency();
    assert_eq!(own(a), service.clone().max_length(40));
    assert_eq!(own(c), *service);
    let body = Idempotency::body_member("/id", KeyKind::ResourceKey).routes_only().max_length(64);
    assert_eq!(own(b), body);
}

#[test]
fn response_rules_that_contradict_themselves_are_refused() {
    let rules = |kind: &str, rules: &str| {
        errors(billing(&format!("idempotency = {{ kind = '{kind}', header = 'k' }}\nresponses = [{rules}]")))
    };
    for (kind, given, expected) in [
        (
            "replay_success",
            "{ status = 409, meaning = 'key_invalidated' }",
            "[0].meaning: 409 cannot ask for a new key: a new key would double the write",
        ),
        (
            "replay_all",
            "{ status = 200, meaning = 'already_exists' }",
            "[0].status: 200 is not an error: use 400 to 599",
        ),
        (
            "replay_all",
            "{ status = 409, text = '', meaning = 'in_progress' }",
            "[0].text: is empty: leave it out to match every body",
        ),
        (
            "replay_all",
            "{ status = 409, meaning = 'in_progress' }, { status = 409, meaning = 'already_exists' }",
            "[1]: 409 has a rule with the same conditions already",
        ),
    ] {
        assert_eq!(rules(kind, given), [format!("services.billing.responses{expected}")], "{given}");
    }
}
