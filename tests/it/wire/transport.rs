//! What the layer makes of each way in which a transport fails: real sockets, real time, a real reqwest client.
//!
//! Every row is one failure. A call with a single attempt shows its class, a write without a key shows what follows
//! from that: it is sent again where it was provably not processed, and nowhere else.

use std::{
    error::Error as StdError,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Method};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use reqwest::{Body, Client, Proxy, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Backoff, Error, ErrorKind, Failure, Idempotency, Met, RetryPolicy, SafeRetry, Service, Stop,
};

use super::typed;
use crate::support::{
    faults::{Fault, NoNames, provoke},
    http2::{ANY_STREAM, Http2, code},
    servers::{Identity, Peer, Server, client, client_builder, closed_port},
};

const SOON: Duration = Duration::from_millis(100);
/// Larger than what the sockets' buffers and an HTTP/2 window take.
const LARGE: usize = 8 << 20;

/// What becomes of a request that HTTP/2 gave back: without the feature that cannot be told.
const GIVEN_BACK: Failure = if cfg!(feature = "http2") { Failure::NotProcessed } else { Failure::Ambiguous };

/// A failure, and what is expected of it.
struct Row {
    name: &'static str,
    scene: fn() -> Scene,
    failure: Failure,
    timed_out: bool,
    connecting: bool,
    /// Requests that reach the server for one attempt of the layer.
    requests: usize,
}

/// Where a request is sent, how and what.
struct Scene {
    server: Option<Server>,
    base_url: String,
    path: &'static str,
    client: Client,
    body: Vec<u8>,
}

/// A row whose request reaches the server once and whose error is neither a timeout nor a connection's.
fn row(name: &'static str, failure: Failure, scene: fn() -> Scene) -> Row {
    Row { name, scene, failure, timed_out: false, connecting: false, requests: 1 }
}

impl Row {
    fn timed_out(self) -> Self {
        Self { timed_out: true, ..self }
    }

    /// There was no connection, so no request was seen.
    fn connecting(self) -> Self {
        Self { connecting: true, requests: 0, ..self }
    }

    fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }
}

impl Scene {
    fn at(base_url: impl Into<String>) -> Self {
        Self { server: None, base_url: base_url.into(), path: "/", client: client(), body: b"{}".to_vec() }
    }

    fn of(server: Server) -> Self {
        Self { base_url: server.base_url(), server: Some(server), ..Self::at("") }
    }

    fn tcp<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Self {
        Self::of(Server::tcp(behaviour))
    }

    fn tls<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Self {
        Self::of(Server::tls(Identity::trusted(), behaviour))
    }

    /// A server and a client that speak HTTP/2 from the start.
    fn http2<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Http2) -> F) -> Self {
        let server = Server::tcp(move |peer| async move {
            if let Some(peer) = Http2::of(peer).await {
                behaviour(peer).await;
            }
        });
        Self::of(server).client(client_builder().http2_prior_knowledge())
    }

    fn client(self, client: reqwest::ClientBuilder) -> Self {
        Self { client: client.build().unwrap(), ..self }
    }

    fn large(self) -> Self {
        Self { body: vec![b' '; LARGE], ..self }
    }

    fn requests(&self) -> usize {
        self.server.as_ref().map_or(0, Server::requests)
    }

    async fn call(&self, method: Method, attempts: u32) -> Error {
        let client = layered(&self.base_url, self.client.clone(), attempts);
        let url = format!("{}{}", self.base_url, self.path);
        let sent = client.request(method, url).body(self.body.clone()).send().await;
        typed(sent.expect_err("the transport did not fail"))
    }
}

/// A client with the layer and a service without keys at this address.
fn layered(base_url: &str, client: Client, attempts: u32) -> ClientWithMiddleware {
    let at_once = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let policy = RetryPolicy::new().max_attempts(attempts).transient(at_once).deadline(Duration::from_secs(10));
    let service = Service::builder("wire").base_url(base_url.to_owned()).idempotency(Idempotency::none());
    ClientBuilder::new(client).with(SafeRetry::new([service.retry(policy).build().unwrap()])).build()
}

