//! Connections: accepted, served, and closed as told.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::Shutdown;
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

/// Long enough for a client on the same machine to read what was sent before it sees the reset.
const READ_BY_THEN: Duration = Duration::from_millis(5);

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
    let Err(error) = (&mut connection).await else { return };
    if let Some(Unanswered(close)) = error.source().and_then(|source| source.downcast_ref()) {
        // Where the client is gone already, or the socket refuses, the connection still closes, in an orderly way.
        let _ = end(connection.into_parts().io.into_inner(), *close).await;
    }
}

async fn end(stream: TcpStream, close: Close) -> io::Result<()> {
    match close {
        Close::Orderly => Ok(()),
        Close::Half => half_close(stream).await,
        Close::Reset => reset(&stream),
        Close::Midway => {
            stream.writable().await?;
            stream.try_write(b"HTTP/1.1 200 OK\r\n")?;
            pause(READ_BY_THEN).await;
            reset(&stream)
        }
    }
}

/// Sends FIN, and reads on until the client closes its half.
async fn half_close(stream: TcpStream) -> io::Result<()> {
    let stream = stream.into_std()?;
    stream.shutdown(Shutdown::Write)?;
    let stream = TcpStream::from_std(stream)?;
    let mut ignored = [0; 1024];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut ignored) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Without lingering, closing sends RST instead of FIN.
// Deprecated because lingering for a while blocks a thread; zero does not, and `set_zero_linger` is too young.
#[allow(deprecated)]
fn reset(stream: &TcpStream) -> io::Result<()> {
    stream.set_linger(Some(Duration::ZERO))
}
