//! How long to wait, as responses say it: headers, and members of bodies. The wait is bounded, and the status is kept.
//!
//! The input: a byte that chooses the unit, a reply, see [`reqwest_safe_retry_fuzz::reply`].

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{BooleanHeader, RateLimiting, RetryAfterSource, RetryAfterUnit, StopReason};
use reqwest_safe_retry_fuzz::{URL, assert_sound, client, paused, plain, reply};

const UNITS: [RetryAfterUnit; 5] = [
    RetryAfterUnit::Seconds,
    RetryAfterUnit::Milliseconds,
    RetryAfterUnit::EpochSeconds,
    RetryAfterUnit::EpochMilliseconds,
    RetryAfterUnit::Text,
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let unit = UNITS[usize::from(*choice) % UNITS.len()];
    let hints = [
        RetryAfterSource::header("x-wait").unit(unit),
        RetryAfterSource::header("x-reset").unit(unit).only_where_zero("x-remaining"),
        RetryAfterSource::member("/retry_after").unit(unit),
        RetryAfterSource::member("/error/details/0/wait").unit(unit).only_on([429, 503]),
        RetryAfterSource::default(),
    ];
    let limits = RateLimiting::new().retry_after(hints).scope_header("x-scope", ["customer"]);
    let service = plain().rate_limiting(limits).retry_signal(BooleanHeader::new("x-should-retry"));
    paused(async {
        let (client, transport) = client(service.build().expect("a service of this target"), vec![reply(data)]);
        let began = tokio::time::Instant::now();
        let ended = client.get(URL).send().await;
        match ended {
            // The longest hint that is waited for, and what is added to it.
            Ok(_) => assert!(began.elapsed() <= Duration::from_secs(61), "{:?}", began.elapsed()),
            Err(outer) => {
                let error = assert_sound(&outer);
                assert_eq!(transport.sent().len(), 1);
                if error.stop() == StopReason::RetryAfterTooLong {
                    assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(60)));
                }
            }
        }
    });
});
