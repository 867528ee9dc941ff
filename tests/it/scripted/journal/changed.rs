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

    let world = World::new([Reply::Silence, status(200)]);
    world.killed_after(plain(), 1).await;
    tokio::time::sleep(3 * MINUTE).await;
    let error = world.run(storing()).await.unwrap_err();
    assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown));
    assert_eq!(world.transport.sent().len(), 1);

    // What had no effect begins anew, with the key.
    let world = World::new([status(404), Reply::Silence, status(200)]);
    world.run(plain()).await.unwrap_err();
    world.killed_after(storing(), 2).await;
    tokio::time::sleep(3 * MINUTE).await;
    world.run(storing()).await.unwrap();
    assert_eq!(world.keys(), ["", FIRST, FIRST]);
}
