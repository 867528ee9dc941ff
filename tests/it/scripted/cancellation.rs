//! A dropped call sends nothing more and keeps no permit and no token.

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

use reqwest_safe_retry::{RequestBuilderExt, RetryPolicy, SafeRetry, Service, Verdict};

use super::{LEDGER, LIST, metronome, with_budget};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Answers late and with a slow body, so that a call passes through every await of the layer.
fn transport() -> Transport {
    let slow_body = || {
        let parts = futures_util::stream::unfold(0, |part| async move {
            tokio::time::sleep(MS(100)).await;
            (part < 3).then_some((Ok::<_, std::io::Error>("x"), part + 1))
        });
        reply(500, &[], reqwest::Body::wrap_stream(parts)).after(MS(300))
    };
    Transport::new([slow_body(), slow_body(), status(200).after(MS(300))])
}

fn service(verifications: Arc<AtomicUsize>) -> Service {
    with_budget(28, RetryPolicy::new()).verifier_fn(move |_| {
        verifications.fetch_add(1, Ordering::Relaxed);
        async {
            tokio::time::sleep(MS(300)).await;
            Verdict::NotApplied
        }
    })
}

#[tokio::test(start_paused = true)]
async fn dropped_call_sends_nothing_more() {
    let mut drops = 0;
    for moment in (0..4000).step_by(50) {
        let verifications = Arc::new(AtomicUsize::new(0));
        let layer = SafeRetry::new([service(verifications.clone())]).clock(FixedClock::at(1.0));
        let transport = transport();
        let client = transport.layered(layer.clone());
        let ended = tokio::time::timeout(MS(moment), client.post(LEDGER).send()).await;
        let (sent, verified) = (transport.sent().len(), verifications.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(
            (transport.sent().len(), verifications.load(Ordering::Relaxed)),
            (sent, verified),
            "dropped at {moment} ms"
        );
        drops += usize::from(ended.is_err());
        // Retries that were sent have used their tokens; all other tokens are refunded.
        let retries = u32::try_from(sent.saturating_sub(1)).unwrap();
        let left = if ended.is_ok() { 28 } else { 28 - 14 * retries };
        assert_eq!(affordable_retries(&layer).await, left / 14, "budget after a drop at {moment} ms");
    }
    assert!(drops > 40, "the call was dropped {drops} times");
}

/// The number of retries that the budget still allows.
async fn affordable_retries(layer: &SafeRetry) -> u32 {
    let transport = Transport::new((0..3).map(|_| status(503)));
    let ended = transport.layered(layer.clone()).post(LIST).send().await;
    assert!(ended.is_err());
    u32::try_from(transport.sent().len()).unwrap() - 1
}

#[tokio::test(start_paused = true)]
async fn unpolled_call_does_nothing() {
    let transport = Transport::new([]);
    drop(transport.client(Service::metronome()).post(LEDGER).send());
    assert_eq!(transport.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn call_can_be_dropped_between_polls() {
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
async fn dropped_call_keeps_the_callers_extensions() {
    let transport = Transport::new([Reply::never(), status(200)]);
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
async fn retry_without_permit_costs_nothing() {
    let policy = RetryPolicy::new().deadline(Duration::from_secs(5));
    let service = metronome(policy)
        .into_builder()
        .concurrency_limit(reqwest_safe_retry::ConcurrencyLimit::Fixed(1))
        .build()
        .unwrap();
    let transport = Transport::new([status(503), Reply::never()]);
    let client = transport.client(service.clone());
    let first = tokio::spawn(client.post(LEDGER).idempotency_key("mine").send());
    tokio::time::sleep(MS(10)).await;
    // Takes the only permit while the first call backs off, and keeps it past the first call's deadline.
    let second = tokio::spawn(client.post(LIST).send());
    let outer = first.await.unwrap().unwrap_err();
    let error = reqwest_safe_retry::Error::find(&outer).unwrap();
    assert_eq!(error.key().unwrap().as_str(), "mine");
    assert_eq!((error.attempts().count(), error.is_in_doubt()), (1, true));
    assert_eq!(service.health().retry_budget, 500);
    second.abort();
}
