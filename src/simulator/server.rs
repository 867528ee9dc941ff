//! Connections: accepted, served, and closed as told.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fault::Close;
use super::gateway::Gateway;
use super::pause::pause;

/// A request whose connection is closed instead.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Unanswered(Close);

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(listener: TcpListener, gateway: Arc<Gateway>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, Arc::clone(&gateway)));
            }
            // Most often too many open files, which passes.
            Err(_) => pause(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A service's error makes hyper give up the connection without an answer: that is how one is dropped.
async fn serve_connection(stream: TcpStream, gateway: Arc<Gateway>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.serve(request.map(Body::new)).await.map_err(Unanswered) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let end = (&mut connection).await;
    if end.is_err_and(|error| wants_reset(&error)) {
        reset(connection.into_parts().io.into_inner());
    }
}

fn wants_reset(error: &hyper::Error) -> bool {
    let unanswered = error.source().and_then(|source| source.downcast_ref());
    matches!(unanswered, Some(Unanswered(Close::Reset)))
}

/// Without lingering, closing sends RST instead of FIN.
// Deprecated because lingering for a while blocks a thread; zero does not, and `set_zero_linger` is too young.
#[allow(deprecated)]
fn reset(stream: TcpStream) {
    // Where the option is refused, the connection still closes, in an orderly way.
    let _ = stream.set_linger(Some(Duration::ZERO));
}
