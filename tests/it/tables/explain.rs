//! A dry run says what the loop would do.

use http::{Method, StatusCode};
use reqwest_safe_retry::{Doubt, Service, Stop, Verdict, decide::Decision};

const LEDGER: &str = "/v1/contracts/addManualBalanceLedgerEntry";

fn explained(service: &Service, path: &str, status: u16, attempt: u32) -> String {
    service.explain(&Method::POST, path, StatusCode::from_u16(status).unwrap(), attempt).to_string()
}

#[test]
fn it_tells_effect_rule_decision_and_page() {
    let metronome = Service::metronome();
    let verified = Service::metronome().verifier(|_: &Doubt<'_>| async { Verdict::Unknown });
    for (service, path, status, attempt, parts) in [
        (
            &metronome,
            LEDGER,
            504,
            1,
            [
                "is a write, sent with a key (ReplayAll)",
                "a gateway could not tell",
                "with the same key after up to 500ms",
            ],
        ),
        (
            &metronome,
            LEDGER,
            500,
            1,
            ["500 Internal Server Error at attempt 1 of 3", "the error may be stored", "with the same key"],
        ),
        (&metronome, LEDGER, 500, 2, ["at attempt 2 of 3", "not sent again", "nothing proves that it was not applied"]),
        (
            &verified,
            LEDGER,
            500,
            2,
            ["at attempt 2 of 3", "with a new key if the verifier says that it was not applied", "after up to 1s"],
        ),
        (&metronome, LEDGER, 504, 3, ["at attempt 3 of 3", "not sent again", "all attempts are used up"]),
        (&metronome, LEDGER, 404, 1, ["it was not executed", "not sent again", "another attempt would not help"]),
        (
            &metronome,
            "/v1/contracts/list",
            429,
            1,
            ["is a read, sent without a key", "it was refused before", "sent again after up to 1s"],
        ),
        (&metronome, "/v1/contracts/create", 504, 1, ["with /uniqueness_key in its body", "a write", "same key"]),
        (
            &metronome,
            "/v1/ingest",
            500,
            1,
            ["recognised by the service", "without a key", "sent again after up to 500ms"],
        ),
    ] {
        let text = explained(service, path, status, attempt);
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
        assert!(text.contains("https://docs.metronome.com/") && text.contains("(read 2026-07-13)"), "{text}");
    }
}

#[test]
fn it_survives_whatever_it_is_asked() {
    for path in ["", "no slash", "//", "/\u{0}", "https://elsewhere.example"] {
        for attempt in [0, 1, u32::MAX] {
            let explanation =
                Service::openai().explain(&Method::POST, path, StatusCode::INTERNAL_SERVER_ERROR, attempt);
            assert_eq!(explanation.decision(), Decision::Fail(Stop::NotIdempotent), "{path:?}");
        }
    }
}
