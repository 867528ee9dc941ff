//! The scripted transport that users have for their own tests.

use std::time::Duration;

use http::Method;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Applied, AttemptOutcome, Error, ErrorKind, Failure, NotSent, RequestBuilderExt, RetryPolicy, SafeRetry, Service,
    StopReason,
    testing::{Reply, ScriptedTransport, SentRequest},
};
use tokio::time::Instant;

use super::{LEDGER, LIST, metronome};
use crate::support::transport::unused;

const SECOND: Duration = Duration::from_secs(1);

/// A client without the layer.
fn plain(transport: &ScriptedTransport) -> ClientWithMiddleware {
    ClientBuilder::new(unused()).with(transport.clone()).build()
}

fn layered(transport: &ScriptedTransport) -> ClientWithMiddleware {
    transport.client(SafeRetry::new([Service::metronome()])).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_class() {
    for (reply, failure, applied) in [
        (Reply::no_connection(), Failure::NotSent, Applied::No),
        (Reply::error(NotSent::new("no token")), Failure::NotSent, Applied::No),
        (Reply::reset(), Failure::Ambiguous, Applied::Unknown),
        (Reply::timeout(), Failure::Ambiguous, Applied::Unknown),
        (Reply::error(anyhow::anyhow!("a layer below")), Failure::Middleware, Applied::Unknown),
    ] {
        let (what, transport) = (format!("{reply:?}"), ScriptedTransport::new([reply]));
        let error = layered(&transport).post(LEDGER).no_retries().body("{}").send().await.unwrap_err();
        let error = Error::find(&error).unwrap();
        let outcomes: Vec<_> = error.attempts().iter().map(|attempt| attempt.outcome().clone()).collect();
        assert_eq!(outcomes, [AttemptOutcome::Failure(failure)], "{what}");
        assert_eq!(error.applied(), applied, "{what}");
    }
}

/// What the code under test may ask of an error of reqwest.
#[tokio::test(start_paused = true)]
async fn failures_are_errors_of_reqwest_and_take_no_time() {
    let transport = ScriptedTransport::new([Reply::no_connection(), Reply::timeout(), Reply::reset()]);
    let (client, started) = (plain(&transport), Instant::now());
    let mut errors = Vec::new();
    for _ in 0..3 {
        let Err(reqwest_middleware::Error::Reqwest(error)) = client.get(LIST).send().await else {
            panic!("not an error of reqwest")
        };
        assert_eq!(error.url().map(|url| url.as_str()), Some(LIST));
        errors.push((error.is_connect(), error.is_timeout(), format!("{:?}", error.without_url())));
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(
        errors.iter().map(|error| (error.0, error.1)).collect::<Vec<_>>(),
        [(true, false), (false, true), (false, false)]
    );
    assert!(errors[2].2.contains("ConnectionReset"), "{}", errors[2].2);
}

#[tokio::test(start_paused = true)]
async fn script_that_is_too_short_ends_the_call_with_an_error_that_says_so() {
    let transport = ScriptedTransport::new([503]);
    let error = layered(&transport).post(LEDGER).body("{}").send().await.unwrap_err();
    let found = Error::find(&error).unwrap();
    assert_eq!((found.kind(), found.stop()), (ErrorKind::Transport, StopReason::Permanent));
    assert!(found.to_string().contains(": the test's script has no reply left for it (2 attempts, "), "{found}");
    let text = format!("{:#}", anyhow::Error::from(error));
    let expected = "the script has no reply left for POST /v1/contracts/addManualBalanceLedgerEntry: it had 1; add one";
    assert!(text.contains(expected), "{text}");
    assert_eq!(transport.sent().len(), 2, "what had no reply is recorded too");
}

#[tokio::test(start_paused = true)]
async fn reply_that_is_no_response_is_reported() {
    for reply in
        [Reply::status(99), Reply::response(200, [("bad name", "1")], ""), Reply::response(200, [("a", "\n")], "")]
    {
        let error = plain(&ScriptedTransport::new([reply])).get(LIST).send().await.unwrap_err();
        assert!(error.to_string().starts_with("a reply of the script is no response: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn replies_come_in_order_and_what_is_left_is_counted() {
    let transport = ScriptedTransport::new([Reply::from(404), Reply::response(200, [("a", "1"), ("a", "2")], "body")]);
    let client = plain(&transport);
    assert_eq!(transport.replies_left(), 2);
    assert_eq!(client.get(LIST).send().await.unwrap().status(), 404);
    let response = client.get(LIST).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, LIST));
    assert_eq!(response.headers().get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(response.text().await.unwrap(), "body");
    assert_eq!(transport.replies_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn late_reply_comes_exactly_that_late() {
    let late = Reply::status(503).after(SECOND).after(SECOND);
    let transport = ScriptedTransport::new([late, Reply::no_connection().after(SECOND), Reply::status(200)]);
    let (client, started) = (plain(&transport), Instant::now());
    let _ = client.get(LIST).send().await;
    let _ = client.get(LIST).send().await;
    client.get(LIST).send().await.unwrap();
    assert_eq!(started.elapsed(), 3 * SECOND);
    assert_eq!(transport.sent().iter().map(SentRequest::at).collect::<Vec<_>>(), [0, 2, 3].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn timeout_of_a_request_counts() {
    for reply in [Reply::never(), Reply::status(200).after(3 * SECOND)] {
        let (transport, started) = (ScriptedTransport::new([reply]), Instant::now());
        let error = plain(&transport).get(LIST).timeout(2 * SECOND).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(started.elapsed(), 2 * SECOND);
    }
    let transport = ScriptedTransport::new([Reply::status(200).after(SECOND)]);
    assert_eq!(plain(&transport).get(LIST).timeout(2 * SECOND).send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn call_gives_up_on_what_never_answers() {
    let transport = ScriptedTransport::new([Reply::never()]);
    let error = layered(&transport).post(LEDGER).deadline(7 * SECOND).body("{}").send().await.unwrap_err();
    let error = Error::find(&error).unwrap();
    assert_eq!((error.stop(), error.applied()), (StopReason::DeadlineExceeded, Applied::Unknown));
    assert_eq!(error.attempts().elapsed(), 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn truncated_body_breaks_off_after_its_part() {
    let transport = ScriptedTransport::new([Reply::truncated(200, [("a", "1")], "half")]);
    let mut response = plain(&transport).get(LIST).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["a"].to_str().unwrap()), (200, "1"));
    assert_eq!(response.chunk().await.unwrap().as_deref(), Some(&b"half"[..]));
    assert!(response.chunk().await.unwrap_err().is_decode());

    let transport = ScriptedTransport::new([Reply::truncated(200, [], "half"), Reply::response(200, [], "whole")]);
    let layer = SafeRetry::new([metronome(RetryPolicy::new().buffer_responses(100))]);
    let response = transport.client(layer).unwrap().get(LIST).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "whole");
}

#[tokio::test(start_paused = true)]
async fn request_is_recorded_with_its_streamed_body() {
    let transport = ScriptedTransport::new([200, 200]);
    let parts = futures_util::stream::iter([Ok::<_, std::io::Error>(r#"{"a":"#), Ok(r#"{"b":7}}"#)]);
    let request = plain(&transport).request(Method::PUT, LIST).header("x-trace", "t-1");
    request.body(reqwest::Body::wrap_stream(parts)).send().await.unwrap();
    let sent = &transport.sent()[0];
    assert_eq!((sent.method(), sent.path(), sent.url().as_str()), (&Method::PUT, "/v1/contracts/list", LIST));
    assert_eq!((sent.header("X-Trace"), sent.header("other"), sent.headers().len()), (Some("t-1"), None, 1));
    assert_eq!((sent.body(), sent.json("/a/b").as_deref()), (&br#"{"a":{"b":7}}"#[..], Some("7")));

    let broken = futures_util::stream::iter([Err::<&str, _>(std::io::Error::other("no more"))]);
    let request = layered(&transport).post(LEDGER).body(reqwest::Body::wrap_stream(broken));
    let error = request.send().await.unwrap_err();
    assert_eq!(Error::find(&error).unwrap().applied(), Applied::Unknown, "as with a server: a part may have arrived");
    assert_eq!((transport.sent().len(), transport.replies_left()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn debug_output_has_no_secrets() {
    let transport = ScriptedTransport::new([Reply::response(200, [("c", "c4n4ry")], "c4n4ry"), Reply::status(500)]);
    let request = plain(&transport).post(format!("{LIST}?key=c4n4ry")).bearer_auth("c4n4ry").body("c4n4ry");
    let before = format!("{transport:?}");
    request.send().await.unwrap();
    let shown = format!("{before}{transport:?}");
    assert!(!shown.contains("c4n4ry"), "{shown}");
    assert!(shown.contains("replies_left: 1") && shown.contains("/v1/contracts/list"), "{shown}");
}