fn failure(error: &Error) -> Failure {
    match error.attempts().iter().last().unwrap().met() {
        Met::Failure(failure) => failure,
        met => panic!("there was an answer: {met}"),
    }
}

/// Plays every row and shows all that differ.
async fn hold(rows: impl IntoIterator<Item = Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        let scene = (row.scene)();
        let error = scene.call(Method::GET, 1).await;
        let found = (failure(&error), error.is_timeout(), error.is_connect(), scene.requests());
        let expected = (row.failure, row.timed_out, row.connecting, row.requests);
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}: {:?}", row.name, error.source()));
        }

        let scene = (row.scene)();
        let error = scene.call(Method::POST, 2).await;
        let found = (error.attempts().count(), error.stop(), error.applied(), scene.requests());
        let (attempts, stop, applied) = unkeyed_write(row.failure);
        let expected = (attempts, stop, applied, attempts * row.requests);
        if found != expected {
            wrong.push(format!("{}, a write: {found:?}, not {expected:?}", row.name));
        }
        assert_eq!(error.kind(), ErrorKind::Transport, "{}", row.name);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What becomes of a write without a key that may be sent twice.
fn unkeyed_write(failure: Failure) -> (usize, Stop, Applied) {
    match failure {
        Failure::NotSent | Failure::NotProcessed => (2, Stop::Attempts, Applied::No),
        Failure::Ambiguous => (1, Stop::NotIdempotent, Applied::Unknown),
        Failure::RedirectLoop => (1, Stop::Permanent, Applied::Unknown),
        _ => (1, Stop::Permanent, Applied::No),
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    hold([
        row("refused", Failure::NotSent, || Scene::at(format!("http://{}", closed_port()))).connecting(),
        row("refused behind https", Failure::NotSent, || Scene::at(format!("https://{}", closed_port()))).connecting(),
        row("no route: TCP has no broadcast", Failure::NotSent, || Scene::at("http://255.255.255.255:9")).connecting(),
        row("no such address of our own", Failure::NotSent, || {
            Scene::tcp(Peer::hold).client(client_builder().local_address(SocketAddr::from(([192, 0, 2, 1], 0)).ip()))
        })
        .connecting(),
        row("name not resolved", Failure::NotSent, || {
            Scene::at("http://service.test").client(client_builder().dns_resolver(Arc::new(NoNames)))
        })
        .connecting(),
        row("name without an address", Failure::NotSent, || {
            Scene::at("http://service.test").client(client_builder().resolve_to_addrs("service.test", &[]))
        })
        .connecting(),
        row("proxy refuses the tunnel", Failure::NotSent, || {
            let proxy = Server::tcp(|mut peer| async move {
                peer.request().await;
                peer.answer(502, "", "").await;
            });
            let client = client_builder().proxy(Proxy::https(proxy.base_url()).unwrap());
            Scene { server: Some(proxy), ..Scene::at("https://service.test").client(client) }
        })
        .connecting()
        .requests(1),
    ])
    .await;
}

#[tokio::test]
async fn times_that_pass() {
    hold([
        row("connect timeout, handshake silent", Failure::NotSent, || {
            Scene::of(Server::tcp(Peer::hold).under("https")).client(client_builder().connect_timeout(SOON / 5))
        })
        .timed_out()
        .connecting(),
        row("total timeout", Failure::Ambiguous, || Scene::tcp(silent).client(client_builder().timeout(SOON)))
            .timed_out(),
        row("read timeout", Failure::Ambiguous, || Scene::tcp(silent).client(client_builder().read_timeout(SOON)))
            .timed_out(),
    ])
    .await;
}

/// A backlog that is full drops what comes next.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn times_that_pass_before_the_connection_is_there() {
    use std::net::TcpStream;

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let queued: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, SOON / 4).ok()).take(16).collect();
    assert!(queued.len() < 16, "the backlog is never full");

    let scene = Scene::at(format!("http://{address}")).client(client_builder().connect_timeout(SOON / 5));
    let error = scene.call(Method::POST, 2).await;
    assert_eq!(failure(&error), Failure::NotSent);
    assert!(error.is_timeout() && error.is_connect());
    assert_eq!((error.attempts().count(), error.applied()), (2, Applied::No));
}

