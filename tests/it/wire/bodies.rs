//! Bodies over real connections: those of errors are read within bounds and leave the connection usable, those of
//! successes are not touched, and those of requests arrive a second time as they did the first.

use std::{
    future::Future,
    io::Write as _,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::Method;
use reqwest::{Body, Client, multipart::Form};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Attempts, Backoff, Error, ErrorKind, Jitter, RetryPolicy, SafeRetry, Service, Stop};

use super::typed;
use crate::support::{
    alloc::peak_of,
    servers::{Peer, Server, client, header},
};

const MS: Duration = Duration::from_millis(1);
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// How much of an error's body is read.
const MOST: usize = 64 * KIB;
/// What a body inflates to that is only made to inflate.
const BOMB: usize = 64 * MIB;
/// For what would otherwise hang.
const TOO_LONG: Duration = Duration::from_secs(20);

/// Little patience with bodies, and waits that are long enough for a connection to be put back.
fn policy() -> RetryPolicy {
    let short = Backoff::new(3 * MS, 3 * MS).jitter(Jitter::None);
    RetryPolicy::new().max_attempts(2).transient(short).error_body_timeout(100 * MS)
}

/// A client of a service whose writes have keys that can be repeated.
fn layered(server: &Server, client: Client, policy: RetryPolicy) -> ClientWithMiddleware {
    let service = Service::idempotency_key_draft("wire").base_url(server.base_url()).retry(policy);
    ClientBuilder::new(client).with(SafeRetry::new([service.build().unwrap()])).build()
}

async fn error(request: RequestBuilder) -> Error {
    let sent = tokio::time::timeout(TOO_LONG, request.send()).await.expect("the call hangs");
    typed(sent.expect_err("the call should fail"))
}

/// The head of an answer, and then what the body of it is framed by.
fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Scripted\r\n{headers}\r\n")
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    [head(status, &format!("{headers}Content-Length: {}\r\n", body.len())).as_bytes(), body].concat()
}

/// A deflated block of zeros that can be repeated, as gzip.
fn gzip_bomb() -> Vec<u8> {
    let mut block = Vec::with_capacity(MIB);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    deflate.compress_vec(&vec![0; MIB], &mut block, flate2::FlushCompress::Full).unwrap();
    let without_name_and_date = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // The end is never met.
    [&without_name_and_date[..], &block.repeat(BOMB / MIB)].concat()
}

/// What the brotli encoder makes of 64 MiB of zeros under the largest window that HTTP knows, 16 MiB.
fn brotli_bomb() -> Vec<u8> {
    brotli_of(&vec![0; BOMB], 24)
}

fn brotli_of(bytes: &[u8], window: u32) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 2, window);
    encoder.write_all(bytes).unwrap();
    encoder.into_inner()
}

/// Blocks of one repeated byte under the largest window that HTTP knows, 8 MiB (RFC 8878, RFC 9659).
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: usize = 128 * KIB;
    const WINDOW_8_MIB: u8 = (23 - 10) << 3;
    let repeated = ((BLOCK as u32) << 3 | 1 << 1).to_le_bytes();
    let zeros = [repeated[0], repeated[1], repeated[2], 0];
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, WINDOW_8_MIB][..], &zeros.repeat(BOMB / BLOCK)].concat()
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 0).unwrap()
}

/// The bombs, each as a whole answer; made once.
fn bombs() -> [(&'static str, &'static [u8]); 3] {
    static BOMBS: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
        [("gzip", gzip_bomb()), ("br", brotli_bomb()), ("zstd", zstd_bomb())]
            .map(|(name, bomb)| answer(404, &format!("Content-Encoding: {name}\r\n"), &bomb))
    });
    let [gzip, br, zstd] = &*BOMBS;
    [("gzip", gzip), ("br", br), ("zstd", zstd)]
}

/// A server that does this after each request on a connection.
type Behaviour = Arc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn behaving<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Behaviour {
    Arc::new(move |peer| Box::pin(behaviour(peer)))
}

