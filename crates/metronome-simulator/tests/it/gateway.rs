//! Responses of the gateway.

use metronome_simulator::{Fault, Moment, RateLimit};
use serde_json::json;

use crate::support::{CUSTOMERS, MEANWHILE, Setup, acme, message};

#[tokio::test]
async fn gateway_response_is_not_stored() {
    for status in [499, 502, 503, 504, 507, 511, 520, 530, 598, 599] {
        for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
            let setup = Setup::with(Fault::gateway(status, moment)).await;
            let seen = message(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap()).await;
            let text = if status == 504 { "Endpoint request timed out" } else { "Internal server error" };
            assert_eq!((seen.0.as_u16(), seen.1.as_str()), (status, text));
            assert_eq!(setup.effects(CUSTOMERS), effects, "{status} {moment:?}");
            let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(again.status(), 200, "{status} {moment:?}");
            assert_eq!(setup.effects(CUSTOMERS), 1, "{status} {moment:?}");
        }
    }
}

#[tokio::test]
async fn gateway_response_can_be_html() {
    for (status, title) in [(502, "502 Bad Gateway"), (520, "520")] {
        let setup = Setup::with(Fault::gateway(status, Moment::After).with_html_body()).await;
        let response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
            (status, "text/html")
        );
        let page = response.text().await.unwrap();
        assert!(page.contains(&format!("<title>{title}</title>")), "{page}");
        assert_eq!(setup.effects(CUSTOMERS), 1);
    }
}

#[tokio::test]
async fn endless_body_goes_on_until_it_is_dropped() {
    let setup = Setup::with(Fault::gateway(502, Moment::After).with_endless_body()).await;
    let mut response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (502, None));
    let mut read = 0;
    while read < 10_000 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn redirect_leads_to_the_request_itself() {
    for moment in [Moment::Before, Moment::After] {
        let setup = Setup::with(Fault::gateway(307, moment)).await;
        let followed = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        assert_eq!((followed.status().as_u16(), setup.effects(CUSTOMERS)), (200, 1), "{moment:?}");
    }
}

#[tokio::test]
async fn key_stays_free_when_gateway_answers_before() {
    for (moment, status) in [(Moment::Before, 200), (Moment::After, 409)] {
        let setup = Setup::with(Fault::gateway(504, moment)).await;
        setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        let other = setup.keyed(CUSTOMERS, "k", json!({ "name": "Other" })).send().await.unwrap();
        assert_eq!(other.status(), status, "{moment:?}");
    }
}

#[tokio::test]
async fn slow_write_completes_after_gateway_response() {
    let setup = Setup::with(Fault::gateway(504, Moment::After).taking(MEANWHILE)).await;
    let create = || setup.keyed(CUSTOMERS, "k", acme()).send();
    assert_eq!(create().await.unwrap().status(), 504);
    assert_eq!(setup.effects(CUSTOMERS), 0);
    assert_eq!(create().await.unwrap().status(), 409, "the key is still claimed");
    setup.metronome.settle().await;
    assert_eq!(create().await.unwrap().status(), 200);
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn rate_limit_is_named_and_not_stored() {
    let setup = Setup::new().await;
    let faults = [(RateLimit::Client, Some(2)), (RateLimit::Customer, None)];
    setup.metronome.script(faults.map(|(limit, after)| Some(Fault::rate_limited(limit, after))));
    for (limit, after) in [("client", Some("2")), ("customer", None)] {
        let response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("X-Metronome-Rate-Limit-Type"), Some(limit));
        assert_eq!(header("Retry-After"), after);
        assert_eq!(message(response).await.0, 429);
        assert_eq!(setup.effects(CUSTOMERS), 0);
    }
    assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn fault_does_not_replace_rejection() {
    let setup = Setup::with(Fault::stored_500(Moment::After)).await;
    assert_eq!(setup.keyed(CUSTOMERS, "k", json!({})).send().await.unwrap().status(), 400);
}
