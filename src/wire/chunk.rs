//! The next frame of a body.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use reqwest::Body;
use reqwest_middleware::Error;
use tokio::{sync::Notify, task::JoinSet};

/// The next frame, or none at the end, and the body to read on from.
pub(super) type Next = Result<(Body, Option<Frame<Bytes>>), Error>;

/// `length_is_known`: of a body that is decompressed it is not.
pub(super) async fn next(body: Body, length_is_known: bool) -> Next {
    if length_is_known { here(body).await } else { elsewhere(body).await }
}

async fn here(mut body: Body) -> Next {
    let frame = body.frame().await.transpose()?;
    Ok((body, frame))
}

/// Polls the body on a thread for blocking work, where a poll that does not return holds up neither the caller nor its
/// runtime.
///
/// A decompressor returns from a poll only with output, or once there is no more input. A server that sends blocks without
/// content faster than they are decompressed keeps it in one poll, and neither a timeout nor an abort can end a poll.
async fn elsewhere(mut body: Body) -> Next {
    let progress = Arc::new(Progress::default());
    loop {
        let waker = Waker::from(Arc::clone(&progress));
        // Of a caller that is gone, a poll that has not begun is not made.
        let mut thread = JoinSet::new();
        thread.spawn_blocking(move || {
            let polled = pin!(body.frame()).poll(&mut Context::from_waker(&waker));
            (body, polled)
        });
        let joined = thread.join_next().await.ok_or_else(|| Error::middleware(io::Error::other("no thread")))?;
        let (rest, polled) = joined.map_err(Error::middleware)?;
        match polled {
            Poll::Ready(frame) => return Ok((rest, frame.transpose()?)),
            Poll::Pending => progress.0.notified().await,
        }
        body = rest;
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