async fn silent(mut peer: Peer) {
    peer.request().await;
    peer.hold().await;
}

async fn resets(mut peer: Peer) {
    peer.request().await;
    peer.reset();
}

async fn closes(mut peer: Peer) {
    peer.request().await;
}

#[tokio::test]
async fn http1_connections_that_break() {
    hold([
        row("reset after the request", Failure::Ambiguous, || Scene::tcp(resets)),
        row("closed after the request", Failure::Ambiguous, || Scene::tcp(closes)),
        row("closed within the status line", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 20").await;
            })
        }),
        row("closed within the head", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 200 OK\r\nContent-Ty").await;
            })
        }),
        row("closed after an interim answer", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 102 Processing\r\n\r\n").await;
            })
        }),
        row("garbage instead of an answer", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("Welcome to the jungle\r\n\r\n").await;
            })
        }),
        row("a head that never ends", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.request().await;
                peer.send(format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(200))).await;
                peer.hold().await;
            })
        }),
        row("reset within the request's body", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.head().await;
                peer.reset();
            })
            .large()
        }),
        row("closed within the request's body", Failure::Ambiguous, || {
            Scene::tcp(|mut peer| async move {
                peer.head().await;
            })
            .large()
        }),
    ])
    .await;
}

#[tokio::test]
async fn tls_that_fails() {
    hold([
        row("certificate not trusted", Failure::Untrusted, || {
            Scene::of(Server::tls(&Identity::of("127.0.0.1"), Peer::hold))
        })
        .connecting(),
        row("certificate for another name", Failure::Untrusted, || {
            let client = client_builder().resolve("service.test", SocketAddr::from(([127, 0, 0, 1], 0)));
            let server = Server::tls(Identity::trusted(), Peer::hold);
            let port = server.base_url().rsplit(':').next().unwrap().to_owned();
            let scene = Scene::at(format!("https://service.test:{port}")).client(client);
            Scene { server: Some(server), ..scene }
        })
        .connecting(),
        row("no TLS behind https", Failure::Untrusted, || {
            let plain = Server::tcp(|mut peer| async move {
                peer.take(1).await;
                peer.answer(400, "", "").await;
            });
            Scene::of(plain.under("https"))
        })
        .connecting(),
        row("handshake refused by an alert", Failure::Untrusted, || {
            const FATAL_HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
            let refusing = Server::tcp(|mut peer| async move {
                peer.take(1).await;
                peer.send(FATAL_HANDSHAKE_FAILURE).await;
            });
            Scene::of(refusing.under("https"))
        })
        .connecting(),
        row("handshake closed", Failure::NotSent, || {
            Scene::of(
                Server::tcp(|mut peer| async move {
                    peer.take(1).await;
                })
                .under("https"),
            )
        })
        .connecting(),
        row("handshake reset", Failure::NotSent, || {
            let resetting = Server::tcp(|mut peer| async move {
                peer.take(1).await;
                peer.reset();
            });
            Scene::of(resetting.under("https"))
        })
        .connecting(),
        row("reset after the request", Failure::Ambiguous, || Scene::tls(resets)),
        row("closed after the request", Failure::Ambiguous, || Scene::tls(closes)),
        row("closed before the request", Failure::NotProcessed, || {
            Scene::of(Server::tls12(Identity::trusted(), |_| async {}))
        })
        .requests(0),
        row("no TLS any more", Failure::Ambiguous, || {
            Scene::tls(|mut peer| async move {
                peer.request().await;
                peer.send_unencrypted("HTTP/1.1 200 OK\r\n\r\n").await;
                peer.hold().await;
            })
        }),
    ])
    .await;
}

async fn refuses(mut peer: Http2) {
    while let Some(stream) = peer.request().await {
        peer.reset_stream(stream, code::REFUSED_STREAM).await;
    }
}

