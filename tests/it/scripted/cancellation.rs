//! A call that is dropped, wherever it stands: nothing more is sent, and nothing is kept.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use reqwest_safe_retry::{Doubt, RequestBuilderExt, RetryPolicy, SafeRetry, Service, Verdict};

use super::{LEDGER, LIST, metronome};
use crate::support::{
    clock::Pinned,
    transport::{Reply, Transport, reply, status},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Answers late, with a late body, and asks a slow verifier: a call with every await there is.
fn transport() -> Transport {
    let dripping = || {
        let parts = futures_util::stream::unfold(0, |part| async move {
            tokio::time::sleep(MS(100)).await;
            (part < 3).then_some((Ok::<_, std::io::Error>("x"), part + 1))
        });
        Reply::Late(MS(300), Box::new(reply(500, &[], reqwest::Body::wrap_stream(parts))))
    };
    Transport::new([dripping(), dripping(), Reply::Late(MS(300), Box::new(status(200)))])
}

fn service(asked: Arc<AtomicUsize>) -> Service {
    metronome(RetryPolicy::new().budget(28)).verifier(move |_: &Doubt<'_>| {
        asked.fetch_add(1, Ordering::Relaxed);
        async {
            tokio::time::sleep(MS(300)).await;
            Verdict::NotApplied
        }
    })
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_at_any_moment_sends_nothing_more_and_keeps_nothing() {
    let mut drops = 0;
    for moment in (0..4000).step_by(50) {
        let asked = Arc::new(AtomicUsize::new(0));
        let layer = SafeRetry::new([service(asked.clone())]).clock(Pinned::at(1.0));
        let transport = transport();
        let client = transport.layered(layer.clone());
        let ended = tokio::time::timeout(MS(moment), client.post(LEDGER).send()).await;
        let (sent, questions) = (transport.sent().len(), asked.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(
            (transport.sent().len(), asked.load(Ordering::Relaxed)),
            (sent, questions),
            "dropped at {moment} ms"
        );
        drops += usize::from(ended.is_err());
        // What a repeat that was sent has cost is gone; anything else is there again.
        let repeats = u32::try_from(sent.saturating_sub(1)).unwrap();
        let left = if ended.is_ok() { 28 } else { 28 - 14 * repeats };
        assert_eq!(affordable(&layer).await, left / 14, "budget after a drop at {moment} ms");
    }
    assert!(drops > 40, "the call was dropped {drops} times");
}

/// How many repeats the budget still allows.
async fn affordable(layer: &SafeRetry) -> u32 {
    let transport = Transport::new((0..3).map(|_| status(503)));
    let ended = transport.layered(layer.clone()).post(LIST).send().await;
    assert!(ended.is_err());
    u32::try_from(transport.sent().len()).unwrap() - 1
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_does_nothing() {
    let transport = Transport::new([]);
    drop(transport.client(Service::metronome()).post(LEDGER).send());
    assert_eq!(transport.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_polled_by_hand_is_dropped_between_any_two_polls() {
    for polls in 1..12 {
        let transport = transport();
        let client = transport.client(service(Arc::default()));
        {
            let mut call = pin!(client.post(LEDGER).send());
            for _ in 0..polls {
                if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tokio::time::advance(MS(150)).await;
            }
        }
        let sent = transport.sent().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(transport.sent().len(), sent, "dropped after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_the_callers_extensions_whole() {
    let transport = Transport::new([Reply::Silence, status(200)]);
    let client = transport.client(Service::metronome());
    let mut extensions = http::Extensions::new();
    extensions.insert(7_u32);
    let request = || reqwest::Request::new(http::Method::POST, LEDGER.parse().unwrap());
    let dropped = tokio::time::timeout(MS(100), client.execute_with_extensions(request(), &mut extensions)).await;
    assert!(dropped.is_err());
    assert_eq!(extensions.get(), Some(&7_u32));
    client.execute_with_extensions(request(), &mut extensions).await.unwrap();
    assert_eq!(extensions.get(), Some(&7_u32));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_finds_no_place_is_neither_paid_nor_given_a_new_key() {
    let policy = RetryPolicy::new().budget(500).deadline(Duration::from_secs(5));
    let service = metronome(policy).into_builder().window(reqwest_safe_retry::Window::Fixed(1)).build().unwrap();
    let transport = Transport::new([status(503), Reply::Silence]);
    let client = transport.client(service.clone());
    let first = tokio::spawn(client.post(LEDGER).idempotency_key("mine").send());
    tokio::time::sleep(MS(10)).await;
    // Takes the only place while the first waits for its repeat, and keeps it past the first's deadline.
    let second = tokio::spawn(client.post(LIST).send());
    let outer = first.await.unwrap().unwrap_err();
    let error = reqwest_safe_retry::Error::find(&outer).unwrap();
    assert_eq!(error.key().unwrap().as_str(), "mine");
    assert_eq!((error.attempts().count(), error.is_in_doubt()), (1, true));
    assert_eq!(service.health().budget, 500);
    second.abort();
}
