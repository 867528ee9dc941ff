//! Values of the wrong type, unknown fields, and what no format may hold.

use reqwest_safe_retry::ServicesConfig;

use super::assert_errors;

const WRONG_VALUES: &[(&str, &str)] = &[
    ("concurrency_limit = 'wide'", "concurrency_limit: expected \"adaptive\", \"off\" or a whole number"),
    ("concurrency_limit = -1", "concurrency_limit: expected \"adaptive\", \"off\" or a whole number"),
    ("retry_budget = 1.5", "retry_budget: expected a whole number, found a decimal number"),
    ("retry_budget = 5_000_000_000", "retry_budget: out of range: expected a whole number from 0 to 4294967295"),
    ("retry_budget = -1", "retry_budget: out of range: expected a whole number from 0 to 4294967295"),
    ("retry_costs.transient = true", "retry_costs.transient: expected a whole number, found true or false"),
    ("retry_policy = 5", "retry_policy: expected a table, found a number"),
    ("retry_policy.max_attempts = 'five'", "retry_policy.max_attempts: expected a whole number, found text"),
    ("retry_policy.deadline = 30", "retry_policy.deadline: expected a duration such as \"500ms\", found a number"),
    ("retry_policy.deadline = '30'", "retry_policy.deadline: expected a duration such as \"500ms\""),
    ("retry_policy.deadline = '30 parsecs'", "retry_policy.deadline: expected a duration such as \"500ms\""),
    ("retry_policy.transient = '1s'", "retry_policy.transient: expected a table, found text"),
    (
        "retry_policy.transient.jitter = 'some'",
        "retry_policy.transient.jitter: unknown value; expected one of `full`, `equal`, `none`",
    ),
    (
        "retry_policy.retry_after_jitter.share = '10 %'",
        "retry_policy.retry_after_jitter.share: expected a number, found text",
    ),
    ("retry_policy.retry_on = 500", "retry_policy.retry_on: expected a list, found a number"),
    (
        "retry_policy.retry_on = [99]",
        "retry_policy.retry_on[0]: expected a status from 100 to 599, or a range such as \"5xx\" or \"500-599\"",
    ),
    (
        "retry_policy.retry_on = [429, '6xx']",
        "retry_policy.retry_on[1]: expected a status from 100 to 599, or a range such as \"5xx\" or \"500-599\"",
    ),
    (
        "retryable = ['599-500']",
        "retryable[0]: expected a status from 100 to 599, or a range such as \"5xx\" or \"500-599\"",
    ),
    (
        "retryable = [true]",
        "retryable[0]: expected a status from 100 to 599, or a range such as \"5xx\" or \"500-599\", found true or false",
    ),
    ("error_statuses = 'errors'", "error_statuses: unknown value; did you mean `error`?"),
    ("error_format.message = '/message'", "error_format.message: expected a list, found text"),
    ("error_format.message = [1]", "error_format.message[0]: expected text, found a number"),
];

#[test]
fn values_of_the_wrong_type_are_named() {
    assert_errors(WRONG_VALUES);
}