/// Ends the first request's stream with this code.
async fn resets_stream(mut peer: Http2, code: u32) {
    if let Some(stream) = peer.request().await {
        peer.reset_stream(stream, code).await;
    }
    peer.hold().await;
}

/// reqwest sends a request again by itself, twice, where it was refused or the connection ended gracefully before it.
#[tokio::test]
async fn http2_requests_that_were_not_processed() {
    hold([
        row("REFUSED_STREAM", GIVEN_BACK, || Scene::http2(refuses)).requests(3),
        row("REFUSED_STREAM, reqwest's own repeats switched off", GIVEN_BACK, || {
            Scene::http2(refuses).client(client_builder().http2_prior_knowledge().retry(reqwest::retry::never()))
        }),
        row("REFUSED_STREAM over TLS", GIVEN_BACK, || {
            let server = Server::tls_http2(Identity::trusted(), |peer| async {
                if let Some(peer) = Http2::of(peer).await {
                    refuses(peer).await;
                }
            });
            Scene::of(server)
        })
        .requests(3),
        row("GOAWAY below the stream", GIVEN_BACK, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(0, code::NO_ERROR).await;
                peer.hold().await;
            })
        })
        .requests(3),
        row("GOAWAY below the stream after one that left it open", GIVEN_BACK, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(ANY_STREAM, code::NO_ERROR).await;
                peer.go_away(0, code::NO_ERROR).await;
            })
        })
        .requests(3),
        row("GOAWAY below the stream with an error", GIVEN_BACK, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(0, code::ENHANCE_YOUR_CALM).await;
            })
        }),
    ])
    .await;
}

#[tokio::test]
async fn http2_requests_that_may_have_been_processed() {
    hold([
        row("RST_STREAM: INTERNAL_ERROR", Failure::Ambiguous, || {
            Scene::http2(|peer| resets_stream(peer, code::INTERNAL_ERROR))
        }),
        row("RST_STREAM: CANCEL", Failure::Ambiguous, || Scene::http2(|peer| resets_stream(peer, code::CANCEL))),
        row("RST_STREAM: NO_ERROR", Failure::Ambiguous, || Scene::http2(|peer| resets_stream(peer, code::NO_ERROR))),
        row("RST_STREAM: PROTOCOL_ERROR", Failure::Ambiguous, || {
            Scene::http2(|peer| resets_stream(peer, code::PROTOCOL_ERROR))
        }),
        row("RST_STREAM: ENHANCE_YOUR_CALM", Failure::Ambiguous, || {
            Scene::http2(|peer| resets_stream(peer, code::ENHANCE_YOUR_CALM))
        }),
        row("RST_STREAM: HTTP_1_1_REQUIRED", Failure::Ambiguous, || {
            Scene::http2(|peer| resets_stream(peer, code::HTTP_1_1_REQUIRED))
        }),
        row("GOAWAY from the stream on", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::NO_ERROR).await;
                }
            })
        }),
        row("GOAWAY from the stream on with an error", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::INTERNAL_ERROR).await;
                }
            })
        }),
        row("GOAWAY that leaves the stream open, then closed", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(ANY_STREAM, code::NO_ERROR).await;
            })
        }),
        row("GOAWAY from the stream on, then a reset", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::ENHANCE_YOUR_CALM).await;
                }
                peer.reset();
            })
        }),
        row("closed", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
            })
        }),
        row("reset", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.reset();
            })
        }),
        row("closed within the request's body", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                peer.head().await;
            })
            .large()
        }),
        row("a frame that breaks the protocol", Failure::Ambiguous, || {
            Scene::http2(|mut peer| async move {
                peer.request().await;
                peer.break_protocol().await;
                peer.hold().await;
            })
        }),
    ])
    .await;
}

/// A server that goes away and still answers what it has begun.
#[tokio::test]
async fn an_http2_connection_that_ends_after_its_answer() {
    let scene = Scene::http2(|mut peer| async move {
        if let Some(stream) = peer.request().await {
            peer.go_away(stream, code::NO_ERROR).await;
            peer.answer(stream).await;
        }
    });
    let client = layered(&scene.base_url, scene.client.clone(), 2);
    for sent in 1..=2 {
        client.post(&scene.base_url).body("{}").send().await.unwrap();
        assert_eq!(scene.requests(), sent);
    }
}