/// A server that answers every request with these bytes.
fn answering(bytes: impl Into<Vec<u8>>) -> Behaviour {
    let bytes = Arc::new(bytes.into());
    Arc::new(move |mut peer| {
        let bytes = Arc::clone(&bytes);
        Box::pin(async move {
            while peer.request().await.is_some() {
                peer.send(&*bytes).await;
            }
        })
    })
}

/// A server that sends these bytes and closes.
fn closing(bytes: impl Into<Vec<u8>>) -> Behaviour {
    let bytes = Arc::new(bytes.into());
    Arc::new(move |mut peer| {
        let bytes = Arc::clone(&bytes);
        Box::pin(async move {
            peer.request().await;
            peer.send(&*bytes).await;
        })
    })
}

/// What of it was read.
enum Read<'a> {
    Whole(&'a [u8]),
    Cut(&'a [u8]),
    /// As many zeros as are read at most.
    Zeros,
    /// The beginning of it, without the end.
    PartOf(&'a [u8]),
}

#[tokio::test]
async fn whatever_an_errors_body_does_its_status_is_told_in_time() {
    const JSON: &[u8] = br#"{"message":"m"}"#;
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let chunked = |chunks: &str| [head(404, CHUNKED).as_bytes(), chunks.as_bytes()].concat();
    let encoded = |name: &str, body: &[u8]| answer(404, &format!("Content-Encoding: {name}\r\n"), body);
    let [(_, gzip_bomb), (_, br_bomb), (_, zstd_bomb)] = bombs();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let rows: Vec<(&str, Behaviour, Read<'_>)> = vec![
        ("a gzip bomb", answering(gzip_bomb), Read::Zeros),
        ("a br bomb", answering(br_bomb), Read::Zeros),
        ("a zstd bomb", answering(zstd_bomb), Read::Zeros),
        ("gzip", answering(encoded("gzip", &gzip_of(JSON))), Read::Whole(JSON)),
        ("br", answering(encoded("br", &brotli_of(JSON, 22))), Read::Whole(JSON)),
        ("zstd", answering(encoded("zstd", &zstd_of(JSON))), Read::Whole(JSON)),
        ("gzip cut off", closing(encoded("gzip", &half(gzip_of(JSON)))), Read::PartOf(JSON)),
        ("no gzip at all", answering(encoded("gzip", b"<html>")), Read::Cut(b"")),
        ("nothing, compressed", answering(encoded("gzip", b"")), Read::Whole(b"")),
        ("an unknown compression", answering(encoded("x-own", JSON)), Read::Whole(JSON)),
        (
            "endless chunks",
            behaving(|mut peer| async move {
                peer.request().await;
                peer.send(head(404, CHUNKED)).await;
                peer.send_without_end([format!("{:x}\r\n", 16 * KIB).as_bytes(), &[0; 16 * KIB], b"\r\n"].concat())
                    .await;
            }),
            Read::Zeros,
        ),
        (
            "endless until closed",
            behaving(|mut peer| async move {
                peer.request().await;
                peer.send(head(404, "")).await;
                peer.send_without_end([0; 16 * KIB]).await;
            }),
            Read::Zeros,
        ),
        (
            "dripping",
            behaving(|mut peer| async move {
                peer.request().await;
                peer.send(head(404, "Content-Length: 10000\r\n")).await;
                peer.drip(&[b'.'; 10_000], 5 * MS).await;
            }),
            Read::PartOf(&[b'.'; 5_000]),
        ),
        (
            "endless trailers",
            behaving(|mut peer| async move {
                peer.request().await;
                peer.send([head(404, CHUNKED).as_bytes(), b"2\r\n{}\r\n0\r\n"].concat()).await;
                peer.send_without_end(b"Trailer: trailer\r\n").await;
            }),
            Read::Cut(b"{}"),
        ),
        ("silent after its head", answering(head(404, "Content-Length: 5\r\n")), Read::Cut(b"")),
        ("silent after its first bytes", answering(head(404, "Content-Length: 9\r\n") + "hello"), Read::Cut(b"hello")),
        ("shorter than announced", closing(head(404, "Content-Length: 9\r\n") + "hello"), Read::Cut(b"hello")),
        (
            "longer than announced",
            answering(head(404, "Content-Length: 5\r\n") + "hello, world"),
            Read::Whole(b"hello"),
        ),
        ("until closed", closing(head(404, "") + "hello"), Read::Whole(b"hello")),
        ("chunks", answering(chunked("5\r\nhello\r\n0\r\n\r\n")), Read::Whole(b"hello")),
        ("chunks, then garbage", answering(chunked("5\r\nhello\r\n<html>\r\n")), Read::Cut(b"hello")),
        ("a chunk of garbage size", answering(chunked("ffffffffffffffffff\r\nhello")), Read::Cut(b"")),
        ("a chunk cut off", closing(chunked("9\r\nhello")), Read::Cut(b"hello")),
        ("no last chunk", closing(chunked("5\r\nhello\r\n")), Read::Cut(b"hello")),
        ("trailers", answering(chunked("5\r\nhello\r\n0\r\nChecksum: 1\r\n\r\n")), Read::Whole(b"hello")),
        ("exactly as long as is read", answering(answer(404, "", &[b'.'; MOST])), Read::Whole(&[b'.'; MOST])),
        ("a byte longer", answering(answer(404, "", &[b'.'; MOST + 1])), Read::Cut(&[b'.'; MOST])),
        ("none", answering(answer(404, "", b"")), Read::Whole(b"")),
    ];
    for (name, behaviour, read) in rows {
        let server = Server::apart(move |peer| behaviour(peer));
        let client = layered(&server, client(), policy());
        // A second time, with what the first has left behind.
        for _ in 0..2 {
            let started = Instant::now();
            let error = error(client.post(server.url("/")).body("{}")).await;
            assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
            let status = error.status().unwrap().as_u16();
            assert_eq!((status, error.kind(), error.stop()), (404, ErrorKind::NotFound, Stop::Permanent), "{name}");
            let (body, truncated) = match read {
                Read::Whole(body) => (body, false),
                Read::Cut(body) => (body, true),
                Read::Zeros => ([0; MOST].as_slice(), true),
                Read::PartOf(whole) => {
                    let length = error.body().len();
                    assert!((1..whole.len()).contains(&length), "{name}: {length} bytes");
                    (&whole[..length], true)
                }
            };
            assert!(error.body() == body, "{name}: {} bytes, not {}", error.body().len(), body.len());
            assert_eq!(error.is_truncated(), truncated, "{name}");
            assert_eq!(error.message(), if body == JSON { "m" } else { "" }, "{name}");
        }
    }
}

/// What is announced does not follow a HEAD.
#[tokio::test]
async fn the_announced_body_of_a_head_is_not_waited_for() {
    let behaviour = answering(head(404, "Content-Length: 1000\r\n"));
    let server = Server::apart(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy().error_body_timeout(TOO_LONG));
    for _ in 0..2 {
        let error = error(client.request(Method::HEAD, server.url("/"))).await;
        assert_eq!((error.kind(), error.is_truncated()), (ErrorKind::NotFound, false));
    }
    assert_eq!(server.connections(), 1);
}

/// The answer is what counts, and no error of the transport: a body that breaks off is retried by its status.
#[tokio::test]
async fn a_body_that_breaks_off_is_retried_by_its_status() {
    let server = Server::apart(|mut peer| async move {
        peer.request().await;
        if peer.number() == 0 {
            peer.send(head(503, "Content-Length: 9\r\n") + "hello").await;
        } else {
            peer.answer(200, "", "{}").await;
        }
    });
    let response = layered(&server, client(), policy()).post(server.url("/")).body("{}").send().await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status().unwrap().as_u16()).collect();
    assert_eq!(statuses, [503, 200]);
}

/// How far a failing call makes the heap grow. The first call of a client is left out: it makes the connection's own
/// buffers and whatever is made once.
async fn growth_of_a_call(behaviour: Behaviour) -> (Error, usize) {
    let server = Server::apart(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy());
    error(client.post(server.url("/")).body("{}")).await;
    peak_of(error(client.post(server.url("/")).body("{}"))).await
}

#[tokio::test]
async fn a_hostile_body_does_not_fill_the_heap() {
    let announcing = |rest: fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>>| -> Behaviour {
        Arc::new(move |mut peer| {
            Box::pin(async move {
                peer.request().await;
                peer.send(head(404, &format!("Content-Length: {}\r\n", 1 << 30))).await;
                rest(peer).await;
            })
        })
    };
    let [(_, gzip), (_, br), (_, zstd)] = bombs();
    // The window of a brotli stream is its sender's choice, up to 16 MiB, and its decompressor makes room for all of it
    // before the first byte comes out. What the layer reads has no part in that; a client without reqwest's `brotli`
    // has nothing to fear. zstd's window is another such choice, but its room is C's and not counted here.
    const BROTLI_WINDOW: usize = 16 * MIB;
    for (name, behaviour, most) in [
        ("1 GiB, announced", announcing(|peer| Box::pin(peer.hold())), MIB),
        (
            "1 GiB, sent",
            announcing(|mut peer| Box::pin(async move { peer.send_without_end([b'.'; 256 * KIB]).await })),
            MIB,
        ),
        (
            "small chunks without end",
            behaving(|mut peer| async move {
                peer.request().await;
                peer.send(head(404, "Transfer-Encoding: chunked\r\n")).await;
                peer.send_without_end(b"1\r\n.\r\n".repeat(1000)).await;
            }),
            MIB,
        ),
        ("a gzip bomb", answering(gzip), MIB),
        ("a br bomb", answering(br), BROTLI_WINDOW + MIB),
        ("a zstd bomb", answering(zstd), MIB),
    ] {
        let (error, grown) = growth_of_a_call(behaviour).await;
        println!("{name}: {} KiB", grown / KIB);
        assert!(error.is_truncated(), "{name}");
        assert!(grown < most, "{name}: {grown} bytes");
        // The error itself keeps no more than what was read.
        assert!(error.body().len() <= MOST, "{name}");
    }
}

/// Answers by turns with what is given, which is a failure, and with 200.
fn by_turns(failure: impl Into<Vec<u8>>) -> Server {
    let failure = Arc::new(failure.into());
    let count = Arc::new(AtomicUsize::new(0));
    Server::apart(move |mut peer| {
        let (failure, count) = (Arc::clone(&failure), Arc::clone(&count));
        async move {
            while peer.request().await.is_some() {
                match count.fetch_add(1, Ordering::SeqCst) % 2 {
                    0 => peer.send(&*failure).await,
                    _ => peer.answer(200, "", "{}").await,
                }
            }
        }
    })
}

#[tokio::test]
async fn retried_calls_share_a_connection_unless_a_body_is_too_long() {
    let chunks = |length: usize| {
        let chunk = format!("{:x}\r\n{}\r\n", KIB, ".".repeat(KIB));
        head(503, "Transfer-Encoding: chunked\r\n") + &chunk.repeat(length / KIB) + "0\r\n\r\n"
    };
    let gzip = answer(503, "Content-Encoding: gzip\r\n", &gzip_of(&[b'.'; 60 * KIB]));
    for (name, failure, calls, connections) in [
        ("100 B", answer(503, "", &[b'.'; 100]), 50, 1),
        ("10 KiB in chunks", chunks(10 * KIB).into_bytes(), 50, 1),
        ("64 KiB", answer(503, "", &[b'.'; MOST]), 50, 1),
        ("60 KiB by gzip", gzip, 50, 1),
        // Each failure takes its connection with it; the answer's serves the next call's first attempt.
        ("256 KiB", answer(503, "", &[b'.'; 4 * MOST]), 10, 11),
        ("256 KiB in chunks", chunks(4 * MOST).into_bytes(), 10, 11),
    ] {
        let server = by_turns(failure);
        let client = layered(&server, client(), policy());
        for _ in 0..calls {
            let response = client.post(server.url("/")).body("{}").send().await.unwrap();
            assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 2, "{name}");
            response.bytes().await.unwrap();
            tokio::time::sleep(1 * MS).await;
        }
        assert_eq!((server.requests(), server.connections()), (2 * calls, connections), "{name}");
    }
}

