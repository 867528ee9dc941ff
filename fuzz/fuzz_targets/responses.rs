//! Whole calls: whatever a service responds, a call ends in time, after no more attempts than its policy allows.
//!
//! The input: a first line of four bytes, which choose the service, the method, the verifier's verdict and the path. Then
//! replies, separated by lines `%%`; see [`reqwest_safe_retry_fuzz::reply`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{Attempts, Verdict};
use reqwest_safe_retry_fuzz::{URL, assert_sound, client, line, longest, method, paused, replies, service};

fuzz_target!(|data: &[u8]| {
    let (choice, script) = line(data);
    let chosen = |number: usize| choice.get(number).copied().unwrap_or_default();
    let verdict = chosen(2) % 4;
    let builder = service(chosen(0));
    let builder = match verdict {
        0 => builder,
        1 => builder.verifier_fn(|_| async { Verdict::Unknown }),
        2 => builder.verifier_fn(|_| async { Verdict::NotApplied }),
        _ => builder.verifier_fn(|_| async { Verdict::Unknown }).retry_budget(0),
    };
    paused(async {
        let service = builder.build().expect("a shipped service at another address");
        let policy = service.retry_policy().resolve();
        let (client, transport) = client(service, replies(script));
        let began = tokio::time::Instant::now();
        let path = ["v1/contracts/create", "v1/charges", "v1/a/b", ""][usize::from(chosen(3)) % 4];
        let ended = client.request(method(chosen(1)), format!("{URL}{path}")).body("{}").send().await;
        let sent = transport.sent().len();
        assert!(sent <= policy.max_attempts as usize, "{sent} requests of {}", policy.max_attempts);
        assert!(began.elapsed() <= longest(policy.deadline), "{:?}", began.elapsed());
        match ended {
            Ok(response) => {
                let attempts = response.extensions().get::<Attempts>();
                assert!(attempts.is_none_or(|attempts| attempts.count() == sent));
            }
            Err(outer) => assert_eq!(assert_sound(&outer).attempts().count(), sent),
        }
    });
});
