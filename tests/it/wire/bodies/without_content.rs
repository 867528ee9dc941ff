//! Compressed bodies of which nothing remains when they are decompressed: reqwest's decompressor goes on as long as there
//! is input, and does not return before there is output.

use std::time::{Duration, Instant};

use reqwest_safe_retry::{Error, RetryPolicy};
use tokio::runtime::{Builder, Runtime};

use super::{KIB, MS, TOO_LONG, error, head, layered, policy};
use crate::support::servers::{Peer, Server, client};

/// How long the server goes on: not forever, so that a call which waits for it fails the test and does not hang.
const SENT_FOR: Duration = Duration::from_secs(4);
/// How long a call may take, on a busy machine too.
const IN_TIME: Duration = Duration::from_secs(2);

/// An encoding, the beginning of a stream, and what can follow it over and over without adding any content.
type Encoding = (&'static str, &'static [u8], &'static [u8]);

const GZIP: Encoding = {
    // Four deflate blocks of 10 bits: not the last, with fixed codes, and the code that ends the block.
    let four_blocks = &[0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0b0000_0000];
    ("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], four_blocks)
};
/// Metadata of no bytes.
const BROTLI: Encoding = ("br", &[0b0000_1100], &[0b0000_0110]);
/// Uncompressed blocks of no bytes.
const ZSTD: Encoding = ("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0], &[0, 0, 0]);

async fn sends_nothing(mut peer: Peer, (name, begin, empty): Encoding) {
    peer.request().await;
    let encoding = format!("Content-Encoding: {name}\r\nTransfer-Encoding: chunked\r\n");
    peer.send(head(404, &encoding)).await;
    peer.send(chunk(begin)).await;
    let empty = chunk(&empty.repeat(KIB / empty.len()));
    let _ = tokio::time::timeout(SENT_FOR, peer.send_forever(empty.repeat(64))).await;
    peer.reset();
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn runtimes() -> [(&'static str, Runtime); 2] {
    let built = |mut builder: Builder| builder.enable_all().build().unwrap();
    let mut two_threads = Builder::new_multi_thread();
    two_threads.worker_threads(2);
    [("one thread", built(Builder::new_current_thread())), ("two threads", built(two_threads))]
}

/// The error of a call, and how long it took.
async fn timed(server: &Server, policy: RetryPolicy) -> (Error, Duration) {
    let started = Instant::now();
    let failed = error(layered(server, client(), policy).post(server.url("/")).body("{}")).await;
    (failed, started.elapsed())
}

#[test]
fn body_without_content_is_given_up_in_time() {
    for (name, limits) in
        [("error_body_timeout", policy()), ("deadline", policy().error_body_timeout(TOO_LONG).deadline(300 * MS))]
    {
        for encoding in [GZIP, BROTLI, ZSTD] {
            for (threads, runtime) in runtimes() {
                let server = Server::on_own_thread(move |peer| sends_nothing(peer, encoding));
                let (failed, took) = runtime.block_on(timed(&server, limits.clone()));
                let case = format!("{} on {threads} with {name}", encoding.0);
                assert!(took < IN_TIME, "{case}: {took:?}");
                assert_eq!(failed.status().unwrap().as_u16(), 404, "{case}");
                assert!(failed.is_truncated() && failed.body().is_empty(), "{case}");
            }
        }
    }
}
