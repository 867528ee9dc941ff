//! Failures that a middleware below the layer returns.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{Applied, Failure, RetryPolicy, SafeRetry, Service, StopReason};

use super::{RETURNED_BY_HTTP2, failure, http2_server};
use crate::{
    support::{
        faults::{Fault, provoke},
        http2::{Http2, code},
        servers::{Server, client, client_builder},
    },
    wire::typed,
};

/// Each named fault has the class that its name promises.
#[tokio::test]
async fn named_faults_have_their_class() {
    for (name, expected) in [
        ("connect_refused", Failure::NotSent),
        ("connect_timeout", Failure::NotSent),
        ("dns_error", Failure::NotSent),
        ("h2_refused_stream", RETURNED_BY_HTTP2),
        ("h2_goaway_unprocessed", RETURNED_BY_HTTP2),
        ("reset_before_response", Failure::Ambiguous),
        ("read_timeout", Failure::Ambiguous),
        ("h2_goaway_processed", Failure::Ambiguous),
        ("tls_cert_invalid", Failure::Tls),
        ("builder_error", Failure::InvalidRequest),
        ("too_many_redirects", Failure::RedirectLoop),
    ] {
        let fault: Fault = name.parse().unwrap();
        let service = Service::builder("wire", "http://service.test").retry_policy(RetryPolicy::never());
        let layer = SafeRetry::new([service.build().unwrap()]);
        let client = ClientBuilder::new(client()).with(layer).with(ProvokesFault(fault)).build();
        let error = typed(client.get("http://service.test/").send().await.unwrap_err());
        assert_eq!(failure(&error), expected, "{name}");
    }
    assert!("no_such_fault".parse::<Fault>().is_err());
}

/// A middleware below the layer turns a response into an error: the request was sent.
#[tokio::test]
async fn status_error_from_middleware_is_in_doubt() {
    let server = Server::tcp(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(500, "", "").await;
        }
    });
    let service = Service::builder("wire", server.base_url()).retry_policy(RetryPolicy::never());
    let layer = SafeRetry::new([service.build().unwrap()]);
    let client = ClientBuilder::new(client()).with(layer).with(StatusAsError).build();
    let error = typed(client.post(server.url("/")).send().await.unwrap_err());
    assert_eq!(failure(&error), Failure::Middleware);
    assert_eq!((error.stop(), error.applied(), server.requests()), (StopReason::Permanent, Applied::Unknown, 1));
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

/// Reads the body of a response, and names the request's URL in the error.
struct ReadsBody;

#[async_trait::async_trait]
impl Middleware for ReadsBody {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let url = request.url().clone();
        let response = next.run(request, extensions).await?;
        response.bytes().await.map_err(|error| error.with_url(url.clone()))?;
        unreachable!("the body has no end")
    }
}

/// Refuses the stream although it has begun to answer.
async fn refuses_in_the_body(mut peer: Http2) {
    while let Some(stream) = peer.request().await {
        peer.answer_in_part(stream).await;
        peer.reset_stream(stream, code::REFUSED_STREAM).await;
    }
}

/// Takes the stream back although it has begun to answer.
async fn goes_away_in_the_body(mut peer: Http2) {
    if let Some(stream) = peer.request().await {
        peer.answer_in_part(stream).await;
        peer.go_away(0, code::NO_ERROR).await;
        peer.reset();
    }
}

/// After a response head nothing proves that the request was not executed.
#[tokio::test]
async fn refusal_after_a_response_head_is_ambiguous() {
    for server in [http2_server(refuses_in_the_body), http2_server(goes_away_in_the_body)] {
        let service = Service::builder("wire", server.base_url()).build().unwrap();
        let http = client_builder().http2_prior_knowledge().retry(reqwest::retry::never()).build().unwrap();
        let client = ClientBuilder::new(http).with(SafeRetry::new([service])).with(ReadsBody).build();
        let error = typed(client.post(server.url("/")).send().await.unwrap_err());
        assert_eq!(
            (failure(&error), error.stop(), error.applied()),
            (Failure::Ambiguous, StopReason::NotIdempotent, Applied::Unknown),
        );
        assert_eq!(server.requests(), 1);
    }
}

/// Replaces the transport: provokes the fault and names the requested URL.
struct ProvokesFault(Fault);

#[async_trait::async_trait]
impl Middleware for ProvokesFault {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        Err(provoke(self.0).await.with_url(request.url().clone()).into())
    }
}

/// Sends a request of its own after the response, which fails.
struct SendsAuditRequest;

#[async_trait::async_trait]
impl Middleware for SendsAuditRequest {
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

/// The failure of another request says nothing about this one, which was answered.
#[tokio::test]
async fn failure_of_a_middlewares_own_request_is_ambiguous() {
    let server = Server::tcp(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(200, "", "").await;
        }
    });
    let service = Service::builder("wire", server.base_url()).build().unwrap();
    let client = ClientBuilder::new(client()).with(SafeRetry::new([service])).with(SendsAuditRequest).build();
    let error = typed(client.post(server.url("/")).send().await.unwrap_err());
    assert_eq!(
        (failure(&error), error.stop(), error.applied()),
        (Failure::Ambiguous, StopReason::NotIdempotent, Applied::Unknown)
    );
    assert_eq!(server.requests(), 1);
}