/// What cannot be read to its end is let go of before the wait and not after it.
#[tokio::test]
async fn nothing_of_a_failed_answer_is_held_through_the_wait() {
    const WAIT: Duration = Duration::from_millis(400);
    let closed = Arc::new(Mutex::new(None));
    let repeated = Arc::new(Mutex::new(None));
    let (seen_closed, seen_repeated) = (Arc::clone(&closed), Arc::clone(&repeated));
    let server = Server::apart(move |mut peer| {
        let (closed, repeated) = (Arc::clone(&seen_closed), Arc::clone(&seen_repeated));
        async move {
            peer.request().await;
            if peer.number() > 0 {
                *repeated.lock().unwrap() = Some(Instant::now());
                return peer.answer(200, "", "{}").await;
            }
            peer.send(answer(503, "", &[b'.'; 4 * MOST])).await;
            assert_eq!(peer.take(1).await, None);
            *closed.lock().unwrap() = Some(Instant::now());
        }
    });
    let policy = policy().transient(Backoff::new(WAIT, WAIT).jitter(Jitter::None));
    layered(&server, client(), policy).post(server.url("/")).body("{}").send().await.unwrap();
    let (closed, repeated) = (closed.lock().unwrap().unwrap(), repeated.lock().unwrap().unwrap());
    assert!(repeated.saturating_duration_since(closed) > WAIT / 4, "closed {:?} before", repeated - closed);
}

