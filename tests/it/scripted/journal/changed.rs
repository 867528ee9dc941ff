//! What has changed between two processes: the service's description, the caller's record, or somebody's verdict.

use super::*;

/// The service's description has gained keys since. What was sent without one is protected by none.
#[tokio::test(start_paused = true)]
async fn key_that_was_not_sent_protects_nothing() {
    let plain = || Service::builder("metronome", "https://api.metronome.com");
    let world = World::new([status(200), status(200)]);
    world.run(plain()).await.unwrap();
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!(facts(&error), (ErrorKind::OperationEnded, StopReason::Permanent, Applied::Yes));
    assert_eq!(world.transport.sent().len(), 1);

    let world = World::new([Reply::never(), status(200)]);
    world.killed_after(plain(), 1).await;
    tokio::time::sleep(3 * MINUTE).await;
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown));
    assert_eq!(world.transport.sent().len(), 1);

    // What had no effect begins anew, with the key.
    let world = World::new([status(404), Reply::never(), status(200)]);
    world.run(plain()).await.unwrap_err();
    world.killed_after(storing(), 2).await;
    tokio::time::sleep(3 * MINUTE).await;
    world.run(storing()).await.unwrap();
    assert_eq!(world.keys(), ["", FIRST, FIRST]);
}

/// Of a call that is sent once, without a journal.
async fn record_of(world: &World, sent: Reply) -> Record {
    let service = storing().retry_policy(RetryPolicy::never()).build().unwrap();
    let client = Transport::new([sent]).layered(SafeRetry::new([service]).clock(world.clock.clone()));
    ended(charge(&client)).await.unwrap_err().record()
}

/// A journal that was set up since knows nothing of it: the record counts.
#[tokio::test(start_paused = true)]
async fn record_counts_where_the_journal_knows_nothing() {
    let world = World::new([status(404), status(200)]);
    let record = record_of(&world, status(503)).await;
    let resume = || world.client(storing()).post(CONTRACTS).resume(&record);
    tokio::time::sleep(HOUR).await;
    let error = ended(resume()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::NotFound, Applied::Unknown), "the first one may be done");
    assert_eq!(world.in_doubt().await.len(), 1);

    let world = World::new([status(200)]);
    let record = record_of(&world, status(503)).await;
    tokio::time::sleep(30 * HOUR).await;
    for _ in 0..2 {
        let error = ended(world.client(storing()).post(CONTRACTS).resume(&record)).await.unwrap_err();
        assert_eq!((error.stop(), error.applied()), (StopReason::KeyExpired, Applied::Unknown));
    }
    // The next process has the time of the first use from the journal.
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.stop(), error.attempts().count()), (StopReason::KeyExpired, 0));
}

/// What a later process records counts more than what was looked at before.
#[tokio::test(start_paused = true)]
async fn recorded_effect_is_not_resolved_away() {
    let world = World::new([status(200).after(SECOND_OF_TIME), status(200)]);
    let mut suspended = Box::pin(world.run(storing().journal_settings(short_attempts())));
    assert!(futures_util::poll!(&mut suspended).is_pending());
    tokio::time::sleep(3 * MINUTE).await;
    let [entry] = world.in_doubt().await.try_into().unwrap();
    suspended.await.unwrap();
    assert!(world.journal.resolve(&entry, Applied::No).await.is_err(), "it was applied");
    tokio::time::sleep(30 * HOUR).await;
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::OperationEnded, Applied::Yes));
    assert_eq!(world.keys(), [FIRST]);
}

