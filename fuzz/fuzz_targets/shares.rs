//! What a store of shared limits answers: whatever it is, calls end in time, and none waits for the store.

#![no_main]

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use reqwest_safe_retry::{
    ConcurrencyLimit, Fleet, LimitReport, LimitShare, SafeRetry, SharedLimit, SharedLimitError, async_trait,
    testing::ScriptedTransport,
};
use reqwest_safe_retry_fuzz::{URL, assert_sound, longest, paused, plain};

#[derive(Arbitrary, Debug)]
struct Input {
    answers: Vec<Answer>,
    statuses: Vec<u8>,
    calls: u8,
}

#[derive(Arbitrary, Clone, Debug)]
enum Answer {
    Share { rate: Option<f64>, growing: bool, closed: bool, probe: bool, pause: Option<Duration>, next: Duration },
    Short { rate: Option<u16>, growing: bool, closed: bool, probe: bool, pause: Option<u16>, next: u16 },
    TooFew,
    Error,
    Late,
}

#[derive(Debug)]
struct Store(Mutex<VecDeque<Answer>>);

#[async_trait]
impl SharedLimit for Store {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut share = LimitShare::new(Duration::from_millis(200));
        match next {
            Some(Answer::Share { rate, growing, closed, probe, pause, next }) => {
                (share.rate, share.growing, share.closed, share.probe) = (rate, growing, closed, probe);
                (share.pause, share.next_report) = (pause, next);
            }
            Some(Answer::Short { rate, growing, closed, probe, pause, next }) => {
                (share.rate, share.growing) = (rate.map(f64::from), growing);
                (share.closed, share.probe) = (closed, probe);
                share.pause = pause.map(|pause| Duration::from_millis(pause.into()));
                share.next_report = Duration::from_millis(next.into());
            }
            Some(Answer::TooFew) => return Ok(Vec::new()),
            Some(Answer::Late) => std::future::pending().await,
            Some(Answer::Error) | None => return Err("away".into()),
        }
        Ok(vec![share; reports.len()])
    }
}

fuzz_target!(|input: Input| {
    paused(async {
        let fleet = Fleet::join(Store(Mutex::new(input.answers.into())));
        let service = plain().concurrency_limit(ConcurrencyLimit::Adaptive).build().expect("a service of this target");
        let service = service.share_limit(&fleet).expect("a limit that can be shared");
        let deadline = service.retry_policy().resolve().deadline;
        let statuses = input.statuses.iter().map(|status| [200, 429, 503, 500][usize::from(*status) % 4]);
        let transport = ScriptedTransport::new(statuses.chain([200; 256]));
        let client = transport.client(SafeRetry::new([service])).expect("a client without TLS");
        let began = tokio::time::Instant::now();
        let calls: Vec<_> = (0..input.calls % 24).map(|_| tokio::spawn(client.get(URL).send())).collect();
        for call in calls {
            if let Err(outer) = call.await.expect("a call does not panic") {
                assert_sound(&outer);
            }
        }
        assert!(began.elapsed() <= longest(deadline), "{:?}", began.elapsed());
    });
});
