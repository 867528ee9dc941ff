//! Journals with connections of their own, as of several processes.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use reqwest_safe_retry::durable::{Journal, testing};
use reqwest_safe_retry_postgres::PostgresJournal;
use tokio::task::JoinSet;

use crate::support::{begin, postgres_server::PostgresServer};

#[tokio::test(flavor = "multi_thread")]
async fn journal_keeps_its_promises() {
    let Some(server) = PostgresServer::start("journal_keeps_its_promises").await else { return };
    testing::conformance(Arc::new(server.journal().await)).await;
    let (one, other) = tokio::join!(server.journal(), server.journal());
    tokio::join!(testing::conformance(Arc::new(one)), testing::conformance(Arc::new(other)));
}

/// A stricter isolation refuses steps that the default lets wait.
#[tokio::test(flavor = "multi_thread")]
async fn isolation_of_the_database_does_not_matter() {
    let Some(server) = PostgresServer::start("isolation_of_the_database_does_not_matter").await else { return };
    for level in ["repeatable read", "serializable"] {
        let change = format!("ALTER DATABASE postgres SET default_transaction_isolation = '{level}'");
        server.sql(&change).await;
        let (one, other) = tokio::join!(server.journal(), server.journal());
        tokio::join!(testing::conformance(Arc::new(one)), testing::conformance(Arc::new(other)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_begins_a_new_operation() {
    let Some(server) = PostgresServer::start("one_of_many_begins_a_new_operation").await else { return };
    let journals = [server.journal().await, server.journal().await];
    for round in 0..20 {
        let mut calls = JoinSet::new();
        for caller in 0..24 {
            let journal = journals[caller % 2].clone();
            calls.spawn(async move { begin(&journal, &format!("new-{round}")).await.unwrap() });
        }
        let begun = calls.join_all().await.into_iter().flatten().count();
        assert_eq!(begun, 1, "round {round}");
    }
}

/// Ends an operation that others begin and end meanwhile, so that each step meets changed rows.
#[tokio::test(flavor = "multi_thread")]
async fn contended_steps_are_applied_anew() {
    let Some(server) = PostgresServer::start("contended_steps_are_applied_anew").await else { return };
    let journal = server.journal().await;
    let fence = begin(&journal, "shared").await.unwrap().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..12 {
        let journal = journal.clone();
        calls.spawn(async move { testing::end(&journal, "test", "shared", fence).await.unwrap() });
    }
    assert!(calls.join_all().await.into_iter().all(|ended| ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_create_the_schema_at_once() {
    let Some(server) = PostgresServer::start("many_create_the_schema_at_once").await else { return };
    let mut creating = JoinSet::new();
    for _ in 0..8 {
        let url = server.url();
        creating.spawn(async move {
            let journal = PostgresJournal::connect(&url).await.unwrap();
            journal.create_schema().await.unwrap();
        });
    }
    creating.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_call_leaves_nothing_open() {
    let Some(server) = PostgresServer::start("dropped_call_leaves_nothing_open").await else { return };
    let journal = server.journal().await;
    for number in 0..200 {
        let operation = format!("dropped-{}", number % 10);
        let mut call = pin!(begin(&journal, &operation));
        // At different points.
        for _ in 0..number % 4 {
            let is_ready = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
            if is_ready {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    assert_eq!(server.client().await.query_one(idle, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert_eq!(begin(&journal, "after").await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_takes_many_statements() {
    let Some(server) = PostgresServer::start("purge_takes_many_statements").await else { return };
    let journal = server.journal().await;
    for number in 0..300 {
        let operation = number.to_string();
        let fence = begin(&journal, &operation).await.unwrap().unwrap();
        assert!(testing::end(&journal, "test", &operation, fence).await.unwrap());
    }
    assert_eq!(journal.purge().await.unwrap(), 0, "the retention is not known");
    let update = "UPDATE reqwest_safe_retry_journal SET purge_from = 1, \
                  entry = jsonb_set(entry::jsonb, '{retention}', '0')::text";
    server.sql(update).await;
    let other = server.journal().await;
    let (one, other) = tokio::join!(journal.purge(), other.purge());
    assert_eq!(one.unwrap() + other.unwrap(), 300, "each is counted once");
    assert_eq!(journal.purge().await.unwrap(), 0);
    assert_eq!(begin(&journal, "7").await.unwrap(), None, "it is still known");
}
