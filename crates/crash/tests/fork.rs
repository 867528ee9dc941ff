//! A forked process does not make the keys of its parent again.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read, Write},
    process,
};

use reqwest_safe_retry::{SafeRetry, Service, testing::ScriptedTransport};
use tokio::runtime::Builder;

/// The key of a write, as the service gets it.
fn key() -> String {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let transport = ScriptedTransport::new([200]);
        let client = transport.client(SafeRetry::new([Service::metronome()])).unwrap();
        client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await.unwrap();
        transport.sent()[0].header("idempotency-key").unwrap().to_owned()
    })
}

#[test]
fn forked_process_makes_other_keys() {
    // If random bytes were kept in memory, the child would have them too from here on.
    key();
    let (mut told, mut tell) = io::pipe().unwrap();
    // SAFETY: the child has this thread alone, and nothing of what it does needs another one: it makes a key and ends.
    #[allow(unsafe_code)]
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "{}", io::Error::last_os_error());
    if process == 0 {
        let is_told = tell.write_all(key().as_bytes());
        process::exit(i32::from(is_told.is_err()));
    }
    drop(tell);
    let mut keys = [String::new(), key()];
    told.read_to_string(&mut keys[0]).unwrap();
    assert!(keys.iter().all(|key| key.len() == 36), "{keys:?}");
    assert_ne!(keys[0], keys[1]);
}
