//! What the targets share: a paused clock, services, scripts of responses, and what holds for every error.

use std::{error::Error as _, future::Future, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{
    ConcurrencyLimit, ConcurrentRequests, Error, ErrorFormat, Idempotency, KeyKind, Record, SafeRetry, Service,
    ServiceBuilder, services,
    testing::{Reply, ScriptedTransport},
};

/// The base URL of every service.
pub const URL: &str = "https://service.test/";
/// How many bytes of an error's body are kept.
pub const MOST_KEPT: usize = 64 * 1024;

/// Runs a call under a paused clock.
///
/// # Panics
///
/// If the call does.
pub fn paused<T>(call: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without a driver").block_on(call)
}

/// Shipped services with as different rules as possible.
const SHIPPED: [fn() -> Service; 16] = [
    services::metronome,
    services::stripe::v1,
    services::stripe::v2,
    services::adyen,
    services::openai,
    services::anthropic,
    services::square,
    services::plaid,
    services::orb,
    services::lago,
    services::paypal,
    services::mollie,
    services::klarna,
    services::zuora,
    services::modern_treasury,
    services::truelayer,
];

/// One of the shipped services, without the state of an earlier input.
pub fn service(number: u8) -> ServiceBuilder {
    let shipped = SHIPPED[usize::from(number) % SHIPPED.len()]();
    shipped.into_builder().base_url(URL).concurrency_limit(ConcurrencyLimit::Off)
}

/// A service that nothing is known of but where errors say what.
pub fn plain() -> ServiceBuilder {
    let format = ErrorFormat::new().message(["/message", "/error/message", "/detail", "/errors/0/message"]);
    let format = format.code(["/code", "/error/code"]).error_type(["/type", "/error/type"]).request_id(["/request_id"]);
    Service::builder("fuzz", URL).error_format(format).concurrency_limit(ConcurrencyLimit::Off)
}

/// A service that stores results under keys, by the name that stored records and rows have: without its 150 routes, which
/// would take most of the time.
pub fn storing() -> ServiceBuilder {
    let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).replay_header("idempotent-replayed");
    let keys = keys.retention(Duration::from_secs(24 * 3600)).concurrent_requests(ConcurrentRequests::Refused);
    Service::builder("metronome", URL).idempotency(keys).concurrency_limit(ConcurrencyLimit::Off)
}

/// A client over a scripted transport: these replies, then 200 for every further request.
///
/// # Panics
///
/// If the client cannot be built, which does not depend on the input.
pub fn client(service: Service, script: Vec<Reply>) -> (ClientWithMiddleware, ScriptedTransport) {
    let successes = (0..64).map(|_| Reply::status(200));
    let transport = ScriptedTransport::new(script.into_iter().chain(successes));
    let client = transport.client(SafeRetry::new([service])).expect("a client without TLS");
    (client, transport)
}

/// The part before a line `%%`, and what follows that.
pub fn section(data: &[u8]) -> (&[u8], &[u8]) {
    let ends = data.windows(4).position(|part| part == b"\n%%\n");
    ends.map_or((data, &[]), |ends| (&data[..ends], &data[ends + 4..]))
}

/// The first line, and what follows it.
pub fn line(data: &[u8]) -> (&[u8], &[u8]) {
    let ends = data.iter().position(|byte| *byte == b'\n');
    ends.map_or((data, &[]), |ends| (&data[..ends], &data[ends + 1..]))
}

/// The sections as replies, see [`reply`].
pub fn replies(mut data: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !data.is_empty() && replies.len() < 16 {
        let (one, rest) = section(data);
        replies.push(reply(one));
        data = rest;
    }
    replies
}

/// A reply as it would be written down: the status, headers, an empty line, the body. Or a word for a failure.
pub fn reply(data: &[u8]) -> Reply {
    let (first, rest) = line(data);
    match first {
        b"reset" => return Reply::reset(),
        b"unconnected" => return Reply::no_connection(),
        b"never" => return Reply::never(),
        _ => {}
    }
    let (headers, body) = headers(rest);
    let mut response = http::Response::new(reqwest::Body::from(body.to_vec()));
    *response.status_mut() = status(first);
    *response.headers_mut() = headers;
    Reply::from(response)
}

/// Always one, so that no input is lost.
fn status(text: &[u8]) -> http::StatusCode {
    http::StatusCode::from_bytes(text).unwrap_or_else(|_| {
        let number = text.iter().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        http::StatusCode::from_u16(200 + number % 400).unwrap_or_default()
    })
}

/// The headers up to an empty line, but for lines that are none and could not arrive; and the body.
pub fn headers(mut data: &[u8]) -> (http::HeaderMap, &[u8]) {
    let mut headers = http::HeaderMap::new();
    while !data.is_empty() {
        let (header, rest) = line(data);
        data = rest;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':').unwrap_or(header.len());
        let name = HeaderName::from_bytes(&header[..colon]);
        let value = HeaderValue::from_bytes(header.get(colon + 1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (headers, data)
}

/// The method that a number stands for.
pub fn method(number: u8) -> Method {
    [Method::POST, Method::GET, Method::PUT, Method::DELETE, Method::PATCH][usize::from(number) % 5].clone()
}

/// What holds for each error: it is found, can be shown, is bounded, and its record can be stored.
///
/// # Panics
///
/// If it does not hold.
pub fn assert_sound(outer: &reqwest_middleware::Error) -> &Error {
    let error = Error::find(outer).expect("an error of the layer");
    let shown = error.to_string();
    assert!(!shown.is_empty() && shown.len() < 4_000 && !shown.contains(char::is_control), "{shown:?}");
    assert!(format!("{error:?}").len() < 32_000);
    assert!(error.body().len() <= MOST_KEPT);
    for text in [Some(error.message()), error.code(), error.error_type(), error.request_id()].into_iter().flatten() {
        assert!(text.len() <= MOST_KEPT, "{} bytes", text.len());
    }
    let _ = (error.source().map(ToString::to_string), error.detail::<serde_json::Value>(), error.advice());
    let stored = serde_json::to_string(&error.record()).expect("a record can be stored");
    let read: Record = serde_json::from_str(&stored).expect("a record can be read");
    assert_eq!(serde_json::to_string(&read).expect("a record can be stored"), stored);
    error
}

/// A little more than the longest time that a call may take.
pub fn longest(deadline: Duration) -> Duration {
    deadline + Duration::from_secs(1)
}
