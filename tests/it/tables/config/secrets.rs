//! Secrets have no field, and no error repeats what it found.

use super::{billing, errors, toml};

#[test]
fn secrets_are_refused_and_not_repeated() {
    let refused = "unknown field; secrets do not belong in this file: set them on the reqwest client, for example with \
                   `default_headers`";
    for name in [
        "token",
        "api_key",
        "api-key",
        "apiKey",
        "authorization",
        "auth",
        "headers",
        "default_headers",
        "password",
        "Cookie",
    ] {
        for (path, text) in [
            ("", format!("{name} = 'c4n4ry'\n[services]")),
            ("services.billing.", format!("[services.billing]\nbase_url = 'https://billing'\n{name} = 'c4n4ry'")),
            (
                "services.billing.retry_policy.",
                format!("[services.billing]\nbase_url = 'https://billing'\nretry_policy.{name} = ['c4n4ry']"),
            ),
            (
                "services.billing.routes[0].",
                format!("[services.billing]\nbase_url = 'https://billing'\nroutes = [{{ {name} = 'c4n4ry' }}]"),
            ),
        ] {
            let file = toml(&text);
            assert!(!format!("{file:?}").contains("c4n4ry"), "{file:?}");
            assert_eq!(errors(file.build()), [format!("{path}{name}: {refused}")]);
        }
    }
    let file = toml("[services.billing]\nbase_url = 'https://user:c4n4ry@billing?c4n4ry'");
    assert!(!format!("{file:?}").contains("c4n4ry"));
    let error = file.build().unwrap_err();
    assert!(error.to_string().contains("has a query, a fragment or user information"));
    assert!(!format!("{error} {error:?}").contains("c4n4ry"));
}

#[test]
fn found_text_is_not_repeated() {
    for field in [
        "from",
        "concurrency_limit",
        "error_statuses",
        "retry_budget",
        "retryable",
        "idempotency",
        "idempotency.kind",
        "retry_policy.deadline",
        "retry_policy.retry_on",
    ] {
        let errors = errors(billing(&format!("{field} = 'c4n4ry'")));
        assert!(errors.len() == 1 && !errors[0].contains("c4n4ry"), "{errors:?}");
    }
}
