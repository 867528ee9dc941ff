//! One process after the other, and two at once.

use super::*;

#[tokio::test(start_paused = true)]
async fn next_process_sends_the_same_key() {
    let world = World::new([Reply::never(), status(200), status(200)]);
    world.killed_after(storing(), 1).await;
    assert!(world.in_doubt().await.is_empty(), "the lease has not passed");
    tokio::time::sleep(3 * MINUTE).await;
    let [entry] = world.in_doubt().await.try_into().unwrap();
    assert_eq!((entry.state(), entry.operation(), entry.path()), (EntryState::Begun, CHARGE, "/v1/contracts/create"));
    world.run(storing()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST]);
    assert!(world.in_doubt().await.is_empty());
}

/// The doubling that this is for: the process dies after the new key was sent.
#[tokio::test(start_paused = true)]
async fn rotation_outlives_its_process() {
    let world = World::new([status(500), status(500), Reply::never(), status(503), status(200)]);
    world.killed_after(not_applied(), 3).await;
    tokio::time::sleep(3 * MINUTE).await;
    let response = world.run(not_applied()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT, NEXT, NEXT]);
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.key_generation()).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn operation_has_one_process_at_a_time() {
    let world = World::new([Reply::never(), status(200)]);
    let first = tokio::spawn(charge(&world.client(storing())).send());
    tokio::time::sleep(MINUTE).await;
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!(facts(&error), (ErrorKind::RunningElsewhere, StopReason::RunningElsewhere, Applied::Unknown));
    assert_eq!(error.attempts().count(), 0);

    // It can wait instead: for the lease of a process that has died, or for the end of one that has not.
    first.abort();
    let settings = JournalSettings::new().wait_for_running();
    world.run(storing().journal_settings(settings.clone())).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST]);

    let world = World::new([status(200).after(MINUTE), status(200)]);
    let first = tokio::spawn(charge(&world.client(storing())).send());
    tokio::time::sleep(SECOND_OF_TIME).await;
    let began = tokio::time::Instant::now();
    world.run(storing().journal_settings(settings)).await.unwrap();
    assert!(began.elapsed() < MINUTE + 2 * SECOND_OF_TIME, "{:?}", began.elapsed());
    first.await.unwrap().unwrap();
}

/// Two errors of the service say nothing while a request of the process before may still be executed.
#[tokio::test(start_paused = true)]
async fn rotation_waits_for_the_process_before() {
    let world = World::new([Reply::never(), status(500), status(500), status(200)]);
    let service = || not_applied().journal_settings(short_attempts());
    world.killed_after(service(), 1).await;
    tokio::time::sleep(2 * MINUTE).await;
    world.run(service()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, FIRST, NEXT]);
    let rotated = world.transport.sent()[3].at - world.transport.sent()[0].at;
    assert!((150.0..151.0).contains(&rotated.as_secs_f64()), "the lease and the longest attempt: {rotated:?}");

    // There is no time to wait for it.
    let world = World::new([Reply::never(), status(500), status(500)]);
    world.killed_after(not_applied(), 1).await;
    tokio::time::sleep(2 * MINUTE).await;
    let error = world.run(not_applied()).await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::DeadlineExceeded, Applied::Unknown));
    assert_eq!(world.keys(), [FIRST, FIRST, FIRST]);
}

/// The machine sleeps for an hour between two attempts: what a call knows is not known any more.
#[tokio::test(start_paused = true)]
async fn process_that_was_held_up_begins_again() {
    for (store_sleeps, sent) in [(true, 2), (false, 1)] {
        let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
        let mut world = World::new([status(503).after(SECOND_OF_TIME), status(200)]);
        if store_sleeps {
            world.journal = InMemoryJournal::default().clock(clock.clone());
        }
        let service = storing().build().unwrap().journal(world.journal.clone());
        let call =
            tokio::spawn(ended(charge(&world.transport.layered(SafeRetry::new([service]).clock(clock.clone())))));
        while world.transport.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        clock.asleep.store(true, Ordering::SeqCst);
        let ended = call.await.unwrap();
        assert_eq!(ended.is_ok(), store_sleeps, "{ended:?}");
        if let Err(error) = ended {
            // By the store's clock the lease has not passed: it may be that of another process.
            assert_eq!((error.stop(), error.applied()), (StopReason::RunningElsewhere, Applied::Unknown));
        }
        assert_eq!(world.keys(), vec![FIRST; sent]);
    }
}

