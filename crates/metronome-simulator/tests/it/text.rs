//! The text form of faults and scripts.

use metronome_simulator::{Close, Fault, Moment, RateLimit, Script};

use crate::support::SHORT;

#[test]
fn fault_is_read_from_its_own_text() {
    let (before, after) = (Moment::Before, Moment::After);
    for (fault, words) in [
        (Fault::gateway(504, after), "504 after"),
        (Fault::gateway(504, after).taking(SHORT), "504 after taking=100ms"),
        (Fault::gateway(429, before), "429 before"),
        (Fault::stored_500(before), "stored-500 before"),
        (Fault::stored_500(after).with_truncated_body(), "stored-500 after truncated"),
        (Fault::partial_500(), "stored-500 halfway"),
        (Fault::stuck_key(before), "stuck-key before"),
        (Fault::dropped(Close::Orderly, before), "closed before"),
        (Fault::dropped(Close::Half, after), "half-closed after"),
        (Fault::dropped(Close::Reset, after), "reset after"),
        (Fault::dropped(Close::Midway, after), "midway after"),
        (Fault::stalled(before), "stalled before"),
        (Fault::gateway(502, before).with_html_body(), "502 before html"),
        (Fault::gateway(502, before).with_html_body().with_truncated_body(), "502 before html truncated"),
        (Fault::gateway(504, after).with_endless_body(), "504 after endless"),
        (Fault::truncated(), "answer truncated"),
        (Fault::duplicated(), "duplicate"),
        (Fault::duplicated().taking(SHORT * 15), "duplicate taking=1s500ms"),
        (Fault::restarted(), "restart"),
        (Fault::late(SHORT, before), "answer taking=100ms"),
        (Fault::late(SHORT, after), "late 100ms"),
        (Fault::queued(SHORT), "answer queued=100ms"),
        (Fault::queued(SHORT).taking(SHORT), "answer queued=100ms taking=100ms"),
        (Fault::rate_limited(RateLimit::Client, Some(2)), "429 client retry-after=2"),
        (Fault::rate_limited(RateLimit::Customer, None).with_truncated_body(), "429 customer truncated"),
    ] {
        assert_eq!((fault.to_string().as_str(), words.parse()), (words, Ok(fault)));
    }
}

#[test]
fn wrong_word_is_named() {
    for (text, expected) in [
        ("", "no words; expected a status"),
        ("soon", "unknown word `soon`; expected a status"),
        ("99 after", "unknown word `99`; expected a status"),
        ("504", "nothing after `504`; expected `before` or `after`"),
        ("504 halfway", "unknown word `halfway`; expected `before` or `after`"),
        ("stored-500", "nothing after `stored-500`; expected `before`, `halfway` or `after`"),
        ("late", "nothing after `late`; expected a time"),
        ("late soon", "unknown word `soon`; expected a time"),
        ("504 after slowly", "unknown word `slowly`; expected `taking=40ms`"),
        ("504 after taking=soon", "unknown word `taking=soon`; expected a time"),
        ("504 before taking=40ms", "unknown word `taking=40ms`; expected"),
        ("restart html", "unknown word `html`; expected"),
        ("504 after retry-after=2", "unknown word `retry-after=2`; expected"),
        ("429 client retry-after=x", "unknown word `retry-after=x`; expected seconds"),
    ] {
        let error = text.parse::<Fault>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn script_is_read_from_its_own_text() {
    let script = Script::from_iter([Some(Fault::gateway(504, Moment::After)), None, Some(Fault::duplicated())]);
    assert_eq!(script.to_string(), "504 after\nnone\nduplicate\n");
    assert_eq!(script.to_string().parse(), Ok(script.clone()));
    assert_eq!("# all\n\n  504 after # an edit\nnone\n\nduplicate".parse(), Ok(script));
    let error = "none\n# a comment\n\n504 later".parse::<Script>().unwrap_err();
    assert_eq!(error.to_string(), "line 4: unknown word `later`; expected `before` or `after`");
}
