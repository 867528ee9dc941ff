//! The next chunk of a body.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use reqwest::Response;
use tokio::{sync::Notify, task::JoinSet};

/// The next chunk, and the response to read on from; `None` if the body fails.
pub(super) type Next = Option<(Response, Option<Bytes>)>;

pub(super) async fn here(mut response: Response) -> Next {
    let chunk = response.chunk().await.ok()?;
    Some((response, chunk))
}

/// Polls the body on a thread for blocking work, where a poll that does not return holds up neither the caller nor its
/// runtime.
///
/// A decompressor returns from a poll only with output, or once there is no more input. A server that sends blocks without
/// content faster than they are decompressed keeps it in one poll, and neither a timeout nor an abort can end a poll.
pub(super) async fn elsewhere(mut response: Response) -> Next {
    let progress = Arc::new(Progress::default());
    loop {
        let waker = Waker::from(Arc::clone(&progress));
        // Of a caller that is gone, a poll that has not begun is not made.
        let mut thread = JoinSet::new();
        thread.spawn_blocking(move || {
            let polled = pin!(response.chunk()).poll(&mut Context::from_waker(&waker));
            (response, polled)
        });
        let (rest, polled) = thread.join_next().await?.ok()?;
        match polled {
            Poll::Ready(chunk) => return Some((rest, chunk.ok()?)),
            Poll::Pending => progress.0.notified().await,
        }
        response = rest;
    }
}

/// Set when the body can be polled again, also if nothing waits for that yet.
#[derive(Default)]
struct Progress(Notify);

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}
