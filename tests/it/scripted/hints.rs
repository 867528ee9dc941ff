//! Waits that a service asks for, in its own units and under its own conditions.

use reqwest_safe_retry::{RateLimiting, RetryAfterSource, RetryAfterUnit, Service, services};

use super::LIST;
use crate::support::transport::{Transport, reply, status};

/// A hint counts where its condition holds, in its unit, in a header or in the body.
#[tokio::test(start_paused = true)]
async fn hints_have_units_and_conditions() {
    let reset = |unit| RetryAfterSource::header("x-reset").unit(unit).only_on([429]);
    let epoch = || reset(RetryAfterUnit::EpochSeconds).only_where_zero("x-remaining");
    // The clock stands at 2026-01-01T00:00:00Z.
    let at_ten = "1767225610";
    for (sources, reply, seconds) in [
        (vec![epoch()], reply(429, &[("x-reset", at_ten), ("x-remaining", "0")], ""), 10.0),
        (vec![epoch()], reply(429, &[("x-reset", at_ten), ("x-remaining", "3")], ""), 1.0),
        (vec![epoch()], reply(429, &[("x-reset", at_ten)], ""), 1.0),
        (vec![epoch()], reply(502, &[("x-reset", at_ten), ("x-remaining", "0")], ""), 0.5),
        (vec![epoch(), RetryAfterSource::default()], reply(429, &[("x-reset", at_ten), ("retry-after", "7")], ""), 7.0),
        (vec![reset(RetryAfterUnit::EpochMilliseconds)], reply(429, &[("x-reset", "1767225604500")], ""), 4.5),
        (vec![reset(RetryAfterUnit::Rfc3339)], reply(429, &[("x-reset", "2026-01-01T00:00:20Z")], ""), 20.0),
        (vec![reset(RetryAfterUnit::Text)], reply(429, &[("x-reset", "12.5s")], ""), 12.5),
        (vec![RetryAfterSource::member("/error/wait")], reply(429, &[], r#"{"error":{"wait":3.5}}"#), 3.5),
        (vec![RetryAfterSource::member("/error/wait")], reply(429, &[], r#"{"error":{"wait":"soon"}}"#), 1.0),
    ] {
        let limits = RateLimiting::new().retry_after(sources);
        let service = Service::metronome().into_builder().rate_limiting(limits).build().unwrap();
        let transport = Transport::new([reply, status(200)]);
        transport.client(service).get(LIST).send().await.unwrap();
        let sent = transport.sent();
        let wait = (sent[1].at - sent[0].at).as_secs_f64();
        // A hint is spread by up to a tenth.
        assert!((seconds..=seconds * 1.1 + 0.01).contains(&wait), "{wait} is not {seconds}");
    }
}

/// What the SDKs of these services read.
#[tokio::test(start_paused = true)]
async fn shipped_services_read_their_hints() {
    for (service, header, value, seconds) in [
        (services::lago(), "x-ratelimit-reset", "12", 12.0),
        (services::square(), "x-ratelimit-reset", "1767225612", 12.0),
        (services::increase(), "retry-after-ms", "1500", 1.5),
        (services::openai(), "retry-after-ms", "1500", 1.5),
    ] {
        let url = format!("{}/things", service.base_url().trim_end_matches('/'));
        let transport =
            Transport::new([reply(429, &[(header, value)], ""), reply(502, &[(header, value)], ""), status(200)]);
        transport.client(service).get(url).send().await.unwrap();
        let sent = transport.sent();
        let waits = [sent[1].at - sent[0].at, sent[2].at - sent[1].at].map(|wait| wait.as_secs_f64());
        assert!((seconds..=seconds * 1.1).contains(&waits[0]), "{header}: {waits:?}");
        // The time of a reset says nothing on a gateway's error.
        assert_eq!(waits[1] < seconds, header == "x-ratelimit-reset", "{header}: {waits:?}");
    }
}
