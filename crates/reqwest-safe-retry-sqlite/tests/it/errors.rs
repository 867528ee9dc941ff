//! What goes wrong is said, and never waits for ever.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use reqwest_safe_retry::durable::{Journal, JournalError};
use reqwest_safe_retry_sqlite::SqliteJournal;

use crate::support::{Place, begin};

async fn refuses(opened: impl Future<Output = Result<SqliteJournal, JournalError>>, why: &str) {
    let error = opened.await.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

async fn open(path: &Path) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::open(path).await
}

async fn create(path: &Path) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::create(path).await
}

#[tokio::test]
async fn missing_file_is_not_created_by_open() {
    let place = Place::new();
    refuses(open(&place.path()), "does not exist: create it once").await;
    assert!(!place.path().exists());
    fs::write(place.path(), "").unwrap();
    refuses(open(&place.path()), "has no tables yet").await;
    create(&place.path()).await.unwrap();
    open(&place.path()).await.unwrap();
}

#[tokio::test]
async fn missing_directory_is_named() {
    let place = Place::new();
    let path = place.file("nowhere").join("journal.db");
    refuses(open(&path), "the directory of").await;
    refuses(create(&path), "the directory of").await;
}

#[tokio::test]
async fn other_files_stay_as_they_are() {
    let place = Place::new();
    let text = "a text that is longer than the header of a database, which has a hundred bytes. ".repeat(20);
    fs::write(place.path(), &text).unwrap();
    refuses(open(&place.path()), "is not a database").await;
    refuses(create(&place.path()), "is not a database").await;
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
    refuses(create(place.file("").as_path()), "cannot be opened").await;
}

#[tokio::test]
async fn database_of_another_program_stays_as_it_is() {
    let place = Place::new();
    place.connection().execute_batch("CREATE TABLE journal (page TEXT); PRAGMA user_version = 1").unwrap();
    let before = fs::read(place.path()).unwrap();
    refuses(open(&place.path()), "of another program").await;
    refuses(create(&place.path()), "of another program").await;
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn newer_schema_is_refused() {
    let place = Place::new();
    let journal = place.journal().await;
    assert_eq!(begin(&journal, "before").await.unwrap(), Some(1));
    place.connection().execute_batch("PRAGMA user_version = 2").unwrap();
    let message = "has the schema 2, but this version reads up to 1: update this program";
    let error = begin(&journal, "after").await.unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
    refuses(open(&place.path()), message).await;
    refuses(create(&place.path()), message).await;
}

#[tokio::test]
async fn newer_entry_fails_alone() {
    let place = Place::new();
    let journal = place.journal().await;
    begin(&journal, "newer").await.unwrap();
    let update = "UPDATE journal SET entry = json_replace(entry, '$.format', 2)";
    place.connection().execute_batch(update).unwrap();
    let (newer, other) = tokio::join!(begin(&journal, "newer"), begin(&journal, "other"));
    assert!(newer.unwrap_err().to_string().contains("update this program"));
    assert_eq!(other.unwrap(), Some(1));
}

#[tokio::test]
async fn lock_is_waited_for_and_then_named() {
    let place = Place::new();
    let journal = place.journal().await.lock_timeout(Duration::from_millis(300));
    let lock = place.connection();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let calls = tokio::join!(begin(&journal, "one"), begin(&journal, "two"), begin(&journal, "three"));
    for error in [calls.0, calls.1, calls.2].map(|call| call.unwrap_err().to_string()) {
        assert!(error.contains("was locked by another process for 300ms"), "{error}");
    }
    assert!(started.elapsed() > Duration::from_millis(290) && started.elapsed() < Duration::from_secs(3));
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move { begin(&journal, "one").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Some(1));
}

#[tokio::test]
async fn deleted_file_is_noticed() {
    let place = Place::new();
    let journal = place.journal().await;
    begin(&journal, "first").await.unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        fs::remove_file(place.file(name)).unwrap();
    }
    let error = begin(&journal, "first").await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    // Who creates it anew has decided that nothing was lost.
    create(&place.path()).await.unwrap();
    assert_eq!(begin(&journal, "first").await.unwrap(), Some(1));
    assert!(journal.in_doubt(10).await.unwrap().is_empty(), "its lease has not ended");
}
