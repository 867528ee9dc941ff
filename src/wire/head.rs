//! All of a response but its body.

use std::mem;

use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use reqwest::{Response, ResponseBuilderExt};

/// All of a response without its body, with these of its headers but for those that describe the body on the wire.
pub(crate) fn of(response: &mut Response, headers: HeaderMap) -> http::Response<()> {
    let mut head = http::Response::builder().url(response.url().clone()).body(()).unwrap_or_default();
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    head.extensions_mut().extend(mem::take(response.extensions_mut()));
    *head.headers_mut() = headers;
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers_mut().remove(name);
    }
    head
}
