//! How long a key protects, and what follows once an operation has ended.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_fetched_and_never_worse() {
    let world = World::new([status(200), status(200), status(500), status(500), status(404)]);
    for _ in 0..2 {
        world.run(not_applied()).await.unwrap();
    }
    for (stop, sent) in [(StopReason::Unverified, 4), (StopReason::Permanent, 5)] {
        let error = world.run(not_applied()).await.unwrap_err();
        assert_eq!((error.stop(), error.applied()), (stop, Applied::Yes));
        assert_eq!(world.keys(), vec![FIRST; sent], "not with another key, whatever the verifier says");
    }
    tokio::time::sleep(23 * HOUR).await;
    let error = world.run(not_applied()).await.unwrap_err();
    assert_eq!(facts(&error), (ErrorKind::OperationEnded, StopReason::Permanent, Applied::Yes));
    assert_eq!((error.attempts().count(), world.keys().len()), (0, 5));
}

/// Where no key protects, what may have been sent is looked up and not sent again.
#[tokio::test(start_paused = true)]
async fn write_without_a_key_is_not_sent_again() {
    let plain = || Service::builder("metronome", "https://api.metronome.com").journal_settings(short_attempts());
    let world = World::new([Reply::never()]);
    world.killed_after(plain(), 1).await;
    tokio::time::sleep(3 * MINUTE).await;
    let error = world.run(plain()).await.unwrap_err();
    assert_eq!(
        (error.stop(), error.applied(), error.attempts().count()),
        (StopReason::NotIdempotent, Applied::Unknown, 0)
    );
    assert_eq!(world.in_doubt().await.len(), 1);
    let found = plain().verifier_fn(|_| async { Verdict::Applied(Some(http::Response::new("found").into())) });
    let response = world.run(found).await.unwrap();
    assert!(response.extensions().get::<Attempts>().is_some());
    assert!(world.in_doubt().await.is_empty());
    assert_eq!(world.run(plain()).await.unwrap_err().kind(), ErrorKind::OperationEnded);
    assert_eq!(world.transport.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn forgotten_key_is_not_sent_by_a_later_process() {
    let world = World::new([Reply::never(), status(200)]);
    world.killed_after(storing(), 1).await;
    tokio::time::sleep(30 * HOUR).await;
    for service in [storing(), not_applied()] {
        let error = world.run(service).await.unwrap_err();
        assert_eq!(
            (error.stop(), error.applied(), error.attempts().count()),
            (StopReason::KeyExpired, Applied::Unknown, 0)
        );
        assert_eq!(world.in_doubt().await.len(), 1);
    }
    let error = world.run(applied()).await.unwrap_err();
    assert_eq!((error.applied(), error.attempts().count()), (Applied::Yes, 0));
    assert_eq!(world.keys(), [FIRST]);

    // With leave a new key follows.
    let world = World::new([Reply::never(), status(500), status(200)]);
    world.killed_after(storing(), 1).await;
    tokio::time::sleep(30 * HOUR).await;
    world.run(not_applied().journal_settings(JournalSettings::new().rotate_expired_keys())).await.unwrap();
    assert_eq!(world.keys(), [FIRST, NEXT, NEXT]);
}

/// Not even just before: the call's last attempt would come too late.
#[tokio::test(start_paused = true)]
async fn key_must_last_as_long_as_the_call() {
    let kept = 24 * HOUR - 24 * HOUR / 20;
    for (before, sent) in [(119 * SECOND_OF_TIME, 1), (123 * SECOND_OF_TIME, 2)] {
        let world = World::new([Reply::never(), status(200)]);
        world.killed_after(storing(), 1).await;
        tokio::time::sleep(kept - before).await;
        let _ = world.run(storing()).await;
        assert_eq!(world.keys().len(), sent, "{before:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn key_of_unknown_age_limit_is_not_sent_by_a_later_process() {
    for (kind, sent) in [(KeyKind::ReplayAll, 1), (KeyKind::ResourceKey, 2)] {
        let service = || storing().idempotency(Idempotency::header("Idempotency-Key", kind));
        let world = World::new([Reply::never(), status(200)]);
        world.killed_after(service(), 1).await;
        tokio::time::sleep(1000 * 24 * HOUR).await;
        let _ = world.run(service()).await;
        assert_eq!(world.keys().len(), sent, "{kind}");
    }
}

/// What ends without an effect can be done again, as if for the first time.
#[tokio::test(start_paused = true)]
async fn refused_write_runs_again() {
    let world = World::new([status(404), status(500), status(500), status(200)]);
    let error = world.run(not_applied()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::NotFound, Applied::No));
    assert!(world.in_doubt().await.is_empty());
    tokio::time::sleep(30 * HOUR).await;
    world.run(not_applied()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, FIRST, NEXT], "nothing of the run before is still executed");
}

#[tokio::test(start_paused = true)]
async fn harmless_write_is_begun_and_ended_too() {
    let world = World::new([status(200)]);
    let service = || {
        Service::builder("metronome", "https://api.metronome.com").route(
            Method::POST,
            "/v1/contracts/create",
            Effect::Idempotent,
        )
    };
    world.run(service()).await.unwrap();
    let error = world.run(service()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::OperationEnded, Applied::Yes));
    assert_eq!(world.transport.sent().len(), 1, "it may have been overwritten since");
}
