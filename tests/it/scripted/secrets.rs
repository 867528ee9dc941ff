//! No secret shows, wherever it was.

use std::fmt::Write as _;

use reqwest_safe_retry::{Doubt, Error, IdempotencyKey, Service, Verdict};

use super::{LEDGER, outer_error};
use crate::support::{
    collector::Collector,
    transport::{Reply, Transport, reply, status},
};

const CANARY: &str = "c4n4ry";

fn scripts() -> Vec<Vec<Reply>> {
    let echo = |number| reply(number, &[("x-echo", CANARY)], format!(r#"{{"message":"m","other":"{CANARY}"}}"#));
    vec![
        vec![echo(404)],
        vec![echo(503), echo(503), echo(503)],
        vec![echo(500), echo(500)],
        vec![reply(409, &[], format!(r#"{{"message":"key {CANARY}-key is taken"}}"#))],
        vec![reply(429, &[("retry-after", "900")], format!("<html>{CANARY}"))],
        vec![Reply::Silence],
        vec![status(503), status(200)],
    ]
}

#[tokio::test(start_paused = true)]
async fn no_secret_in_display_debug_or_events() {
    let collector = Collector::of("reqwest_safe_retry");
    let mut shown = String::new();
    for with_verifier in [false, true] {
        for script in scripts() {
            let mut service = Service::metronome();
            if with_verifier {
                service = service.verifier(|doubt: &Doubt<'_>| {
                    assert!(!format!("{doubt:?}").contains(CANARY));
                    async { Verdict::Unknown }
                });
            }
            write!(shown, "{service:?}").unwrap();
            let request = Transport::new(script)
                .client(service)
                .post(format!("{}?token={CANARY}", LEDGER.replace("//", &format!("//user:{CANARY}@"))))
                .bearer_auth(CANARY)
                .header("cookie", CANARY)
                .with_extension(IdempotencyKey::new(format!("{CANARY}-key")))
                .body(format!(r#"{{"secret":"{CANARY}"}}"#));
            match request.send().await {
                Ok(response) => {
                    write!(shown, "{:?}", response.extensions().get::<reqwest_safe_retry::Attempts>()).unwrap()
                }
                Err(outer) => {
                    let error = Error::find(&outer).unwrap();
                    write!(shown, "{outer} {outer:?} {error} {error:?} {error:#?} {:?}", error.key()).unwrap();
                }
            }
        }
    }
    // A key that cannot be sent is not shown either.
    let client = Transport::new([]).client(Service::metronome());
    let outer = outer_error(client.post(LEDGER).with_extension(IdempotencyKey::new(format!("{CANARY}\n")))).await;
    write!(shown, "{outer} {outer:?}").unwrap();

    let traced = collector.text();
    assert!(
        traced.contains("metronome") && traced.contains("may have been applied"),
        "events were collected: {traced}"
    );
    for text in [&shown, &traced] {
        let at = text.find(CANARY).map(|at| &text[at.saturating_sub(200)..at + 6]);
        assert_eq!(at, None, "a secret shows");
    }
}
