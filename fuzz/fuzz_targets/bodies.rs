//! Bodies of errors: what is read from them never hides the status, and is bounded.
//!
//! The input: a byte that chooses the service, a reply, see [`reqwest_safe_retry_fuzz::reply`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::RetryPolicy;
use reqwest_safe_retry_fuzz::{MOST_KEPT, URL, assert_sound, client, headers, line, paused, plain, reply, service};

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let builder = if *choice == b'!' { plain() } else { service(*choice) };
    let (_, body) = headers(line(data).1);
    paused(async {
        let service = builder.retry_policy(RetryPolicy::never()).build().expect("a shipped service");
        let (client, _) = client(service, vec![reply(data)]);
        let Err(outer) = client.post(URL).body("{}").send().await else { return };
        let error = assert_sound(&outer);
        if error.status().is_some() && !error.body().is_empty() {
            assert_eq!(error.body(), &body[..body.len().min(MOST_KEPT)]);
            assert_eq!(error.is_truncated(), body.len() > MOST_KEPT);
        }
    });
});