const WRONG_VALUES_IN_LISTS_AND_KEYS: &[(&str, &str)] = &[
    ("idempotency = 'replay_all'", "idempotency: expected a table, found text"),
    ("idempotency = { header = 7, kind = 'replay_all' }", "idempotency.header: expected text, found a number"),
    ("idempotency = { header = 'k', kind = 7 }", "idempotency.kind: expected text, found a number"),
    (
        "idempotency = { header = 'k', kind = 'replay' }",
        "idempotency.kind: unknown value; did you mean `replay_success` or `replay_all`?",
    ),
    (
        "idempotency = { header = 'k', kind = 'something' }",
        "idempotency.kind: unknown value; expected one of `replay_success`, `replay_all`, `signalled`, \
         `invalidated_by_error`, `resource_key`, `unsupported`",
    ),
    (
        "idempotency = { header = 'k', kind = 'replay_all', callers_keys_only = 'yes' }",
        "idempotency.callers_keys_only: expected true or false, found text",
    ),
    ("responses = [{ status = 409 }]", "responses[0]: missing field `meaning`"),
    (
        "responses = [{ status = 409, meaning = 'throtled' }]",
        "responses[0].meaning: unknown value; did you mean `throttled`?",
    ),
    (
        "idempotency = { header = 'k', kind = 'signalled', transient_header = { yes = 'y' } }",
        "idempotency.transient_header: missing field `header`",
    ),
    (
        "idempotency = { header = 'k', kind = 'signalled', transient_header = { header = 'x', presence = true, no = 'n' } }",
        "idempotency.transient_header: expected `presence`, or `yes` and `no`, not both",
    ),
    (
        "idempotency = { header = 'k', kind = 'signalled', transient_header = 1 }",
        "idempotency.transient_header: expected a header name or a table, found a number",
    ),
    (
        "rate_limiting.retry_after = ['retry-after', { header = 'x', unit = 'minutes' }]",
        "rate_limiting.retry_after[1].unit: unknown value; expected one of `seconds`, `milliseconds`, `epoch_seconds`, \
         `epoch_milliseconds`, `rfc3339`, `text`",
    ),
    (
        "rate_limiting.retry_after = [{ header = 'x', only_on = [429] }]",
        "rate_limiting.retry_after[0].only_on: unknown field `only_on`; did you mean `on`?",
    ),
    (
        "rate_limiting.retry_after = [{ header = 'x', member = '/x' }]",
        "rate_limiting.retry_after[0]: expected either `header` or `member`",
    ),
    (
        "rate_limiting.retry_after = [{ unit = 'seconds' }]",
        "rate_limiting.retry_after[0]: expected either `header` or `member`",
    ),
    ("rate_limiting.scope_header = 'x-scope'", "rate_limiting.scope_header: expected a table, found text"),
    ("rate_limiting.scope_header = {}", "rate_limiting.scope_header: missing field `header`"),
    ("routes = [{ method = 'POST', path = '/a' }]", "routes[0]: missing field `effect`"),
    ("routes = 'all'", "routes: expected a list, found text"),
    ("routes = ['/a']", "routes[0]: expected a table, found text"),
    (
        "routes = [{ method = 'POST', path = '/a', effect = 'reads' }]",
        "routes[0].effect: unknown value; did you mean `read`?",
    ),
    (
        "routes = [{ method = 'A B', path = '/a', effect = 'read' }]",
        "routes[0].method: expected a method such as \"POST\"",
    ),
    (
        "routes = [{ method = 'POST', path = '/a', effect = 'read', retry_policy.deadline = 1 }]",
        "routes[0].retry_policy.deadline: expected a duration such as \"500ms\", found a number",
    ),
    ("sources = [{ page = 'https://a' }]", "sources[0]: missing field `read`"),
];

#[test]
fn values_of_the_wrong_type_in_lists_and_keys_are_named() {
    assert_errors(WRONG_VALUES_IN_LISTS_AND_KEYS);
}

#[test]
fn unknown_field_suggests_the_nearest() {
    assert_errors(&[
        ("base_ulr = 1", "base_ulr: unknown field `base_ulr`; did you mean `base_url`?"),
        ("form = 'orb'", "form: unknown field `form`; did you mean `from`?"),
        ("retry_polcy.max_attempts = 1", "retry_polcy: unknown field `retry_polcy`; did you mean `retry_policy`?"),
        (
            "retry_policy.max_attemps = 5",
            "retry_policy.max_attemps: unknown field `max_attemps`; did you mean `max_attempts`?",
        ),
        (
            "retry_costs.monthly = 5",
            "retry_costs.monthly: unknown field `monthly`; expected one of `transient`, `throttled`",
        ),
        (
            "rate_limiting.scope_headers = 'x'",
            "rate_limiting.scope_headers: unknown field `scope_headers`; did you mean `scope_header`?",
        ),
        (
            "routes = [{ method = 'POST', path = '/a', efect = 'read' }]",
            "routes[0].efect: unknown field `efect`; did you mean `effect`?",
        ),
    ]);
}

#[test]
fn empty_values_and_repeated_fields_are_refused_while_reading() {
    let json = |text: &str| serde_json::from_str::<ServicesConfig>(text).unwrap_err().to_string();
    let error = json(r#"{"services": {"a": {"base_url": "https://a", "retry_budget": 1, "retry_budget": 2}}}"#);
    assert!(error.starts_with("`retry_budget` is given twice"), "{error}");
    let error = json(r#"{"services": {"a": {"base_url": "https://a"}, "a": {"base_url": "https://b"}}}"#);
    assert!(error.starts_with("`a` is given twice"), "{error}");
    let error = json(r#"{"services": {"a": {"retry_budget": null}}}"#);
    assert!(error.contains("expected a table, a list, text, a number, true or false"), "{error}");
    let yaml = |text: &str| serde_yaml_ng::from_str::<ServicesConfig>(text).unwrap_err().to_string();
    let error = yaml("services:\n  a:\n    retry_policy:\n");
    assert!(error.contains("services.a.retry_policy: ") && error.contains("line 3"), "{error}");
    assert!(yaml("services:\n  a: {base_url: 'https://a', from: orb, from: lago}\n").contains("`from` is given twice"));
    assert!(toml::from_str::<ServicesConfig>("[services.a]\nretry_policy.retry_after_jitter.share = nan").is_err());
}
