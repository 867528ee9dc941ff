//! Rules about responses: a text, a pointer and a header's value that anyone may write, against what anyone may respond.
//!
//! The input: three lines, which are the text, the pointer and the header's value; then a reply, see
//! [`reqwest_safe_retry_fuzz::reply`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{Idempotency, KeyKind, Meaning, ResponseRule};
use reqwest_safe_retry_fuzz::{URL, assert_sound, client, line, longest, paused, plain, reply};

fuzz_target!(|data: &[u8]| {
    let (text, data) = line(data);
    let (pointer, data) = line(data);
    let (value, data) = line(data);
    let [text, pointer, value] = [text, pointer, value].map(|line| String::from_utf8_lossy(line).into_owned());
    let rules = [
        ResponseRule::new(409, Meaning::InProgress).text(text.clone()).at(pointer.clone()),
        ResponseRule::new(409, Meaning::KeyInvalidated).text(text.clone()),
        ResponseRule::new(500, Meaning::NotApplied).header_value("x-said", value.clone()),
        ResponseRule::new(503, Meaning::Throttled).header("x-said"),
        ResponseRule::new(422, Meaning::AlreadyExists).text(text).at(pointer).header_value("x-said", value),
    ];
    let keys = Idempotency::header("idempotency-key", KeyKind::ReplayAll);
    match plain().idempotency(keys).responses(rules).build() {
        Err(error) => assert!(error.errors().iter().all(|error| !error.path().is_empty())),
        Ok(service) => paused(async {
            let policy = service.retry_policy().resolve();
            let (client, transport) = client(service, vec![reply(data)]);
            let began = tokio::time::Instant::now();
            let ended = client.post(URL).body("{}").send().await;
            assert!(transport.sent().len() <= policy.max_attempts as usize);
            assert!(began.elapsed() <= longest(policy.deadline));
            if let Err(outer) = ended {
                assert_sound(&outer);
            }
        }),
    }
});
