//! HTTP/2 streams and connections that end early.

use reqwest_safe_retry::Failure;

use super::{RETURNED_BY_HTTP2, Setup, case, check, layered};
use crate::support::{
    http2::{ANY_STREAM, Http2, code},
    servers::{Identity, Server, client_builder},
};

async fn refuses(mut peer: Http2) {
    while let Some(stream) = peer.request().await {
        peer.reset_stream(stream, code::REFUSED_STREAM).await;
    }
}

/// Resets the first request's stream with this code.
async fn resets_stream(mut peer: Http2, code: u32) {
    if let Some(stream) = peer.request().await {
        peer.reset_stream(stream, code).await;
    }
    peer.keep_open().await;
}

/// reqwest itself sends a request twice more after a refused stream or a graceful GOAWAY.
#[tokio::test]
async fn refused_http2_requests_are_not_processed() {
    check([
        case("REFUSED_STREAM", RETURNED_BY_HTTP2, || Setup::http2(refuses)).requests(3),
        case("REFUSED_STREAM, without protocol retries", RETURNED_BY_HTTP2, || {
            Setup::http2(refuses).client(client_builder().http2_prior_knowledge().retry(reqwest::retry::never()))
        }),
        case("REFUSED_STREAM over TLS", RETURNED_BY_HTTP2, || {
            let server = Server::tls_http2(Identity::trusted(), |peer| async {
                if let Some(peer) = Http2::of(peer).await {
                    refuses(peer).await;
                }
            });
            Setup::of(server)
        })
        .requests(3),
        case("GOAWAY below the stream", RETURNED_BY_HTTP2, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(0, code::NO_ERROR).await;
                peer.keep_open().await;
            })
        })
        .requests(3),
        case("GOAWAY below the stream after one that left it open", RETURNED_BY_HTTP2, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(ANY_STREAM, code::NO_ERROR).await;
                peer.go_away(0, code::NO_ERROR).await;
            })
        })
        .requests(3),
        case("GOAWAY below the stream with an error", RETURNED_BY_HTTP2, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(0, code::ENHANCE_YOUR_CALM).await;
            })
        }),
    ])
    .await;
}

#[tokio::test]
async fn reset_http2_streams_are_ambiguous() {
    check([
        case("RST_STREAM: INTERNAL_ERROR", Failure::Ambiguous, || {
            Setup::http2(|peer| resets_stream(peer, code::INTERNAL_ERROR))
        }),
        case("RST_STREAM: CANCEL", Failure::Ambiguous, || Setup::http2(|peer| resets_stream(peer, code::CANCEL))),
        case("RST_STREAM: NO_ERROR", Failure::Ambiguous, || Setup::http2(|peer| resets_stream(peer, code::NO_ERROR))),
        case("RST_STREAM: PROTOCOL_ERROR", Failure::Ambiguous, || {
            Setup::http2(|peer| resets_stream(peer, code::PROTOCOL_ERROR))
        }),
        case("RST_STREAM: ENHANCE_YOUR_CALM", Failure::Ambiguous, || {
            Setup::http2(|peer| resets_stream(peer, code::ENHANCE_YOUR_CALM))
        }),
        case("RST_STREAM: HTTP_1_1_REQUIRED", Failure::Ambiguous, || {
            Setup::http2(|peer| resets_stream(peer, code::HTTP_1_1_REQUIRED))
        }),
    ])
    .await;
}

#[tokio::test]
async fn http2_goaway_after_the_stream_is_ambiguous() {
    check([
        case("GOAWAY from the stream on", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::NO_ERROR).await;
                }
            })
        }),
        case("GOAWAY from the stream on with an error", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::INTERNAL_ERROR).await;
                }
            })
        }),
        case("GOAWAY that leaves the stream open, then closed", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.go_away(ANY_STREAM, code::NO_ERROR).await;
            })
        }),
        case("GOAWAY from the stream on, then a reset", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                if let Some(stream) = peer.request().await {
                    peer.go_away(stream, code::ENHANCE_YOUR_CALM).await;
                }
                peer.reset();
            })
        }),
    ])
    .await;
}

#[tokio::test]
async fn broken_http2_connections_are_ambiguous() {
    check([
        case("closed", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
            })
        }),
        case("reset", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.reset();
            })
        }),
        case("closed within the request's body", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                peer.head().await;
            })
            .large()
        }),
        case("a frame that breaks the protocol", Failure::Ambiguous, || {
            Setup::http2(|mut peer| async move {
                peer.request().await;
                peer.break_protocol().await;
                peer.keep_open().await;
            })
        }),
    ])
    .await;
}

/// A server that sends GOAWAY and still answers the open stream.
#[tokio::test]
async fn http2_goaway_after_the_response_is_harmless() {
    let setup = Setup::http2(|mut peer| async move {
        if let Some(stream) = peer.request().await {
            peer.go_away(stream, code::NO_ERROR).await;
            peer.answer(stream).await;
        }
    });
    let client = layered(&setup.base_url, setup.client.clone(), 2);
    for sent in 1..=2 {
        client.post(&setup.base_url).body("{}").send().await.unwrap();
        assert_eq!(setup.requests(), sent);
    }
}
