//! The body of an error, read once and within bounds.
//!
//! Reading a small body to its end is also what leaves the connection usable for the next attempt. A body that is
//! too long or too slow is cut off, and its connection with it.

use std::time::Duration;

use reqwest::Response;

use crate::time;

/// The first part of an error's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
}

/// Reads at most `limit` bytes, after decompression, for at most `patience`.
pub(crate) async fn read(mut response: Response, limit: usize, patience: Duration) -> ErrorBody {
    let mut body = ErrorBody::default();
    let read = time::within(patience, fill(&mut response, &mut body, limit)).await;
    body.truncated |= read.is_none();
    body.bytes.shrink_to_fit();
    body
}

async fn fill(response: &mut Response, body: &mut ErrorBody, limit: usize) {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = limit - body.bytes.len();
                body.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    body.truncated = true;
                    return;
                }
            }
            Ok(None) => return,
            // What was cut off is decided by its status.
            Err(_) => {
                body.truncated = true;
                return;
            }
        }
    }
}
