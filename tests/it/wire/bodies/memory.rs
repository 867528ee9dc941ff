//! Memory: hostile error bodies, and large successes.

use std::{future::Future, pin::Pin, sync::Arc};

use reqwest_safe_retry::Error;

use super::{Behaviour, KIB, MAX_BODY, MIB, answering, compression::bombs, custom, error, head, layered, policy};
use crate::support::{
    alloc::{peak_of, runtime},
    servers::{Peer, Server, client},
};

/// The sender of a brotli stream chooses its window, up to 16 MiB, and the decompressor allocates all of it at once. The
/// layer has no influence on that; a client without reqwest's `brotli` is not affected. The sender chooses zstd's window
/// as well, but that is allocated by C code and not counted here.
const BROTLI_WINDOW: usize = 16 * MIB;

/// The peak heap growth of a failing call. The first call of a client is left out, because it allocates the buffers of
/// the connection.
async fn growth_of_a_call(behaviour: Behaviour) -> (Error, usize) {
    let server = Server::on_own_thread(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy());
    error(client.post(server.url("/")).body("{}")).await;
    peak_of(error(client.post(server.url("/")).body("{}"))).await
}

/// Announces 1 GiB, and then does this.
fn announcing(rest: fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>>) -> Behaviour {
    Arc::new(move |mut peer| {
        Box::pin(async move {
            peer.request().await;
            peer.send(head(404, &format!("Content-Length: {}\r\n", 1 << 30))).await;
            rest(peer).await;
        })
    })
}

async fn sends_small_chunks(mut peer: Peer) {
    peer.request().await;
    peer.send(head(404, "Transfer-Encoding: chunked\r\n")).await;
    peer.send_forever(b"1\r\n.\r\n".repeat(1000)).await;
}

#[test]
fn hostile_body_does_not_fill_the_heap() {
    let [(_, gzip), (_, br), (_, zstd)] = bombs();
    for (name, behaviour, limit) in [
        ("1 GiB, announced", announcing(|peer| Box::pin(peer.keep_open())), MIB),
        (
            "1 GiB, sent",
            announcing(|mut peer| Box::pin(async move { peer.send_forever([b'.'; 256 * KIB]).await })),
            MIB,
        ),
        ("endless small chunks", custom(sends_small_chunks), MIB),
        ("a gzip bomb", answering(gzip), MIB),
        ("a br bomb", answering(br), BROTLI_WINDOW + MIB),
        ("a zstd bomb", answering(zstd), MIB),
    ] {
        let (error, grown) = runtime().block_on(growth_of_a_call(behaviour));
        println!("{name}: {} KiB", grown / KIB);
        assert!(error.is_truncated(), "{name}");
        assert!(grown < limit, "{name}: {grown} bytes");
        // The error keeps only what was read.
        assert!(error.body().len() <= MAX_BODY, "{name}");
    }
}

/// A success is returned before its body has arrived, and the layer buffers nothing of it.
#[tokio::test]
async fn large_success_streams_in_constant_memory() {
    const LENGTH: usize = 1 << 30;
    static PART: [u8; MIB] = [b'.'; MIB];
    let server = Server::on_own_thread(|mut peer| async move {
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