/// A success is handed on before its body is there, and the layer keeps nothing of it.
#[tokio::test]
async fn a_gibibyte_streams_through_in_constant_memory() {
    const LENGTH: usize = 1 << 30;
    static PART: [u8; MIB] = [b'.'; MIB];
    let server = Server::apart(|mut peer| async move {
        peer.request().await;
        peer.send(head(200, &format!("Content-Length: {LENGTH}\r\n"))).await;
        for _ in 0..LENGTH / PART.len() {
            peer.send(&PART).await;
        }
    });
    let client = layered(&server, client(), policy());
    let (read, grown) = peak_of(async {
        let mut response = client.get(server.url("/")).send().await.unwrap();
        let mut read = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            read += chunk.len();
        }
        read
    })
    .await;
    println!("a GiB: {} KiB", grown / KIB);
    assert_eq!(read, LENGTH);
    assert!(grown < 2 * MIB, "{grown} bytes");
}

/// Notes when each request arrives, and answers none.
fn silent() -> (Server, Arc<Mutex<Vec<Instant>>>) {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&arrivals);
    let server = Server::apart(move |mut peer| {
        let arrivals = Arc::clone(&noted);
        async move {
            peer.request().await;
            arrivals.lock().unwrap().push(Instant::now());
            peer.hold().await;
        }
    });
    (server, arrivals)
}

