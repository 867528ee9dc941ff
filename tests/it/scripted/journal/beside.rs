//! A service that may execute two requests with the same key at once.

use super::*;

const LONGEST: Duration = Duration::from_secs(30);

fn executing_both() -> ServiceBuilder {
    let idempotency = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
        .retention(24 * HOUR)
        .concurrent_requests(ConcurrentRequests::Executed)
        .longest_execution(LONGEST);
    Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency)
}

fn gap(world: &World, from: usize) -> Duration {
    let sent = world.transport.sent();
    sent[from + 1].at - sent[from].at
}

/// The time that a call has waited for another process says nothing about what that one has sent last.
#[tokio::test(start_paused = true)]
async fn wait_counts_from_when_the_other_process_has_ended() {
    let world = World::new([status(503).after(50 * SECOND_OF_TIME), Reply::never(), status(200)]);
    let first = tokio::spawn(charge(&world.client(executing_both())).deadline(MINUTE).send());
    tokio::time::sleep(SECOND_OF_TIME).await;
    world.run(executing_both().journal_settings(JournalSettings::new().wait_for_running())).await.unwrap();
    first.await.unwrap().unwrap_err();
    assert!(gap(&world, 1) >= LONGEST, "{:?}", gap(&world, 1));
}

/// A call that begins again knows nothing of what another process has sent meanwhile.
#[tokio::test(start_paused = true)]
async fn call_that_begins_again_waits_too() {
    let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
    let mut world = World::new([reply(503, &[("retry-after", "40")], ""), Reply::never(), status(200)]);
    world.journal = InMemoryJournal::default().clock(clock.clone());
    let client = || {
        let service = executing_both().build().unwrap().journal(world.journal.clone());
        world.transport.layered(SafeRetry::new([service]).clock(clock.clone()))
    };
    let first = tokio::spawn(charge(&client()).send());
    tokio::time::sleep(5 * SECOND_OF_TIME).await;
    clock.asleep.store(true, Ordering::SeqCst);
    charge(&client()).deadline(LONGEST + SECOND_OF_TIME).send().await.unwrap_err();
    first.await.unwrap().unwrap();
    assert!(gap(&world, 1) >= LONGEST, "{:?}", gap(&world, 1));
}
