//! What observers are shown of calls.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{
    AttemptFacts, CallFacts, EndFacts, Observer, RetryFacts, RotationFacts, SafeRetry, Service, Verdict,
};

use super::{LEDGER, LIST, failure};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status},
};

/// Writes down what it is shown.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join("; ")
    }
}

impl Observer for Notes {
    fn on_attempt(&self, call: &CallFacts<'_>, attempt: &AttemptFacts<'_>) {
        let number = call.attempts().count();
        assert_eq!(call.attempts().iter().last().unwrap().outcome(), attempt.outcome());
        let class = attempt.class().map_or_else(|| "returned".to_owned(), |class| class.to_string());
        assert_eq!(attempt.class().is_some(), attempt.decision().is_some());
        self.add(format!("{number} {} {class}", attempt.outcome()));
    }

    fn on_retry(&self, call: &CallFacts<'_>, retry: &RetryFacts) {
        assert_eq!(call.attempts().iter().last().unwrap().wait(), Some(retry.wait()));
        self.add(format!("retry {} {:?} {:?}", retry.reason(), retry.wait(), retry.key()));
    }

    fn on_rotate(&self, _: &CallFacts<'_>, rotation: &RotationFacts) {
        self.add(format!("key {} {}", rotation.generation(), rotation.reason()));
    }

    fn on_end(&self, call: &CallFacts<'_>, end: &EndFacts<'_>) {
        assert_eq!(end.elapsed(), call.attempts().elapsed());
        let stop = end.error().map_or_else(String::new, |error| format!(" {:?}", error.stop()));
        self.add(format!("{} {} {}{stop}", call.method(), call.template().unwrap_or_default(), end.outcome()));
    }
}

fn client(notes: &Notes, service: Service, script: Vec<Reply>) -> (Transport, ClientWithMiddleware) {
    let transport = Transport::new(script);
    let layer = SafeRetry::new([service]).clock(FixedClock::at(1.0)).observer(notes.clone());
    (transport.clone(), transport.layered(layer))
}

/// What is shown of a call to this URL that gets these statuses.
async fn shown(service: Service, url: &str, script: &[u16]) -> String {
    let notes = Notes::default();
    let (transport, client) = client(&notes, service, script.iter().copied().map(status).collect());
    let _ = client.post(url).send().await;
    assert_eq!(transport.left(), 0);
    notes.take()
}

#[tokio::test(start_paused = true)]
async fn observer_sees_each_step_in_order() {
    let list = "POST /v1/contracts/list";
    for (script, expected) in [
        (&[200][..], format!("1 200 returned; {list} ok")),
        (&[503, 200], format!("1 503 gateway; retry gateway 500ms Preserve; 2 200 returned; {list} recovered")),
        (&[404], format!("1 404 final; {list} failed Permanent")),
    ] {
        assert_eq!(shown(Service::metronome(), LIST, script).await, expected);
    }
}

/// The key is replaced, the write is found, or the call ends in doubt.
#[tokio::test(start_paused = true)]
async fn observer_sees_what_becomes_of_a_write() {
    let not_applied = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let found = || Verdict::Applied(Some(http::Response::new("").into()));
    let applied = Service::metronome().verifier_fn(move |_| async move { found() });
    let ledger = "POST /v1/contracts/addManualBalanceLedgerEntry";
    let twice = "1 500 http_500; retry http_500 500ms Preserve; 2 500 http_500";
    let rotated = "retry http_500 1s VerifyThenRotate; key 2 http_500; 3 200 returned";
    for (service, script, expected) in [
        (not_applied, &[500, 500, 200][..], format!("{twice}; {rotated}; {ledger} recovered")),
        (applied, &[500, 500], format!("{twice}; {ledger} verified_applied")),
        (Service::metronome(), &[500, 500], format!("{twice}; {ledger} in_doubt Unverified")),
    ] {
        assert_eq!(shown(service, LEDGER, script).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_and_refused_calls_end_too() {
    let notes = Notes::default();
    let (_, dropped) = client(&notes, Service::metronome(), vec![Reply::never()]);
    assert!(tokio::time::timeout(Duration::from_secs(3), dropped.post(LEDGER).send()).await.is_err());
    assert_eq!(notes.take(), "POST /v1/contracts/addManualBalanceLedgerEntry cancelled");

    let (_, client) = client(&notes, Service::metronome(), vec![]);
    failure!(client.post(LEDGER).header("Idempotency-Key", ""), |error| assert_eq!(error.attempts().count(), 0));
    assert_eq!(notes.take(), "POST /v1/contracts/addManualBalanceLedgerEntry failed Permanent");
}

/// Several observers and closures are shown the same, in their order; what is shown hides secrets.
#[tokio::test(start_paused = true)]
async fn closures_are_observers_of_one_event() {
    let notes = Notes::default();
    let noted = |name: &'static str| {
        let notes = notes.clone();
        move |text: String| notes.add(format!("{name} {text}"))
    };
    let (attempt, retry, rotate, end) = (noted("attempt"), noted("retry"), noted("rotate"), noted("end"));
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let transport = Transport::new([reply(500, &[], "secret"), status(500), status(200)]);
    let layer = SafeRetry::new([service])
        .clock(FixedClock::at(1.0))
        .on_attempt_fn(move |call, facts| {
            let debug = format!("{call:?} {facts:?}");
            assert!(!debug.contains("secret") && !debug.contains("my-key"), "{debug}");
            attempt(format!("{:?} {:?}", facts.duration(), facts.queued()));
        })
        .on_retry_fn(move |_, facts| retry(format!("{:?}", facts.key())))
        .on_rotate_fn(move |_, facts| rotate(facts.generation().to_string()))
        .on_end_fn(move |call, facts| end(format!("{} {}", call.path(), facts.outcome())));
    let client = transport.layered(layer.clone());
    client.post(format!("{LEDGER}?token=secret")).header("Idempotency-Key", "my-key").send().await.unwrap();
    let attempt = "attempt 0ns Some(0ns)";
    let path = "/v1/contracts/addManualBalanceLedgerEntry";
    let expected = format!(
        "{attempt}; retry Preserve; {attempt}; retry VerifyThenRotate; rotate 2; {attempt}; end {path} recovered"
    );
    assert_eq!(notes.take(), expected);
}
