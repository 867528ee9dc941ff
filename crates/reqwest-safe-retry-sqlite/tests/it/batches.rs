//! Steps that are queued share a transaction, and callers come and go.

use std::{fs, future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use reqwest_safe_retry::durable::{Journal, testing};
use tokio::task::JoinSet;

use crate::support::{Place, begin, eventually};

/// How many transactions a write-ahead log has: frames of which each ends one, by the number of pages in its header. It
/// must not have been started over.
fn commits(place: &Place) -> usize {
    let log = fs::read(place.file("journal.db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let (page, salt) = (number(8) as usize, &log[16..24]);
    let frames = (32..log.len()).step_by(24 + page).filter(|&at| at + 24 + page <= log.len());
    frames.filter(|&at| &log[at + 8..at + 16] == salt && number(at + 4) != 0).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_steps_share_a_commit() {
    let place = Place::new();
    let journal = place.journal().await;
    // Keeps the log from being started over.
    let reader = place.connection();
    reader.execute_batch("BEGIN; SELECT count(*) FROM journal").unwrap();
    let before = commits(&place);
    let mut calls = JoinSet::new();
    for caller in 0..64 {
        let journal = journal.clone();
        calls.spawn(async move {
            for number in 0..10 {
                assert_eq!(begin(&journal, &format!("{caller}-{number}")).await.unwrap(), Some(1));
            }
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let commits = commits(&place) - before;
    eprintln!("640 steps of 64 callers in {commits} commits");
    assert!(commits > 0 && commits < 160, "{commits} commits");
}

#[tokio::test]
async fn abandoned_step_is_left_out() {
    let place = Place::new();
    let journal = place.journal().await;
    let lock = place.connection();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Holds the thread, which waits for the lock.
    let first = tokio::spawn({
        let journal = journal.clone();
        async move { begin(&journal, "first").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    for number in 0..5_000 {
        let operation = format!("abandoned-{}", number % 10);
        let call = begin(&journal, &operation);
        // Queued, or waiting for room; then dropped.
        let mut call = pin!(call);
        std::future::poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(first.await.unwrap().unwrap(), Some(1));
    for number in 0..10 {
        assert_eq!(begin(&journal, &format!("abandoned-{number}")).await.unwrap(), Some(1), "it was not begun");
    }
}

#[tokio::test]
async fn thread_ends_with_the_last_clone() {
    let place = Place::new();
    let journal = place.journal().await;
    let clone: Arc<dyn Journal> = Arc::new(journal.clone());
    begin(&journal, "first").await.unwrap();
    drop(journal);
    assert_eq!(begin(&clone, "second").await.unwrap(), Some(1));
    // The last connection to a file removes its log.
    let log = place.file("journal.db-wal");
    assert!(log.exists());
    drop(clone);
    eventually("the log is removed", || !log.exists()).await;
}

#[tokio::test]
async fn dropped_opening_leaves_no_thread() {
    let place = Place::new();
    let lock = place.connection();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let opening = tokio::time::timeout(Duration::from_millis(50), place.journal()).await;
    assert!(opening.is_err(), "the file is locked");
    drop(lock);
    let (file, log) = (place.path(), place.file("journal.db-wal"));
    let is_created = || fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    eventually("the file is created and closed", || is_created() && !log.exists()).await;
}

#[tokio::test]
async fn purge_takes_many_transactions() {
    let place = Place::new();
    let journal = place.journal().await;
    let mut calls = JoinSet::new();
    for number in 0..600 {
        let journal = journal.clone();
        calls.spawn(async move {
            let operation = number.to_string();
            let fence = begin(&journal, &operation).await.unwrap().unwrap();
            assert!(testing::end(&journal, "test", &operation, fence).await.unwrap());
        });
    }
    calls.join_all().await;
    assert_eq!(journal.purge().await.unwrap(), 0, "the retention is not known");
    let update = "UPDATE journal SET entry = json_replace(entry, '$.retention', 0), purge_from = 1";
    place.connection().execute_batch(update).unwrap();
    assert_eq!(journal.purge().await.unwrap(), 600);
    assert_eq!(journal.purge().await.unwrap(), 0, "once is enough");
    assert_eq!(begin(&journal, "7").await.unwrap(), None, "it is still known");
}
