//! Policies, headers and routes that are well formed but cannot work.

use super::{assert_errors, errors, toml};

#[test]
fn policies_that_cannot_work_are_refused() {
    assert_errors(&[
        (
            "retry_policy.max_attempts = 0",
            "retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        ),
        ("retry_policy.transient.cap = '100ms'", "retry_policy.transient.base: 500ms is above the cap 100ms"),
        (
            "retry_policy.throttled.base = '0s'",
            "retry_policy.throttled.base: is 0: repeats without a wait make an outage worse",
        ),
        ("retry_policy.deadline = '0s'", "retry_policy.deadline: is 0, which leaves no time for an attempt"),
        (
            "retry_policy = { deadline = '1s', transient.base = '2s' }",
            "retry_policy.transient.base: 2s is above the deadline 1s",
        ),
        (
            "retry_policy = { deadline = '1s', verify_timeout = '2s' }",
            "retry_policy.verify_timeout: 2s is above the deadline 1s",
        ),
        (
            "retry_policy.retry_after_jitter.share = 2",
            "retry_policy.retry_after_jitter.share: 2 is not a share from 0 to 1",
        ),
        (
            "retry_policy.retry_on = [200]",
            "retry_policy.retry_on: has 200, which is not an error: use statuses from 400",
        ),
        ("refuse_reused_keys = true", "refuse_reused_keys: does not apply: the service takes no keys"),
        ("retryable = ['3xx']", "retryable: has 300, which is not an error: use statuses from 400"),
        ("retry_budget = 4", "retry_budget: 4 is below the cheapest repeat (5): raise it, or use 0 for no repeats"),
        ("concurrency_limit = 0", "concurrency_limit: is 0: no attempt could ever be sent"),
    ]);
}

#[test]
fn headers_pointers_and_routes_are_checked() {
    assert_errors(&[
        (
            "retry_signal = { header = 'x', yes = 'no', no = 'no' }",
            "retry_signal: has the value \"no\" for both yes and no",
        ),
        ("retry_signal = 'a b'", "retry_signal: \"a b\" is not a header name"),
        (
            "error_format.code = ['code']",
            "error_format.code: \"code\" is not a JSON pointer: it must start with a slash",
        ),
        (
            "routes = [{ method = 'POST', path = 'a', effect = 'write' }]",
            "routes[0].path: \"a\" does not start with a slash",
        ),
        (
            "routes = [{ method = 'POST', path = '/s/:id', effect = 'write' }]",
            "routes[0].path: \":id\" would match only itself: write `{id}` for a parameter",
        ),
        (
            "routes = [{ method = 'PSOT', path = '/a', effect = 'write' }]",
            "routes[0].method: \"PSOT\" is not a known method: use one of GET, HEAD, POST, PUT, DELETE, CONNECT, \
             OPTIONS, TRACE, PATCH, QUERY",
        ),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'read', deduplicated_by = '/b' }]",
            "routes[0].deduplicated_by: does not apply to a route that only reads",
        ),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'read' }, { method = 'POST', path = '/a', effect = 'write' }]",
            "routes[1]: POST /a is given twice",
        ),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'read', retry_policy.max_attempts = 0 }]",
            "routes[0].retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        ),
    ]);
}

#[test]
fn limit_keys_and_groups_are_checked() {
    let route = |more: &str| format!("routes = [{{ method = 'POST', path = '/a/{{id}}', effect = 'write', {more} }}]");
    let (group, of_route) = (route("limit_group = ' '"), route("limit_key_from = [{ path_parameter = 'di' }]"));
    assert_errors(&[
        (
            "rate_limiting.scope_header = { header = 'a b', limit_key_values = ['a'] }",
            "rate_limiting.scope_header: \"a b\" is not a header name",
        ),
        (
            "rate_limiting.scope_header = { header = 'a', limit_key_values = [] }",
            "rate_limiting.scope_header.limit_key_values: is empty: no value would mean the limit of one limit key",
        ),
        (
            "rate_limiting.scope_header = { header = 'a', limit_key_values = ['user', ' '] }",
            "rate_limiting.scope_header.limit_key_values[1]: is empty",
        ),
        (
            "limit_key_from = [{ path_parameter = 'id' }]",
            "limit_key_from[0].path_parameter: \"id\" is a parameter of no route",
        ),
        (
            "limit_key_from = [{ header = 'a' }, { body_member = 'id' }]",
            "limit_key_from[1].body_member: \"id\" is not a JSON pointer: it must start with a slash",
        ),
        ("limit_key_from = [{ header = 'a b' }]", "limit_key_from[0].header: \"a b\" is not a header name"),
        (
            "limit_key_from = [{ header = 'a', body_member = '/b' }]",
            "limit_key_from[0]: expected one of `path_parameter`, `body_member` and `header`",
        ),
        ("limit_key_from = [{}]", "limit_key_from[0]: expected one of `path_parameter`, `body_member` and `header`"),
        (
            "limit_key_from = [{ path_paramter = 'id' }]",
            "limit_key_from[0].path_paramter: unknown field `path_paramter`; did you mean `path_parameter`?",
        ),
        (&group, "routes[0].limit_group: is empty"),
        (&of_route, "routes[0].limit_key_from[0].path_parameter: \"di\" is a parameter of no route"),
    ]);
}

#[test]
fn routes_are_counted_as_in_the_file() {
    for (route, expected) in [
        ("method = 'POST', path = '/new', effect = 'reed'", "[1].effect: unknown value; did you mean `read`?"),
        ("method = 'POST', path = '/new'", "[1]: missing field `effect`"),
        ("method = 'POST', path = 'new', effect = 'read'", "[1].path: \"new\" does not start with a slash"),
        ("method = 'POST', path = '/old', effect = 'read'", "[1]: POST /old is given twice"),
    ] {
        let text = format!(
            "[services.metronome]\nfrom = 'metronome'\nroutes = [{{ method = 'POST', path = '/old', effect = 'read' }}, {{ {route} }}]"
        );
        assert_eq!(errors(toml(&text).build()), [format!("services.metronome.routes{expected}")]);
    }
}