/// The machine sleeps after a new key is decided on: the new key is sent, and not the one after it.
#[tokio::test(start_paused = true)]
async fn recorded_key_is_replaced_once() {
    let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
    let replayed = reply(500, &[("idempotent-replayed", "true")], "");
    let mut world = World::new([replayed, status(200)]);
    world.journal = InMemoryJournal::default().clock(clock.clone());
    let asleep = clock.asleep.clone();
    let service = storing().verifier_fn(move |_| {
        asleep.store(true, Ordering::SeqCst);
        async { Verdict::NotApplied }
    });
    let service = service.build().unwrap().journal(world.journal.clone());
    charge(&world.transport.layered(SafeRetry::new([service]).clock(clock))).send().await.unwrap();
    assert_eq!(world.keys(), [FIRST, NEXT]);
}

/// A process is suspended, another one takes the operation over, and then the first one goes on.
#[tokio::test(start_paused = true)]
async fn end_of_an_old_process_is_refused() {
    let late = |code| status(code).after(SECOND_OF_TIME);
    let world = World::new([late(404), status(400)]);
    let mut suspended = Box::pin(world.run(storing()));
    assert!(futures_util::poll!(&mut suspended).is_pending());
    tokio::time::sleep(3 * MINUTE).await;
    world.run(storing()).await.unwrap_err();
    let error = suspended.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.applied()),
        (ErrorKind::NotFound, Applied::Unknown),
        "the other one may have done it"
    );
    let [entry] = world.in_doubt().await.try_into().unwrap();
    assert_eq!(entry.state(), EntryState::Ended(Applied::Unknown), "the ending of the other one stays");

    // A success is one, whoever holds the operation.
    let world = World::new([late(200), status(400)]);
    let mut suspended = Box::pin(world.run(storing()));
    assert!(futures_util::poll!(&mut suspended).is_pending());
    tokio::time::sleep(3 * MINUTE).await;
    world.run(storing()).await.unwrap_err();
    suspended.await.unwrap();
}

/// A process that was suspended while it asked the verifier must not send the next key: another one has, or will.
#[tokio::test(start_paused = true)]
async fn rotation_by_an_old_process_is_refused() {
    let replayed = || reply(500, &[("idempotent-replayed", "true")], "");
    let world = World::new([replayed(), replayed(), Reply::never()]);
    let asked = Arc::new(AtomicBool::new(false));
    let is_asked = asked.clone();
    let slow = storing().verifier_fn(move |_| {
        is_asked.store(true, Ordering::SeqCst);
        async {
            tokio::time::sleep(SECOND_OF_TIME).await;
            Verdict::NotApplied
        }
    });
    let mut suspended = Box::pin(world.run(slow));
    while !asked.load(Ordering::SeqCst) {
        assert!(futures_util::poll!(&mut suspended).is_pending());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(2 * MINUTE).await;
    world.killed_after(not_applied(), 3).await;
    let error = suspended.await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::RunningElsewhere, Applied::Unknown));
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT]);
}

/// The service has said that the key is used up: nothing that is on its way changes that.
#[tokio::test(start_paused = true)]
async fn used_up_key_is_replaced_at_once() {
    let replayed = reply(500, &[("idempotent-replayed", "true")], "");
    let world = World::new([Reply::never(), replayed, status(200)]);
    world.killed_after(not_applied(), 1).await;
    tokio::time::sleep(2 * MINUTE).await;
    world.run(not_applied()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT]);
}

type Meanwhile = Box<dyn Fn() -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>;

/// A journal whose answers to some steps come late, by the wall clock alone: the machine sleeps before it reads them.
struct SlowAnswers {
    clock: Sleeper,
    journal: InMemoryJournal,
    /// At which of its steps the machine sleeps.
    at: usize,
    steps: AtomicUsize,
    /// What another process does meanwhile.
    meanwhile: Meanwhile,
}

