//! Rules about responses that contradict themselves are refused, and rules of a description can be replaced.

use http::Method;
use reqwest_safe_retry::{
    Effect, Idempotency, KeyKind, Meaning, ResponseRule, Route, Service, ServiceBuilder, services,
};

use super::setup::assert_refused;

fn billing() -> ServiceBuilder {
    Service::builder("billing", "https://billing.internal")
}

#[test]
fn bad_response_rules_are_refused() {
    let status = |status| billing().response(status, Meaning::InProgress);
    let rule = |rule: ResponseRule| billing().responses([rule]);
    let plain = || ResponseRule::new(400, Meaning::Throttled);
    let twice = |first: &'static str, second: &'static str| {
        let first = billing().response_matching(409, first, Meaning::InProgress);
        first.response_matching(409, second, Meaning::AlreadyExists)
    };
    let any_body = billing().response(409, Meaning::InProgress).response(409, Meaning::AlreadyExists);
    let mut valued = plain();
    valued.header_value = Some("0".into());
    assert_refused([
        (status(399), "responses[0].status: 399 is not an error: use 400 to 599"),
        (status(600), "responses[0].status: 600 is not an error: use 400 to 599"),
        (status(200), "responses[0].status: 200 is not an error: use 400 to 599"),
        (twice("", "b"), "responses[0].text: is empty: leave it out to match every body"),
        (twice("In use", "in USE"), "responses[1]: 409 has a rule with the same conditions already"),
        (any_body, "responses[1]: 409 has a rule with the same conditions already"),
        (rule(plain().at("/code")), "responses[0].at: says where a text is: give the `text` too"),
        (
            rule(plain().text("x").at("code")),
            "responses[0].at: \"code\" is not a JSON pointer: it must start with a slash",
        ),
        (rule(plain().text("x").at("/a/*/b/*")), "responses[0].at: has more than one `*`"),
        (rule(plain().header("")), "responses[0].header: \"\" is not a header name"),
        (rule(valued), "responses[0].header: is missing: `header_value` is the value of one"),
        (
            billing().routes([Route::new(Method::GET, "/a", Effect::Read).responses([plain().text("")])]),
            "routes[0].responses[0].text: is empty: leave it out to match every body",
        ),
    ]);
    for accepted in [status(400), status(599), twice("in use", "exists")] {
        accepted.build().unwrap();
    }
}

/// What is added to a description comes first, and replaces what is about the same.
#[test]
fn rules_of_a_description_come_last() {
    let base = services::stripe::v1().into_builder();
    let rules = base.response(429, Meaning::Final).response(409, Meaning::AlreadyExists).build().unwrap();
    let found: Vec<_> = rules.responses().iter().map(|rule| (rule.status, rule.meaning)).collect();
    let expected = [(429, Meaning::Final), (409, Meaning::AlreadyExists), (400, Meaning::PayloadMismatch)];
    assert_eq!(found, expected);
    // Other keys have other rules; what is about load stays.
    let other = rules
        .into_builder()
        .idempotency(Idempotency::header("k", KeyKind::ReplaySuccess))
        .response(423, Meaning::InProgress);
    let found: Vec<_> = other.build().unwrap().responses().iter().map(|rule| rule.status).collect();
    assert_eq!(found, [423, 429]);
}
