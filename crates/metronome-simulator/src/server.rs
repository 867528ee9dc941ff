//! Accepts, serves and closes connections.

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

use crate::close::Close;
use crate::gateway::Gateway;
use crate::runtime::sleep;

/// Long enough for a client on the same machine to read the status line before the reset.
const READ_TIME: Duration = Duration::from_millis(5);

/// A request without a response: its connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("closed without a response")]
struct Unanswered(Close);

/// Serves until the future is dropped, which closes all connections.
pub(crate) async fn serve(listener: TcpListener, gateway: Arc<Gateway>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve_connection(stream, Arc::clone(&gateway)));
            }
            // Usually too many open files, which is temporary.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection. An error of the service makes hyper return without a response, and hand back the socket.
async fn serve_connection(stream: TcpStream, gateway: Arc<Gateway>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { gateway.serve(request.map(Body::new)).await.map_err(Unanswered) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    if let Some(Unanswered(close)) = error.source().and_then(|source| source.downcast_ref()) {
        // If this fails (for example because the client has disconnected), dropping the socket closes the connection.
        let _ = close_stream(connection.into_parts().io.into_inner(), *close).await;
    }
}

async fn close_stream(stream: TcpStream, close: Close) -> io::Result<()> {
    match close {
        Close::Orderly => Ok(()),
        Close::Half => half_close(stream).await,
        Close::Reset => reset(&stream),
        Close::Midway => {
            stream.writable().await?;
            stream.try_write(b"HTTP/1.1 200 OK\r\n")?;
            sleep(READ_TIME).await;
            reset(&stream)
        }
    }
}

/// Sends a FIN and keeps reading until the client closes its half.
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

/// With a linger time of zero, closing the socket sends a RST instead of a FIN.
// Deprecated because other linger times block the thread. `set_zero_linger` needs a newer tokio.
#[allow(deprecated)]
fn reset(stream: &TcpStream) -> io::Result<()> {
    stream.set_linger(Some(Duration::ZERO))
}