#[tokio::test]
async fn a_timeout_of_the_request_holds_for_each_attempt_and_the_deadline_for_all() {
    const EACH: Duration = Duration::from_millis(150);
    let (server, arrivals) = silent();
    let client = layered(&server, client(), policy().max_attempts(3));
    let started = Instant::now();
    let all_attempts = error(client.post(server.url("/")).body("{}").timeout(EACH)).await;
    assert!(started.elapsed() >= 3 * EACH && started.elapsed() < TOO_LONG);
    assert_eq!((all_attempts.stop(), all_attempts.attempts().count()), (Stop::Attempts, 3));
    assert!(all_attempts.is_timeout());
    let arrivals = arrivals.lock().unwrap().clone();
    // The first attempt's time has begun before its connection was made.
    assert!(arrivals.windows(2).all(|pair| pair[1] - pair[0] > EACH * 2 / 3), "{arrivals:?}");
    assert_eq!(arrivals.len(), 3);

    const DEADLINE: Duration = Duration::from_millis(400);
    let (server, arrivals) = silent();
    let client = layered(&server, crate::support::servers::client(), policy().max_attempts(100).deadline(DEADLINE));
    let started = Instant::now();
    let deadline = error(client.post(server.url("/")).body("{}").timeout(EACH)).await;
    let elapsed = started.elapsed();
    assert_eq!((deadline.kind(), deadline.stop()), (ErrorKind::Transport, Stop::Deadline));
    assert!(deadline.is_timeout());
    let attempts = deadline.attempts().count();
    // Under load, a timer may be so late that the last attempt is not begun.
    assert!((2..=3).contains(&attempts) && arrivals.lock().unwrap().len() <= 3, "{attempts} attempts");
    assert!(elapsed >= 2 * EACH && elapsed < TOO_LONG, "{elapsed:?}");
}

