//! A service that accepts so many requests in a second, and answers 429 to the others.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::Empty;
use hyper::{Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, time::sleep};

const TAKES: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub(crate) struct Limited {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    per_second: u32,
    window: (Instant, u32),
    accepted: u32,
    requests: u32,
}

impl Limited {
    /// It serves as long as the runtime lasts.
    pub(crate) async fn start(per_second: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { per_second, window: (Instant::now(), 0), accepted: 0, requests: 0 };
        let limited = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let accepting = limited.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let limited = accepting.clone();
                let answer = service_fn(move |_| limited.clone().answer());
                tokio::spawn(async move {
                    let server =
                        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(client), answer);
                    let _ = server.await;
                });
            }
        });
        limited
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came, and how many of them were accepted.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let state = self.state.lock().unwrap();
        (state.requests, state.accepted)
    }

    async fn answer(self) -> Result<Response<Empty<Bytes>>, Infallible> {
        let is_accepted = self.state.lock().unwrap().accept();
        sleep(TAKES).await;
        let mut response = Response::new(Empty::new());
        if !is_accepted {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        }
        Ok(response)
    }
}

impl State {
    fn accept(&mut self) -> bool {
        self.requests += 1;
        if self.window.0.elapsed() >= Duration::from_secs(1) {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += 1;
        let is_accepted = self.window.1 <= self.per_second;
        self.accepted += u32::from(is_accepted);
        is_accepted
    }
}
