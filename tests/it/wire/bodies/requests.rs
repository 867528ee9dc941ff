//! Request bodies and timeouts over real connections.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::{Body, multipart::Form};
use reqwest_middleware::RequestBuilder;
use reqwest_safe_retry::{ErrorKind, StopReason};

use super::{MIB, TOO_LONG, error, layered, policy};
use crate::{
    support::servers::{Server, client, header},
    wire::typed,
};

/// The timeout of each attempt.
const EACH: Duration = Duration::from_millis(150);

/// Records when each request arrives, and never answers.
fn silent() -> (Server, Arc<Mutex<Vec<Instant>>>) {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&arrivals);
    let server = Server::on_own_thread(move |mut peer| {
        let arrivals = Arc::clone(&recorded);
        async move {
            peer.request().await;
            arrivals.lock().unwrap().push(Instant::now());
            peer.keep_open().await;
        }
    });
    (server, arrivals)
}

#[tokio::test]
async fn request_timeout_applies_to_each_attempt() {
    let (server, arrivals) = silent();
    let client = layered(&server, client(), policy().max_attempts(3));
    let started = Instant::now();
    let all_attempts = error(client.post(server.url("/")).body("{}").timeout(EACH)).await;
    assert!(started.elapsed() >= 3 * EACH && started.elapsed() < TOO_LONG);
    assert_eq!((all_attempts.stop(), all_attempts.attempts().count()), (StopReason::AttemptsExhausted, 3));
    assert!(all_attempts.is_timeout());
    let arrivals = arrivals.lock().unwrap().clone();
    // The first attempt's timeout starts before its connection is made.
    assert!(arrivals.windows(2).all(|pair| pair[1] - pair[0] > EACH * 2 / 3), "{arrivals:?}");
    assert_eq!(arrivals.len(), 3);
}

#[tokio::test]
async fn deadline_applies_to_all_attempts() {
    const DEADLINE: Duration = Duration::from_millis(400);
    let (server, arrivals) = silent();
    let client = layered(&server, client(), policy().max_attempts(100).deadline(DEADLINE));
    let started = Instant::now();
    let deadline = error(client.post(server.url("/")).body("{}").timeout(EACH)).await;
    let elapsed = started.elapsed();
    assert_eq!((deadline.kind(), deadline.stop()), (ErrorKind::Transport, StopReason::DeadlineExceeded));
    assert!(deadline.is_timeout());
    let attempts = deadline.attempts().count();
    // Under load a timer may be so late that the last attempt does not start.
    assert!((2..=3).contains(&attempts) && arrivals.lock().unwrap().len() <= 3, "{attempts} attempts");
    assert!(elapsed >= 2 * EACH && elapsed < TOO_LONG, "{elapsed:?}");
}

/// The content type and the body of a request.
type TypedBody = (String, Vec<u8>);

/// Records the body of each request, and answers the first with 503.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<TypedBody>>>);

impl Recording {
    fn server(&self) -> Server {
        let recording = self.clone();
        Server::on_own_thread(move |mut peer| {
            let Recording(recorded) = recording.clone();
            async move {
                while let Some((head, body)) = peer.head_and_body().await {
                    let content_type = header(&head, "content-type").unwrap_or_default().to_owned();
                    let count = {
                        let mut recorded = recorded.lock().unwrap();
                        recorded.push((content_type, body));
                        recorded.len()
                    };
                    peer.answer(if count == 1 { 503 } else { 200 }, "", "{}").await;
                }
            }
        })
    }

    fn recorded(&self) -> Vec<TypedBody> {
        self.0.lock().unwrap().clone()
    }
}

fn form() -> Form {
    let file = reqwest::multipart::Part::bytes(vec![0, 159, 146, 150]).file_name("file").mime_str("image/png").unwrap();
    Form::new().text("name", "value").part("file", file)
}

#[tokio::test]
async fn forms_and_streams_are_retried_only_if_buffered() {
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
        let recording = Recording::default();
        let server = recording.server();
        let client = layered(&server, client(), policy().buffer_bodies(buffered));
        let request = fill(client.post(server.url("/")));
        let ended = request.send().await.map_err(typed);
        let recorded = recording.recorded();
        assert_eq!(recorded.len(), sent, "{name}");
        match ended {
            Ok(_) => assert_eq!(sent, 2, "{name}"),
            Err(error) => {
                assert_eq!((error.stop(), error.kind()), (StopReason::BodyNotReplayable, ErrorKind::Server), "{name}");
            }
        }
        assert!(recorded.iter().all(|request| *request == recorded[0]), "{name}: {recorded:?}");
        if let Some(boundary) = recorded[0].0.strip_prefix("multipart/form-data; boundary=") {
            let ends = format!("--{boundary}--\r\n");
            assert!(
                recorded[0].1.ends_with(ends.as_bytes())
                    && recorded[0].1.windows(4).any(|part| part == [0, 159, 146, 150])
            );
        } else {
            let in_chunks = b"3\r\nstr\r\n3\r\neam\r\n0\r\n\r\n".as_slice();
            assert_eq!(recorded[0].1, if name.ends_with("unknown length") { in_chunks } else { b"stream" }, "{name}");
        }
    }
}
