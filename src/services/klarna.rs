//! Klarna, a payments API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::key::KeyKind,
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        key_characters::KeyCharacters,
        service::Service,
        source::{Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Klarna](https://docs.klarna.com), at `https://api.klarna.com`; North America, Oceania and the playground are other base
/// URLs.
///
/// | rule | page |
/// |---|---|
/// | `Klarna-Idempotency-Key` on POST and PATCH; a key should be a UUIDv5 | [idempotency] |
/// | a repeat gets the initial result, for 24 hours | [idempotency] |
///
/// Nothing says that a key of another form is honoured, so one is refused before anything is sent. What a repeat gets after
/// an error is not documented: the key is preserved and never replaced. The pages were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyCharacters, services};
///
/// assert_eq!(services::klarna().idempotency().characters, KeyCharacters::UuidV5);
/// ```
///
/// [idempotency]: https://docs.klarna.com/acquirer/klarna-direct/setup-your-integration/integration-resilience/idempotency/
pub fn klarna() -> Service {
    Service::builder("klarna", "https://api.klarna.com")
        .idempotency(
            Idempotency::header("Klarna-Idempotency-Key", KeyKind::ReplaySuccess)
                .methods([Method::POST, Method::PATCH])
                .characters(KeyCharacters::UuidV5)
                .retention(DAY),
        )
        .error_format(
            ErrorFormat::new()
                .message(["/error_message", "/error_messages/0"])
                .code(["/error_code"])
                .error_type(["/error_type"])
                .request_id(["/error_id", "/correlation_id"]),
        )
        .sources([
            Source::new(
                "https://docs.klarna.com/acquirer/klarna-direct/setup-your-integration/integration-resilience/idempotency/",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention],
            ),
            Source::new(
                "https://docs.klarna.com/klarna-network-distribution/setup-your-integration/integration-resilience/error-handling/",
                "2026-11",
                [Rule::Errors],
            ),
            Source::new(
                "https://docs.klarna.com/resources/developer-tools/error-handling/error-codes-and-messages",
                "2026-11",
                [Rule::Errors],
            ),
        ])
        .shipped()
}
