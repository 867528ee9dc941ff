//! Several connections, and processes that are killed.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use reqwest_safe_retry::durable::testing;
use reqwest_safe_retry_sqlite::SqliteJournal;
use tokio::task::JoinSet;

use crate::support::{Place, begin};

/// Where a child finds its journal, and what its operations are called.
const PATH: &str = "SQLITE_JOURNAL_OF_A_TEST";
const NAME: &str = "SQLITE_JOURNAL_NAME";

/// This test in a process of its own, as [`child`].
fn start_child(place: &Place, name: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["processes::child", "--exact", "--nocapture"])
        .env(PATH, place.path())
        .env(NAME, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Does nothing unless it is the child of another test. Then it begins operations for ever, and prints each that has begun.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(path) = env::var_os(PATH) else { return };
    let (journal, name) = (SqliteJournal::open(path).await.unwrap(), env::var(NAME).unwrap());
    let mut calls = JoinSet::new();
    for caller in 0..16 {
        let (journal, name) = (journal.clone(), name.clone());
        calls.spawn(async move {
            for number in 0.. {
                let operation = format!("{name}-{caller}-{number}");
                begin(&journal, &operation).await.unwrap();
                println!("begun {operation}");
            }
        });
    }
    calls.join_all().await;
}

/// Reads what the child has begun until there are so many, kills it, and reads the rest.
fn kill_after(mut child: Child, most: usize) -> Vec<String> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut begun = Vec::new();
    for line in lines {
        // The last one may have been cut off: a line that is not whole has not been reported.
        if let Some((_, operation)) = line.split_once("begun ") {
            begun.push(operation.to_owned());
        }
        if begun.len() == most {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    begun
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_keeps_its_promises() {
    let place = Place::new();
    testing::conformance(Arc::new(place.journal().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_journals_share_a_file() {
    let place = Place::new();
    let (one, other) = tokio::join!(place.journal(), place.journal());
    let (one, other) = (Arc::new(one), Arc::new(other));
    let mut running = JoinSet::new();
    running.spawn(testing::conformance(one.clone()));
    running.spawn(testing::conformance(other.clone()));
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    for number in 0..50 {
        let operation = number.to_string();
        let (first, second) = tokio::join!(begin(&one, &operation), begin(&other, &operation));
        assert_eq!(first.unwrap().xor(second.unwrap()), Some(1), "one of them has begun it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_create_a_journal_at_once() {
    for _ in 0..5 {
        let place = Place::new();
        let mut creating = JoinSet::new();
        for _ in 0..8 {
            creating.spawn(SqliteJournal::create(place.path()));
        }
        while let Some(created) = creating.join_next().await {
            begin(&created.unwrap().unwrap(), "one").await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_process_has_stored_what_it_reported() {
    let place = Place::new();
    let journal = place.journal().await;
    // At different points of a transaction.
    for most in [1, 40, 151, 300] {
        let child = start_child(&place, &most.to_string());
        let begun = tokio::task::spawn_blocking(move || kill_after(child, most)).await.unwrap();
        assert!(begun.len() >= most, "the child ended: {begun:?}");
        for operation in begun {
            assert_eq!(begin(&journal, &operation).await.unwrap(), None, "{operation} was begun");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_get_their_turn() {
    let place = Place::new();
    let journal = place.journal().await;
    let children = ["one", "other"].map(|name| start_child(&place, name));
    let reading = children.map(|child| tokio::task::spawn_blocking(move || kill_after(child, 1_000)));
    for number in 0..20 {
        assert_eq!(begin(&journal, &format!("between-{number}")).await.unwrap(), Some(1));
    }
    for child in reading {
        assert!(child.await.unwrap().len() >= 1_000);
    }
}
