//! Files made up of arbitrary values.

use proptest::prelude::*;
use reqwest_safe_retry::ServicesConfig;

use super::{errors, toml};

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(|word| format!("'{word}'"))
}

fn duration() -> impl Strategy<Value = String> {
    (0..u64::from(u32::MAX), prop::sample::select(&["ns", "us", "ms", "s", "m", "h", "days", "weeks"][..]))
        .prop_map(|(number, unit)| format!("'{number}{unit}'"))
}

fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 0..3).prop_map(|items| format!("[{}]", items.join(", ")))
}

fn statuses() -> impl Strategy<Value = String> {
    let range = (100..600_u16, 100..600_u16).prop_map(|(a, b)| format!("'{}-{}'", a.min(b), a.max(b)));
    list(prop_oneof![(100..600_u16).prop_map(|status| status.to_string()), range, word(&["4xx", "5xx"])])
}

fn text() -> impl Strategy<Value = String> {
    "[a-z /{}*-]{0,12}".prop_map(|text| format!("'{text}'"))
}

fn base_url() -> impl Strategy<Value = String> {
    r"'https://(\*\.)?[a-c](\.com)?(/[a-c])?'"
}

fn number() -> impl Strategy<Value = String> {
    any::<u32>().prop_map(|number| number.to_string())
}

fn boolean() -> impl Strategy<Value = String> {
    any::<bool>().prop_map(|value| value.to_string())
}

fn boolean_header() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        table(vec![("header", text().boxed()), ("yes", text().boxed()), ("no", text().boxed())], 1),
        table(vec![("header", text().boxed()), ("presence", boolean().boxed())], 2),
    ]
}

/// A table with the first `needed` fields and any of the others.
fn table(fields: Vec<(&'static str, BoxedStrategy<String>)>, needed: usize) -> BoxedStrategy<String> {
    let fields: Vec<_> = fields
        .into_iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let given = if index < needed { Just(true).boxed() } else { any::<bool>().boxed() };
            (given, value).prop_map(move |(given, value)| given.then(|| format!("{name} = {value}")))
        })
        .collect();
    fields.prop_map(|fields| format!("{{ {} }}", fields.into_iter().flatten().collect::<Vec<_>>().join(", "))).boxed()
}

fn retry_policy() -> BoxedStrategy<String> {
    let waits = || {
        let jitter = word(&["full", "equal", "none"]);
        table(vec![("base", duration().boxed()), ("cap", duration().boxed()), ("jitter", jitter.boxed())], 0)
    };
    // Few digits, which every format reads as they were written.
    let share = (0..=1000_u32).prop_map(|share| format!("{:?}", f64::from(share) / 1000.0));
    table(
        vec![
            ("max_attempts", number().boxed()),
            ("transient", waits()),
            ("throttled", waits()),
            ("max_retry_after", duration().boxed()),
            ("retry_after_jitter", table(vec![("share", share.boxed()), ("cap", duration().boxed())], 0)),
            ("deadline", duration().boxed()),
            ("retry_on", statuses().boxed()),
            ("verify_timeout", duration().boxed()),
            ("max_error_body", number().boxed()),
            ("error_body_timeout", duration().boxed()),
            ("buffer_bodies", number().boxed()),
            ("buffer_responses", number().boxed()),
        ],
        0,
    )
}

const KINDS: &[&str] =
    &["replay_success", "replay_all", "signalled", "invalidated_by_error", "resource_key", "unsupported"];

const MEANINGS: &[&str] = &[
    "in_progress",
    "payload_mismatch",
    "already_exists",
    "key_invalidated",
    "not_applied",
    "throttled",
    "unavailable",
    "final",
];

fn responses() -> BoxedStrategy<String> {
    let status = (100..600_u16).prop_map(|status| status.to_string());
    let rule = vec![
        ("status", status.boxed()),
        ("meaning", word(MEANINGS).boxed()),
        ("text", text().boxed()),
        ("at", text().boxed()),
        ("header", text().boxed()),
        ("header_value", text().boxed()),
    ];
    list(table(rule, 2)).boxed()
}

fn idempotency() -> BoxedStrategy<String> {
    let status = || (100..600_u16).prop_map(|status| status.to_string()).boxed();
    table(
        vec![
            ("kind", word(KINDS).boxed()),
            ("header", text().boxed()),
            ("query", text().boxed()),
            ("body_member", text().boxed()),
            ("methods", list(word(&["POST", "PUT", "PURGE"])).boxed()),
            ("format", word(&["raw", "structured_string"]).boxed()),
            ("characters", word(&["visible_ascii", "uuid"]).boxed()),
            ("max_length", number().boxed()),
            ("retention", duration().boxed()),
            ("longest_execution", duration().boxed()),
            ("concurrent_requests", word(&["refused", "assumed", "executed"]).boxed()),
            ("callers_keys_only", boolean().boxed()),
            ("probe", word(&["once", "never"]).boxed()),
            ("transient_header", boolean_header().boxed()),
            ("in_progress_needs_signal", boolean().boxed()),
            ("in_progress_for", duration().boxed()),
            ("replay_header", boolean_header().boxed()),
            ("replay_status", status()),
        ],
        1,
    )
}