/// What the verifier looks at may be behind what the process before has sent last.
#[tokio::test(start_paused = true)]
async fn verdict_about_another_process_waits_for_the_lag() {
    let lag = MINUTE;
    let settings = short_attempts().rotate_expired_keys();
    let service = |kind: fn(Idempotency) -> Idempotency| {
        let verifier = VerifierFn::new(|_| async { Verdict::NotApplied }).lag(lag);
        let idempotency = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll);
        storing().idempotency(kind(idempotency)).verifier(verifier).journal_settings(settings.clone())
    };
    let forgotten = || service(|idempotency| idempotency);
    let kept = || service(|idempotency| idempotency.retention(24 * HOUR));
    for (world, service, first) in [
        (World::new([Reply::never(), status(200)]), &forgotten as &dyn Fn() -> ServiceBuilder, 0),
        (World::new([Reply::never(), status(500), status(500), status(200)]), &kept, 0),
    ] {
        world.killed_after(service(), 1).await;
        tokio::time::sleep(2 * MINUTE).await;
        world.run(service()).await.unwrap();
        let sent = world.transport.sent();
        assert_eq!(world.keys().pop().unwrap(), NEXT);
        let rotated = sent[sent.len() - 1].at - sent[first].at;
        assert!(rotated >= 2 * MINUTE + 30 * SECOND_OF_TIME + lag, "{rotated:?}");
    }
}

/// The keys of an operation follow from its id.
#[tokio::test(start_paused = true)]
async fn steps_and_entries_show_no_key() {
    struct Shown(InMemoryJournal, Arc<std::sync::Mutex<String>>);

    #[async_trait]
    impl Journal for Shown {
        async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
            let shown = format!("{step:?}");
            let answer = self.0.apply(step).await;
            let shown = format!("{shown} {answer:?} {:?}", self.in_doubt(9).await);
            self.1.lock().unwrap().push_str(&shown);
            answer
        }

        async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
            self.0.in_doubt(most).await
        }

        async fn purge(&self) -> Result<u64, JournalError> {
            self.0.purge().await
        }
    }

    let shown = Arc::default();
    let transport = Transport::new([reply(500, &[("idempotent-replayed", "true")], ""), status(503), status(501)]);
    let journal = Shown(InMemoryJournal::default().clock(FixedClock::at(1.0)), Arc::clone(&shown));
    let service = not_applied().journal(journal).build().unwrap();
    charge(&transport.layered(SafeRetry::new([service]).clock(FixedClock::at(1.0)))).send().await.unwrap_err();
    let shown = shown.lock().unwrap();
    assert!(shown.contains("Unknown"), "{shown}");
    for secret in [FIRST, NEXT, CHARGE] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// An earlier process may have sent the write, whatever is wrong with this call.
#[tokio::test(start_paused = true)]
async fn call_that_does_not_get_to_the_journal_says_nothing_of_earlier_ones() {
    let world = World::new([Reply::never()]);
    let buffering = || storing().retry_policy(RetryPolicy::new().buffer_bodies(1000));
    world.killed_after(buffering(), 1).await;
    let stalled = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let error =
        ended(charge(&world.client(buffering())).header("content-length", "9").body(stalled)).await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::DeadlineExceeded, Applied::Unknown));
    assert!(matches!(error.advice(), Advice::SameKeyAfter { not_after: None, .. }), "the journal knows: {error}");
    let contradiction = RetryPolicy::new().max_attempts(0);
    let error = ended(charge(&world.client(storing())).retry_policy(contradiction)).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::InvalidPolicy, Applied::Unknown));
}

/// A response after a redirect that the client has followed is not that of the write.
#[tokio::test(start_paused = true)]
async fn response_of_another_url_ends_in_doubt() {
    struct Elsewhere;

    #[async_trait]
    impl reqwest_middleware::Middleware for Elsewhere {
        async fn handle(
            &self,
            _: reqwest::Request,
            _: &mut http::Extensions,
            _: reqwest_middleware::Next<'_>,
        ) -> reqwest_middleware::Result<Response> {
            use reqwest::ResponseBuilderExt;
            let login = http::Response::builder().url("https://login.metronome.com/".parse().unwrap());
            Ok(login.body("please log in").unwrap().into())
        }
    }

    let world = World::new([]);
    let service = storing().build().unwrap().journal(world.journal.clone());
    let layer = SafeRetry::new([service]).clock(world.clock.clone());
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer).with(Elsewhere).build();
    charge(&client).send().await.unwrap();
    let [entry] = world.in_doubt().await.try_into().unwrap();
    assert_eq!(entry.state(), EntryState::Ended(Applied::Unknown));
}