#[tokio::test]
async fn requests_that_cannot_be_sent() {
    hold([
        row("http where only https is allowed", Failure::Unsendable, || {
            Scene::tcp(silent).client(client_builder().https_only(true))
        })
        .requests(0),
        row("a URL that is too long", Failure::Unsendable, || {
            static PATH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!("/{}", "a".repeat(1 << 16)));
            Scene { path: &PATH, ..Scene::tcp(silent) }
        })
        .requests(0),
    ])
    .await;
}

async fn redirects(mut peer: Peer, to: &str) {
    while peer.request().await.is_some() {
        peer.answer(307, &format!("Location: {to}\r\n"), "").await;
    }
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    hold([
        row("in a circle", Failure::RedirectLoop, || Scene::tcp(|peer| redirects(peer, "/"))).requests(11),
        row("to another scheme", Failure::RedirectLoop, || Scene::tcp(|peer| redirects(peer, "ftp://service.test/"))),
        row("to http where only https is allowed", Failure::RedirectLoop, || {
            Scene::tls(|peer| redirects(peer, "http://service.test/")).client(client_builder().https_only(true))
        }),
    ])
    .await;
}

/// The request's own body fails, with an error that another connection's failure has left in it.
#[tokio::test]
async fn a_body_that_fails_says_nothing_about_its_connection() {
    for fault in [Fault::ConnectRefused, Fault::DnsError, Fault::TlsCertInvalid, Fault::H2RefusedStream] {
        let server = Server::tcp(silent);
        let body = Body::wrap(Failing { begun: false, with: Some(provoke(fault).await) });
        let sent = layered(&server.base_url(), client(), 2).post(server.url("/")).body(body).send().await;
        let error = typed(sent.unwrap_err());
        assert_eq!(failure(&error), Failure::Ambiguous, "{fault:?}");
        assert_eq!((error.stop(), error.applied()), (Stop::NotIdempotent, Applied::Unknown), "{fault:?}");
    }
}

/// A body that ends in an error after its first bytes.
struct Failing {
    begun: bool,
    with: Option<reqwest::Error>,
}

impl HttpBody for Failing {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        if std::mem::replace(&mut self.begun, true) {
            return Poll::Ready(self.with.take().map(Err));
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
    }
}

/// On a connection that has served before, a request is not sent a second time behind the layer's back.
#[tokio::test]
async fn a_used_connection_that_closes_without_an_answer() {
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

/// The server closes an idle connection while the next request is on its way to it. Whether that is sent again below
/// the layer or ends in doubt, it is executed once at most, and an error does not deny that it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_closes_under_a_request() {
    let executed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executed);
    let server = Server::tcp(move |mut peer| {
        let executed = Arc::clone(&counted);
        async move {
            while let Some(head) = peer.request().await {
                executed.fetch_add(usize::from(head.starts_with("POST")), Ordering::SeqCst);
                peer.answer(200, "", "{}").await;
                if head.starts_with("GET") {
                    return a_moment(peer.number() % 8).await;
                }
            }
        }
    });
    for round in 0..60 {
        executed.store(0, Ordering::SeqCst);
        let client = layered(&server.base_url(), client(), 2);
        client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap();
        a_moment(round % 7).await;
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

/// The server closes a new connection while the first request is on its way to it. What becomes of that is chance: it
/// is provably not sent where the client gives it back, and in doubt where it was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_connection_that_closes_under_a_request() {
    let server = Server::tcp(|peer| async move { a_moment(peer.number() % 10 / 2).await });
    for round in 0..100 {
        let client = client_builder().timeout(SOON);
        let client = if round % 2 == 0 { client.http2_prior_knowledge() } else { client };
        let client = layered(&server.base_url(), client.build().unwrap(), 1);
        let error = typed(client.post(server.url("/")).body("{}").send().await.unwrap_err());
        let given_back = causes(&error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_canceled));
        match failure(&error) {
            Failure::NotProcessed => assert_eq!(error.applied(), Applied::No, "round {round}"),
            Failure::Ambiguous if !given_back => assert_eq!(error.applied(), Applied::Unknown, "round {round}"),
            Failure::NotSent if error.is_connect() => {}
            other => panic!("round {round}: {other:?}: {:?}", error.source()),
        }
    }
    assert_eq!(server.requests(), 0);
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Shorter than what a timer can measure.
async fn a_moment(length: usize) {
    for _ in 0..length * length {
        tokio::task::yield_now().await;
    }
}

