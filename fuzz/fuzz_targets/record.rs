//! Records that are read back: each is refused, or a call goes on from it and ends as any other.
//!
//! The input: the record as JSON, a line `%%`, replies, see [`reqwest_safe_retry_fuzz::replies`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{Record, RequestBuilderExt};
use reqwest_safe_retry_fuzz::{URL, assert_sound, client, longest, paused, replies, section, storing};

fuzz_target!(|data: &[u8]| {
    let (record, script) = section(data);
    let Ok(record) = serde_json::from_slice::<Record>(record) else { return };
    let stored = serde_json::to_string(&record).expect("a record can be stored");
    assert_eq!(serde_json::from_str::<Record>(&stored).expect("a record can be read"), record);
    let _ = format!("{record:?} {}", record.attempts());
    paused(async {
        let service = storing().build().expect("a shipped service");
        let policy = service.retry_policy().resolve();
        let (client, transport) = client(service, replies(script));
        let began = tokio::time::Instant::now();
        let request = client.post(format!("{URL}v1/contracts/create")).body("{}");
        let ended = request.resume(&record).send().await;
        assert!(transport.sent().len() <= policy.max_attempts as usize, "{}", transport.sent().len());
        assert!(began.elapsed() <= longest(policy.deadline), "{:?}", began.elapsed());
        if let Err(outer) = ended {
            assert_sound(&outer);
        }
    });
});