#[async_trait]
impl Journal for SlowAnswers {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let answer = self.journal.apply(step).await;
        if self.steps.fetch_add(1, Ordering::SeqCst) == self.at {
            self.clock.asleep.store(true, Ordering::SeqCst);
            (self.meanwhile)().await;
        }
        answer
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.journal.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.journal.purge().await
    }
}

/// The machine sleeps for an hour while a step of the first process is answered, and another process applies the write.
async fn held_up_at(step: usize, replies: impl IntoIterator<Item = Reply>) -> (World, Result<Response, Error>) {
    let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
    let world = World { journal: InMemoryJournal::default().clock(clock.clone()), ..World::new(replies) };
    let other = {
        let service = not_applied().build().unwrap().journal(world.journal.clone());
        world.transport.layered(SafeRetry::new([service]).clock(clock.clone()))
    };
    let meanwhile = Box::new(move || -> futures_util::future::BoxFuture<'static, ()> {
        let call = charge(&other);
        Box::pin(async move { drop(call.send().await.unwrap()) })
    });
    let ended = ended(charge(&sleeping(&world, clock, step, meanwhile))).await;
    (world, ended)
}

/// A process whose machine sleeps at this step of its journal.
fn sleeping(world: &World, clock: Sleeper, at: usize, meanwhile: Meanwhile) -> ClientWithMiddleware {
    let (journal, steps) = (world.journal.clone(), AtomicUsize::new(0));
    let slow = SlowAnswers { clock: clock.clone(), journal, at, steps, meanwhile };
    let service = not_applied().build().unwrap().journal(slow);
    world.transport.layered(SafeRetry::new([service]).clock(clock))
}

/// The key is forgotten while the answer that it may fetch the response is on its way.
#[tokio::test(start_paused = true)]
async fn forgotten_key_fetches_nothing() {
    for (age, sent) in [(20 * HOUR, 2), (22 * HOUR + 30 * MINUTE, 1)] {
        let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
        let journal = InMemoryJournal::default().clock(clock.clone());
        let world = World { journal, ..World::new([status(200), status(200)]) };
        world.run(storing()).await.unwrap();
        tokio::time::sleep(age).await;
        let ended = ended(charge(&sleeping(&world, clock, 0, Box::new(|| Box::pin(async {}))))).await;
        assert!(ended.map_or_else(|error| error.applied() == Applied::Yes, |_| sent == 2));
        assert_eq!(world.keys(), vec![FIRST; sent]);
    }
}

/// The lease begins when it is asked for, and not when the answer is read.
#[tokio::test(start_paused = true)]
async fn late_answer_of_the_journal_is_no_lease() {
    // The other process sends the second key, and the first one fetches what that got.
    let (world, ended) = held_up_at(0, [status(500), status(500), status(200), status(200)]).await;
    ended.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT, NEXT]);
}

/// A key that is recorded, and taken over again with the lease, is not replaced once more.
#[tokio::test(start_paused = true)]
async fn recorded_rotation_is_made_once() {
    let (world, ended) = held_up_at(1, [status(500), status(500), status(200), status(200)]).await;
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT, NEXT]);
    let response = ended.unwrap();
    let keys = response.extensions().get::<Attempts>().unwrap().keys();
    assert_eq!(keys, [FIRST, NEXT].map(IdempotencyKey::new));
}

/// A journal that answers after a pause, in which the process can be suspended.
struct Pausing(InMemoryJournal);

#[async_trait]
impl Journal for Pausing {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let answer = self.0.apply(step).await;
        tokio::task::yield_now().await;
        answer
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.0.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.0.purge().await
    }
}

/// Nothing was sent by the process that was suspended, but by another one in its place.
#[tokio::test(start_paused = true)]
async fn write_of_another_process_is_not_denied() {
    let world = World::new([status(200)]);
    let service = storing().journal(Pausing(world.journal.clone())).build().unwrap();
    let client = world.transport.layered(SafeRetry::new([service]).clock(world.clock.clone()));
    let mut suspended = Box::pin(ended(charge(&client)));
    assert!(futures_util::poll!(&mut suspended).is_pending());
    tokio::time::sleep(3 * MINUTE).await;
    world.run(storing()).await.unwrap();
    let error = suspended.await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::DeadlineExceeded, Applied::Unknown));
}
