//! What somebody has found out, and what follows from how an operation has ended.

use super::*;

/// A key under which the service may have stored an error is of no use any more.
#[tokio::test(start_paused = true)]
async fn write_that_somebody_calls_not_applied_goes_on_with_the_next_key() {
    let world = World::new([status(500), status(500), status(200)]);
    world.run(storing()).await.unwrap_err();
    let [entry] = world.in_doubt().await.try_into().unwrap();
    assert_eq!((entry.stop(), entry.ended().is_some()), (Some("unverified"), true));
    // The service has answered all that was sent: nothing has to be waited for.
    world.journal.resolve(&entry, Applied::No).await.unwrap();
    world.run(storing()).await.unwrap();
    assert_eq!(world.keys(), [FIRST, FIRST, NEXT]);
}

/// Somebody may have made it by hand: the service would execute the write.
#[tokio::test(start_paused = true)]
async fn write_that_somebody_calls_applied_is_never_sent() {
    let world = World::new([503, 503, 503].map(status));
    world.run(storing()).await.unwrap_err();
    let [entry] = world.in_doubt().await.try_into().unwrap();
    world.journal.resolve(&entry, Applied::Yes).await.unwrap();
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied(), error.attempts().count()), (ErrorKind::OperationEnded, Applied::Yes, 0));
    assert_eq!(world.keys().len(), 3);
}

/// A gateway has answered, and the service may still execute what it was sent.
#[tokio::test(start_paused = true)]
async fn write_that_may_still_be_executed_is_not_called_not_applied() {
    let world = World::new([503, 503, 503].map(status));
    world.run(storing().journal_settings(short_attempts())).await.unwrap_err();
    let [entry] = world.in_doubt().await.try_into().unwrap();
    let error = world.journal.resolve(&entry, Applied::No).await.unwrap_err().to_string();
    assert!(error.contains("an attempt may still be executed: look again in "), "{error}");
    tokio::time::sleep(MINUTE).await;
    world.journal.resolve(&entry, Applied::No).await.unwrap();
}

/// The verifier has found an effect of which the service may have stored no success: the same key might execute again.
#[tokio::test(start_paused = true)]
async fn write_that_the_verifier_has_found_is_not_fetched() {
    let world = World::new([501].map(status));
    let error = world.run(applied()).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Yes);
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied(), error.attempts().count()), (ErrorKind::OperationEnded, Applied::Yes, 0));
}

/// Runs that were answered in full leave nothing that a later one would have to wait for, however often they are made.
#[tokio::test(start_paused = true)]
async fn answered_runs_keep_no_window_open() {
    let world = World::new([Reply::never()].into_iter().chain([500; 8].map(status)));
    world.killed_after(storing().journal_settings(short_attempts()), 1).await;
    tokio::time::sleep(2 * MINUTE).await;
    let mut advised = Vec::new();
    for _ in 0..4 {
        let error = world.run(storing().journal_settings(short_attempts())).await.unwrap_err();
        advised.push(error.advice());
        match error.advice() {
            Advice::SameKeyAfter { wait, .. } => tokio::time::sleep(wait).await,
            _ => break,
        }
    }
    // Once what the first process has sent is over, only somebody can tell.
    assert_eq!(advised.len(), 2, "{advised:?}");
    assert!(matches!(advised[0], Advice::SameKeyAfter { wait, .. } if wait > 25 * SECOND_OF_TIME), "{advised:?}");
    assert_eq!(advised[1], Advice::LookFirst);
}

/// The journal knows that the first request had no effect.
#[tokio::test(start_paused = true)]
async fn corrected_request_of_a_refused_operation_is_not_in_doubt() {
    let world = World::new([status(400)]);
    world.run(storing()).await.unwrap_err();
    let error = ended(charge(&world.client(storing())).body("corrected")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.applied(), error.advice()),
        (ErrorKind::PayloadMismatch, Applied::No, Advice::Never)
    );
}
