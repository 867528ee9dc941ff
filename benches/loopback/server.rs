//! The server: answers at once, from a process of its own.

use std::{
    convert::Infallible,
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A path that is answered with 503 and a body of 10 KiB.
pub(crate) const UNAVAILABLE: &str = "/v1/unavailable";

pub(crate) struct Server {
    process: Child,
    base_url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let this = env::current_exe().expect("this program");
        let mut process =
            Command::new(this).arg("--serve").stdout(Stdio::piped()).spawn().expect("a process of its own");
        let mut base_url = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut base_url).expect("its address");
        Self { process, base_url: base_url.trim().to_owned() }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("its address"));
        let long = Bytes::from("x".repeat(10 * 1024));
        loop {
            // Too many open files: some will be closed.
            let Ok((stream, _)) = listener.accept().await else { continue };
            // Small answers are not held back.
            stream.set_nodelay(true).expect("a socket");
            let long = long.clone();
            let service = service_fn(move |request| answer(request, long.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

async fn answer(request: Request<Incoming>, long: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let unavailable = request.uri().path() == UNAVAILABLE;
    // Whoever breaks off gets no answer anyway.
    let _ = request.into_body().collect().await;
    let (status, body) = if unavailable { (503, long) } else { (200, Bytes::from_static(br#"{"data":[]}"#)) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status.try_into().expect("a status");
    Ok(response)
}