/// What a name stands for is what the layer makes of it.
#[tokio::test]
async fn every_named_fault_can_be_provoked() {
    for (name, failure_met) in [
        ("connect_refused", Failure::NotSent),
        ("connect_timeout", Failure::NotSent),
        ("dns_error", Failure::NotSent),
        ("h2_refused_stream", GIVEN_BACK),
        ("h2_goaway_unprocessed", GIVEN_BACK),
        ("reset_before_response", Failure::Ambiguous),
        ("read_timeout", Failure::Ambiguous),
        ("h2_goaway_processed", Failure::Ambiguous),
        ("tls_cert_invalid", Failure::Untrusted),
        ("builder_error", Failure::Unsendable),
        ("too_many_redirects", Failure::RedirectLoop),
    ] {
        let fault: Fault = name.parse().unwrap();
        let service = Service::builder("wire").base_url("http://service.test").retry(RetryPolicy::never());
        let layer = SafeRetry::new([service.build().unwrap()]);
        let client = ClientBuilder::new(client()).with(layer).with(Provoking(fault)).build();
        let error = typed(client.get("http://service.test/").send().await.unwrap_err());
        assert_eq!(failure(&error), failure_met, "{name}");
    }
    assert!("no_such_fault".parse::<Fault>().is_err());
}

/// An answer that a middleware below the layer has made an error is one all the same: the request was sent.
#[tokio::test]
async fn an_answer_that_was_made_an_error() {
    let server = Server::tcp(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(500, "", "").await;
        }
    });
    let service = Service::builder("wire").base_url(server.base_url()).retry(RetryPolicy::never());
    let layer = SafeRetry::new([service.build().unwrap()]);
    let client = ClientBuilder::new(client()).with(layer).with(StatusAsError).build();
    let error = typed(client.post(server.url("/")).send().await.unwrap_err());
    assert_eq!(failure(&error), Failure::Middleware);
    assert_eq!((error.stop(), error.applied(), server.requests()), (Stop::Permanent, Applied::Unknown, 1));
}

struct StatusAsError;

#[async_trait::async_trait]
impl Middleware for StatusAsError {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        Ok(next.run(request, extensions).await?.error_for_status()?)
    }
}

/// In place of the transport: fails as told, and names the URL that was asked for.
struct Provoking(Fault);

#[async_trait::async_trait]
impl Middleware for Provoking {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        Err(provoke(self.0).await.with_url(request.url().clone()).into())
    }
}

/// A middleware below that makes a request of its own after the answer, which fails.
struct Auditing;

#[async_trait::async_trait]
impl Middleware for Auditing {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let response = next.run(request, extensions).await?;
        provoke_refused().await?;
        Ok(response)
    }
}

async fn provoke_refused() -> reqwest::Result<()> {
    Err(provoke(Fault::ConnectRefused).await)
}

/// What another request meets says nothing about this one, which was answered.
#[tokio::test]
async fn the_failure_of_a_middlewares_own_request_is_not_the_attempts() {
    let server = Server::tcp(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(200, "", "").await;
        }
    });
    let service = Service::builder("wire").base_url(server.base_url()).build().unwrap();
    let client = ClientBuilder::new(client()).with(SafeRetry::new([service])).with(Auditing).build();
    let error = typed(client.post(server.url("/")).send().await.unwrap_err());
    assert_eq!(
        (failure(&error), error.stop(), error.applied()),
        (Failure::Ambiguous, Stop::NotIdempotent, Applied::Unknown)
    );
    assert_eq!(server.requests(), 1);
}