fn rate_limiting() -> BoxedStrategy<String> {
    let unit = || word(&["seconds", "milliseconds", "epoch_seconds", "epoch_milliseconds", "rfc3339", "text"]).boxed();
    let wait = prop_oneof![
        text(),
        table(vec![("header", text().boxed()), ("unit", unit()), ("where_zero", text().boxed())], 1),
        table(vec![("member", text().boxed()), ("unit", unit())], 1)
    ];
    let scope = table(vec![("header", text().boxed()), ("limit_key_values", list(text()).boxed())], 2);
    table(
        vec![
            ("retry_after", list(wait).boxed()),
            ("ignore_rate_limit_header", boolean().boxed()),
            ("scope_header", scope),
            ("limiter_follows_execution", boolean().boxed()),
        ],
        0,
    )
}

fn limit_keys() -> BoxedStrategy<String> {
    let one = ["path_parameter", "body_member", "header"].map(|place| table(vec![(place, text().boxed())], 1));
    let [path, body, header] = one;
    list(prop_oneof![path, body, header]).boxed()
}

fn service() -> BoxedStrategy<String> {
    let route = vec![
        ("method", word(&["POST", "PATCH"]).boxed()),
        ("path", text().boxed()),
        ("effect", word(&["read", "idempotent", "deduplicated", "write"]).boxed()),
        ("deduplicated_by", text().boxed()),
        ("keyed", boolean().boxed()),
        ("idempotency", idempotency()),
        ("responses", responses()),
        ("retry_policy", retry_policy()),
        ("limit_key_from", limit_keys()),
        ("limit_group", text().boxed()),
    ];
    let places = ["message", "code", "error_type", "request_id_headers", "request_id"];
    table(
        vec![
            ("from", word(&["metronome", "stripe_v1", "openai", "lago", "idempotency_key_draft"]).boxed()),
            ("base_url", prop_oneof![text(), base_url(), list(base_url()), Just("'*'".to_owned())].boxed()),
            ("concurrency_limit", prop_oneof![number(), word(&["adaptive", "off"])].boxed()),
            ("retryable", statuses().boxed()),
            ("retry_signal", boolean_header().boxed()),
            ("retry_budget", number().boxed()),
            ("retry_costs", table(vec![("transient", number().boxed()), ("throttled", number().boxed())], 0)),
            ("refuse_reused_keys", boolean().boxed()),
            ("error_statuses", word(&["error", "response"]).boxed()),
            ("retry_policy", retry_policy()),
            ("idempotency", idempotency()),
            ("responses", responses()),
            ("rate_limiting", rate_limiting()),
            ("limit_key_from", limit_keys()),
            ("error_format", table(places.map(|field| (field, list(text()).boxed())).to_vec(), 0)),
            ("routes", list(table(route, 3)).boxed()),
        ],
        0,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_what_was_written_changes_nothing(services in prop::collection::vec(("[a-z .]{1,8}", service()), 0..3)) {
        let services: std::collections::BTreeMap<_, _> = services.into_iter().collect();
        let text: String = services.iter().map(|(name, table)| format!("services.'{name}' = {table}\n")).collect();
        let file = toml(if services.is_empty() { "services = {}" } else { &text });
        let written = toml::to_string(&file).unwrap();
        prop_assert!(toml(&written) == file, "{}", written);
        prop_assert_eq!(toml::to_string(&toml(&written)).unwrap(), written);
        let written = serde_json::to_string(&file).unwrap();
        prop_assert!(serde_json::from_str::<ServicesConfig>(&written).unwrap() == file, "{}", written);
        let written = serde_yaml_ng::to_string(&file).unwrap();
        let yaml: ServicesConfig = serde_yaml_ng::from_str(&written).unwrap();
        prop_assert!(yaml == file, "{}", written);
        prop_assert_eq!(errors(yaml.build()), errors(file.build()));
    }

    #[test]
    fn well_typed_services_are_never_refused_for_their_syntax(service in service()) {
        for error in errors(toml(&format!("services.a = {service}")).build()) {
            prop_assert!(!["expected", "missing field", "unknown"].iter().any(|word| error.contains(word)), "{}", error);
        }
    }

    #[test]
    fn any_file_gives_services_or_errors(text in "(\\[services\\.a\\]\n)?([a-z_]{1,9}(\\.[a-z]{1,5})? = ('[a-z0-9]{0,5}'|[0-9]{1,20}|\\[[0-9]{1,3}\\]|\\{\\}|true)\n){0,4}") {
        if let Ok(file) = toml::from_str::<ServicesConfig>(&text) {
            prop_assert!(serde_json::to_string(&file).is_ok());
            errors(file.build());
        }
    }
}
