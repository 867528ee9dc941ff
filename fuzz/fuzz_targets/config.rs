//! Files of services: each is refused with the path of every mistake, or its services work.
//!
//! The input: a byte that chooses the format, then the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{SafeRetry, ServicesConfig, testing::ScriptedTransport};
use reqwest_safe_retry_fuzz::{assert_sound, longest, paused};

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(file) = read(*choice, text) else { return };
    assert_given_back(&file);
    match file.build() {
        Err(error) => {
            assert!(!error.errors().is_empty());
            assert!(error.errors().iter().all(|error| !error.path().is_empty() && !error.message().is_empty()));
        }
        Ok(services) => work(services),
    }
});

fn read(choice: u8, text: &str) -> Option<ServicesConfig> {
    match choice % 3 {
        0 => toml::from_str(text).ok(),
        1 => serde_json::from_str(text).ok(),
        _ => serde_yaml_ng::from_str(text).ok(),
    }
}

/// What is written of a file is the same file.
fn assert_given_back(file: &ServicesConfig) {
    let written = serde_json::to_string(file).expect("what was read can be written");
    assert!(*file == serde_json::from_str(&written).expect("what was written can be read"));
}

fn work(services: Vec<reqwest_safe_retry::Service>) {
    let Some(service) = services.first() else { return };
    let url = service.base_url().to_owned();
    let deadline = service.retry_policy().resolve().deadline;
    let layer = SafeRetry::try_new(services).expect("what builds can be used");
    paused(async {
        let transport = ScriptedTransport::new([503, 429, 500, 200, 200]);
        let client = transport.client(layer).expect("a client without TLS");
        let began = tokio::time::Instant::now();
        if let Err(outer) = client.post(url).body("{}").send().await {
            let _ = reqwest_safe_retry::Error::find(&outer).map(|_| assert_sound(&outer));
        }
        assert!(deadline.as_secs() > 1 << 40 || began.elapsed() <= longest(deadline), "{:?}", began.elapsed());
    });
}
