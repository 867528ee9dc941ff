//! Connections that the server closes while a request is on its way.

use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest_safe_retry::{Applied, Failure};

use super::{SOON, failure, layered};
use crate::{
    support::servers::{Server, client, client_builder},
    wire::typed,
};

/// reqwest does not send a request again by itself when a reused connection closes.
#[tokio::test]
async fn reused_connection_is_not_retried_silently() {
    let server = Server::tcp(|mut peer| async move {
        peer.request().await;
        peer.answer(200, "", "{}").await;
        peer.request().await;
    });
    let client = layered(&server.base_url(), client(), 2);
    client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
    let error = typed(client.post(server.url("/")).body("{}").send().await.unwrap_err());
    assert_eq!(failure(&error), Failure::Ambiguous);
    assert_eq!((error.applied(), server.requests(), server.connections()), (Applied::Unknown, 2, 1));
}

/// The request races with the close. Whether it is sent again below the layer or ends in doubt, it is executed once at
/// most, and an error never says that it was not applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_idle_connection_never_executes_twice() {
    let executed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executed);
    let server = Server::tcp(move |mut peer| {
        let executed = Arc::clone(&counted);
        async move {
            while let Some(head) = peer.request().await {
                executed.fetch_add(usize::from(head.starts_with("POST")), Ordering::SeqCst);
                peer.answer(200, "", "{}").await;
                if head.starts_with("GET") {
                    return yield_times(peer.number() % 8).await;
                }
            }
        }
    });
    for round in 0..60 {
        executed.store(0, Ordering::SeqCst);
        let client = layered(&server.base_url(), client(), 2);
        client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
        yield_times(round % 7).await;
        let sent = client.post(server.url("/")).body("{}").send().await;
        let executed = executed.load(Ordering::SeqCst);
        match sent.map_err(typed) {
            Ok(_) => assert_eq!(executed, 1, "round {round}"),
            Err(error) => {
                assert_eq!(failure(&error), Failure::Ambiguous, "round {round}");
                assert_eq!((executed, error.applied()), (0, Applied::Unknown), "round {round}");
            }
        }
    }
}

/// The request races with the close: it is not processed if hyper cancels it, and in doubt once it was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_new_connection_is_classified() {
    let server = Server::tcp(|peer| async move { yield_times(peer.number() % 10 / 2).await });
    for round in 0..100 {
        let client = client_builder().timeout(SOON);
        let client = if round % 2 == 0 { client.http2_prior_knowledge() } else { client };
        let client = layered(&server.base_url(), client.build().unwrap(), 1);
        let error = typed(client.post(server.url("/")).body("{}").send().await.unwrap_err());
        let canceled = causes(&error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_canceled));
        match failure(&error) {
            Failure::NotProcessed => assert_eq!(error.applied(), Applied::No, "round {round}"),
            Failure::Ambiguous if !canceled => assert_eq!(error.applied(), Applied::Unknown, "round {round}"),
            Failure::NotSent if error.is_connect() => {}
            other => panic!("round {round}: {other:?}: {:?}", error.source()),
        }
    }
    assert_eq!(server.requests(), 0);
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Waits for less than a timer can.
async fn yield_times(length: usize) {
    for _ in 0..length * length {
        tokio::task::yield_now().await;
    }
}
