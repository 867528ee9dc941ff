//! The file as a whole: its services beside each other, and all errors at once.

use reqwest_safe_retry::ServicesConfig;

use super::{errors, toml};

/// Files with the errors that each of them gives.
const SERVICES_AND_BASE_URLS: &[(&str, &[&str])] = &[
    ("", &["services: is missing"]),
    ("services = 5", &["services: expected a table, found a number"]),
    ("port = 80\n[services]", &["port: unknown field `port`; expected one of `$schema`, `services`"]),
    ("service = 80", &["service: unknown field `service`; did you mean `services`?", "services: is missing"]),
    ("services.billing = 5", &["services.billing: expected a table, found a number"]),
    ("[services.billing]", &["services.billing.base_url: is missing"]),
    ("[services.billing]\nfrom = 'idempotency_key_draft'", &["services.billing.base_url: is missing"]),
    (
        "[services.billing]\nbase_url = 5",
        &["services.billing.base_url: expected text or a list of texts, found a number"],
    ),
    ("[services.billing]\nfrom = 7", &["services.billing.from: expected text, found a number"]),
    (
        "[services.billing]\nfrom = 'stripe'",
        &["services.billing.from: unknown value; did you mean `stripe_v1` or `stripe_v2`?"],
    ),
    (
        "[services.billing]\nbase_url = 'billing.internal'",
        &["services.billing.base_url: is not a URL: relative URL without a base"],
    ),
    (
        "[services.billing]\nbase_url = 'ftp://billing.internal'",
        &["services.billing.base_url: has the scheme ftp: use http or https"],
    ),
    (
        "[services.billing]\nbase_url = 'https://*.internal'",
        &[
            "services.billing.base_url: has the host \"*.internal\", a pattern that no request matches: give one host, \"*.\" and \
           a domain of two labels or more for all hosts below it, or \"*\" in place of the URL for every host",
        ],
    ),
    ("[services.' ']\nbase_url = 'https://a'", &["services. .name: is empty"]),
    (
        "[services.a]\nbase_url = 'https://a/x/'\n[services.b]\nbase_url = 'https://A:443/x'",
        &["services.b.base_url: is also the base URL of a: requests could belong to either"],
    ),
    (
        "[services.a]\nfrom = 'orb'\n[services.b]\nfrom = 'orb'",
        &["services.b.base_url: is also the base URL of a: requests could belong to either"],
    ),
    ("[services.billing]\nbase_url = []", &["services.billing.base_url: is missing"]),
    (
        "[services.billing]\nbase_url = ['https://a', 5]",
        &["services.billing.base_url[1]: expected text, found a number"],
    ),
    (
        "[services.billing]\nbase_url = ['https://a', 'ftp://b', 'https://A/', '*']",
        &[
            "services.billing.base_url[1]: has the scheme ftp: use http or https",
            "services.billing.base_url[2]: is given twice",
            "services.billing.base_url[3]: covers every host: give it alone",
        ],
    ),
    (
        "[services.a]\nfrom = 'orb'\nbase_url = ['https://a', 'https://*.b.example']\n[services.b]\nbase_url = '*'\n
        [services.c]\nbase_url = 'https://*.b.example'\n[services.d]\nbase_url = '*'",
        &[
            "services.c.base_url: is also the base URL of a: requests could belong to either",
            "services.d.base_url: is also the base URL of b: requests could belong to either",
        ],
    ),
    // The longest path wins, so a path below another's is allowed.
    ("[services.a]\nbase_url = 'https://a'\n[services.b]\nbase_url = 'https://a/b'", &[]),
    (
        "[services.a]\nfrom = 'orb'\n[services.b]\nfrom = 'orb'\nbase_url = 7",
        &["services.b.base_url: expected text or a list of texts, found a number"],
    ),
];

#[test]
fn services_and_base_urls_are_checked() {
    for (given, expected) in SERVICES_AND_BASE_URLS {
        assert_eq!(errors(toml(given).build()), *expected, "{given}");
    }
    let error = errors(toml("[services.billing]\nfrom = 'vendor'").build()).remove(0);
    assert!(error.starts_with("services.billing.from: unknown value; expected one of `adyen`, "), "{error}");
    assert!(serde_json::from_str::<ServicesConfig>("[]").unwrap_err().to_string().contains("expected a table"));
}

#[test]
fn all_contradictions_are_reported_together() {
    let text = "
        colour = 'blue'
        [services.billing]
        base_url = 'nowhere'
        retry_policy = { max_attempts = 0, transient = { base = '5s', cap = '2s' } }
        idempotency = { header = 'a b', kind = 'signalled', retention = '1s', replay_header = 'c d' }
        routes = [{ method = 'POST', path = 'a', effect = 'write' }, { method = 'GTE', path = '/b', effect = 'read' }]
        [services.invoices]
        from = 'orb'
        retry_policy.deadline = 7
        [services.orb]
        from = 'orb'
        error_format = { code = ['x'] }
    ";
    let found = errors(toml(text).build());
    let paths: Vec<_> = found.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "colour",
            "services.billing.base_url",
            "services.billing.idempotency.header",
            "services.billing.idempotency.replay_header",
            "services.billing.idempotency.transient_header",
            "services.billing.retry_policy.deadline",
            "services.billing.retry_policy.max_attempts",
            "services.billing.retry_policy.transient.base",
            "services.billing.routes[0].path",
            "services.billing.routes[1].method",
            "services.invoices.retry_policy.deadline",
            "services.orb.error_format.code",
        ]
    );
}

#[test]
fn base_url_is_text_or_a_list() {
    let file = toml(
        "[services.any]\nbase_url = '*'\n[services.orb]\nfrom = 'orb'\nbase_url = ['https://a/x', 'https://*.b.example']",
    );
    let services = file.clone().build().unwrap();
    let base_urls = |at: usize| services[at].base_urls().collect::<Vec<_>>();
    assert_eq!((base_urls(0), base_urls(1)), (vec!["*"], vec!["https://a/x", "https://*.b.example/"]));
    let again: ServicesConfig = serde_json::from_str(&serde_json::to_string(&file).unwrap()).unwrap();
    assert!(again == file);
}