/// The content type and the body of a request.
type Typed = (String, Vec<u8>);

/// Keeps these of each request, and answers 503 to the first.
#[derive(Clone, Default)]
struct Keeping(Arc<Mutex<Vec<Typed>>>);

impl Keeping {
    fn server(&self) -> Server {
        let keeping = self.clone();
        Server::apart(move |mut peer| {
            let Keeping(kept) = keeping.clone();
            async move {
                while let Some((head, body)) = peer.head_and_body().await {
                    let content_type = header(&head, "content-type").unwrap_or_default().to_owned();
                    let count = {
                        let mut kept = kept.lock().unwrap();
                        kept.push((content_type, body));
                        kept.len()
                    };
                    peer.answer(if count == 1 { 503 } else { 200 }, "", "{}").await;
                }
            }
        })
    }

    fn kept(&self) -> Vec<Typed> {
        self.0.lock().unwrap().clone()
    }
}

fn form() -> Form {
    let file = reqwest::multipart::Part::bytes(vec![0, 159, 146, 150]).file_name("file").mime_str("image/png").unwrap();
    Form::new().text("name", "value").part("file", file)
}

#[tokio::test]
async fn forms_and_streams_are_sent_once_unless_they_are_buffered() {
    fn stream() -> Body {
        Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("str"), Ok("eam")]))
    }
    type Fill = fn(RequestBuilder) -> RequestBuilder;
    let form: Fill = |request| request.multipart(form());
    let unknown_length: Fill = |request| request.body(stream());
    let known_length: Fill = |request| request.header("content-length", "6").body(stream());
    for (name, fill, buffered, sent) in [
        ("a form", form, 0, 1),
        ("a form that is too long", form, 100, 1),
        ("a buffered form", form, MIB, 2),
        ("a stream", known_length, 0, 1),
        ("a buffered stream", known_length, MIB, 2),
        ("a stream of unknown length", unknown_length, MIB, 1),
    ] {
        let keeping = Keeping::default();
        let server = keeping.server();
        let client = layered(&server, client(), policy().buffer_bodies(buffered));
        let request = fill(client.post(server.url("/")));
        let ended = request.send().await.map_err(typed);
        let kept = keeping.kept();
        assert_eq!(kept.len(), sent, "{name}");
        match ended {
            Ok(_) => assert_eq!(sent, 2, "{name}"),
            Err(error) => {
                assert_eq!((error.stop(), error.kind()), (Stop::BodyNotReplayable, ErrorKind::Server), "{name}");
            }
        }
        assert!(kept.iter().all(|request| *request == kept[0]), "{name}: {kept:?}");
        if let Some(boundary) = kept[0].0.strip_prefix("multipart/form-data; boundary=") {
            let ends = format!("--{boundary}--\r\n");
            assert!(
                kept[0].1.ends_with(ends.as_bytes()) && kept[0].1.windows(4).any(|part| part == [0, 159, 146, 150])
            );
        } else {
            let in_chunks = b"3\r\nstr\r\n3\r\neam\r\n0\r\n\r\n".as_slice();
            assert_eq!(kept[0].1, if name.ends_with("unknown length") { in_chunks } else { b"stream" }, "{name}");
        }
    }
}
