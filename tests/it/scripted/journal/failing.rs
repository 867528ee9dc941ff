//! Journals that fail, and what is refused before anything is sent.

use tracing::Level;

use super::*;
use crate::support::collector::Collector;

/// A journal that fails, or does not answer.
struct Broken {
    hangs: bool,
    /// How many steps it takes before that.
    works_for: AtomicUsize,
    journal: InMemoryJournal,
}

/// The machine sleeps before the first answer arrives.
struct Slow {
    journal: InMemoryJournal,
    asleep: Arc<AtomicBool>,
    steps: Arc<AtomicUsize>,
}

#[async_trait]
impl Journal for Slow {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let answer = self.journal.apply(step).await;
        self.asleep.store(true, Ordering::SeqCst);
        self.steps.fetch_add(1, Ordering::SeqCst);
        answer
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.journal.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.journal.purge().await
    }
}

/// What the journal has answered an hour ago is not true any more.
#[tokio::test(start_paused = true)]
async fn lease_counts_from_the_question() {
    let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
    let transport = Transport::new([status(200)]);
    let journal = InMemoryJournal::default().clock(clock.clone());
    let steps = Arc::default();
    let slow = Slow { journal, asleep: clock.asleep.clone(), steps: Arc::clone(&steps) };
    let service = storing().journal(slow).build().unwrap();
    charge(&transport.layered(SafeRetry::new([service]).clock(clock))).send().await.unwrap();
    assert_eq!(steps.load(Ordering::SeqCst), 3, "it was begun, begun again and ended");
}

#[async_trait]
impl Journal for Broken {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let left = self.works_for.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.journal.apply(step).await,
            Err(_) if self.hangs => std::future::pending().await,
            Err(_) => Err(JournalError::new("the disk is full")),
        }
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.journal.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.journal.purge().await
    }
}

fn broken(transport: &Transport, service: ServiceBuilder, hangs: bool, works_for: usize) -> ClientWithMiddleware {
    let journal = Broken { hangs, works_for: works_for.into(), journal: InMemoryJournal::default() };
    transport.layered(SafeRetry::new([service.journal(journal).build().unwrap()]).clock(FixedClock::at(1.0)))
}

/// The write has taken effect, and its operation stays open.
#[tokio::test(start_paused = true)]
async fn journal_that_fails_after_the_write_is_a_warning() {
    let collector = Collector::of("reqwest_safe_retry");
    let transport = Transport::new([status(200)]);
    charge(&broken(&transport, storing(), false, 1)).send().await.unwrap();
    let warnings = collector.events().into_iter().filter(|event| event.level == Level::WARN);
    let shown = warnings.map(|event| {
        ["message", "request", "error", "safe_retry.key_digest", "safe_retry.service"]
            .map(|field| event.get(field).unwrap_or("none").to_owned())
    });
    let digest = IdempotencyKey::new(FIRST).digest().to_string();
    let message = "the journal could not record what became of an operation: its next run finds out";
    let [shown] = &shown.collect::<Vec<_>>()[..] else { panic!("{}", collector.text()) };
    assert_eq!(*shown, [message, "POST /v1/contracts/create", "the journal failed: the disk is full", &digest, "none"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_the_journal() {
    for (hangs, cause) in [(false, "the disk is full"), (true, "did not answer within 5s")] {
        let transport = Transport::new([status(200), status(200)]);
        let client = broken(&transport, storing(), hangs, 0);
        let error = ended(charge(&client)).await.unwrap_err();
        assert_eq!(facts(&error), (ErrorKind::JournalUnavailable, StopReason::JournalUnavailable, Applied::Unknown));
        assert!(error.to_string().contains(cause), "{error}");
        assert!(error.attempts().elapsed() <= Duration::from_secs(5));
        assert!(transport.sent().is_empty());
        // What has no operation, and what reads, does not need it.
        client.post(CONTRACTS).send().await.unwrap();
        client.get(LIST).operation(CHARGE).send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn call_without_time_does_not_begin() {
    let world = World::new([]);
    let error = ended(charge(&world.client(storing())).deadline(Duration::ZERO)).await.unwrap_err();
    assert_eq!(facts(&error), (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown));
    tokio::time::sleep(HOUR).await;
    assert!(world.in_doubt().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn journal_that_fails_later_loses_no_response() {
    for hangs in [false, true] {
        let transport = Transport::new([status(200), status(404)]);
        let client = broken(&transport, storing(), hangs, 1);
        charge(&client).send().await.unwrap();
        // A new key is not sent unless it is recorded.
        let transport = Transport::new([status(500), status(500)]);
        let error = ended(charge(&broken(&transport, not_applied(), hangs, 1))).await.unwrap_err();
        assert_eq!((error.stop(), error.applied()), (StopReason::JournalUnavailable, Applied::No));
        assert_eq!(transport.sent().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn another_request_is_refused() {
    let world = World::new([status(404), status(404), status(404)]);
    let client = world.client(storing());
    let url = format!("{CONTRACTS}?a=1");
    ended(client.post(&url).operation(CHARGE).body("{\"a\":1}")).await.unwrap_err();
    for request in [
        client.post(&url).body("{\"a\":2}"),
        client.post(CONTRACTS).body("{\"a\":1}"),
        client.patch(&url).body("{\"a\":1}"),
    ] {
        let error = ended(request.operation(CHARGE)).await.unwrap_err();
        assert_eq!(facts(&error), (ErrorKind::PayloadMismatch, StopReason::Permanent, Applied::No));
        assert_eq!(error.attempts().count(), 0);
    }
    let stamped = || Operation::new("stamped").about("invoice 7");
    for body in ["{\"at\":1}", "{\"at\":2}"] {
        ended(client.post(CONTRACTS).operation(stamped()).body(body)).await.unwrap_err();
    }
    assert_eq!(world.transport.left(), 0);
    let stream = || reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("abc")]));
    let error = ended(client.post(CONTRACTS).operation("streamed").body(stream())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    assert!(error.to_string().contains("Operation::about"), "{error}");
}

/// The key in the body is no part of the request.
#[tokio::test(start_paused = true)]
async fn key_in_the_body_is_left_out_of_the_digest() {
    let idempotency = Idempotency::body_member("/key", KeyKind::ReplayAll).retention(24 * HOUR);
    let service = || Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency.clone());
    let world = World::new([status(404), status(404)]);
    for body in ["{\"a\":1}".to_owned(), format!("{{\"key\":\"{FIRST}\", \"a\":1}}")] {
        ended(charge(&world.client(service())).body(body)).await.unwrap_err();
    }
    assert_eq!(world.transport.left(), 0);
    let error = ended(charge(&world.client(service())).body("{\"a\":2}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
}

#[test]
fn lease_is_as_long_as_the_deadline() {
    let settings = JournalSettings::new().lease(MINUTE).timeout(Duration::ZERO);
    let error = storing().journal_settings(settings).build().unwrap_err();
    let messages: Vec<_> = error.errors().iter().map(|error| (error.path(), error.message())).collect();
    assert_eq!(
        messages,
        [
            ("services.metronome.journal_settings.timeout", "is 0, which leaves the journal no time"),
            ("services.metronome.retry_policy.deadline", "120s is above the lease 60s of the journal"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn lease_shorter_than_the_deadline_of_a_request_is_refused() {
    let world = World::new([]);
    let client = world.client(storing().journal_settings(JournalSettings::new().lease(130 * SECOND_OF_TIME)));
    let error = ended(charge(&client).deadline(3 * MINUTE)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().count()), (ErrorKind::InvalidPolicy, 0));
    assert!(error.to_string().contains("180s is above the lease 130s"), "{error}");
}
