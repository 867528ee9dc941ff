//! A scripted failure has the effect of the real one.

use reqwest_safe_retry::{
    Error, RequestBuilderExt, SafeRetry, Service,
    testing::{Reply, ScriptedTransport},
};

use crate::support::faults::{Fault, provoke};

/// All that the layer's error says, but the time that it took and the words of the cause.
async fn facts(reply: Reply) -> String {
    let client = ScriptedTransport::new([reply]).client(SafeRetry::new([Service::metronome()])).unwrap();
    let url = "https://api.metronome.com/v1/contracts/edit";
    let error = client.post(url).no_retries().body("{}").send().await.unwrap_err();
    let error = Error::find(&error).unwrap();
    let outcomes: Vec<_> = error.attempts().iter().map(|attempt| attempt.outcome()).collect();
    let decided = (error.kind(), error.stop(), error.applied(), outcomes);
    format!("{decided:?} {} {}", error.is_timeout(), error.is_connect())
}

#[tokio::test]
async fn scripted_failures_are_classified_like_real_ones() {
    for (scripted, real) in [
        (Reply::no_connection(), Fault::ConnectRefused),
        (Reply::reset(), Fault::ResetBeforeResponse),
        (Reply::timeout(), Fault::ReadTimeout),
    ] {
        assert_eq!(facts(scripted).await, facts(Reply::error(provoke(real).await)).await, "{real:?}");
    }
}
