//! What goes wrong is said, and never waits for ever.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use reqwest_safe_retry::durable::Journal;
use reqwest_safe_retry_postgres::{
    PostgresJournal,
    deadpool_postgres::{Manager, Pool},
    tokio_postgres::NoTls,
};

use crate::support::{begin, postgres_server::PostgresServer};

fn says<T: std::fmt::Debug>(result: Result<T, impl ToString>, what: &str) {
    let error = result.map_err(|error| error.to_string()).unwrap_err();
    assert!(error.contains(what), "{error}");
}

#[tokio::test]
async fn bad_urls_are_refused() {
    for url in ["http://db.internal", "postgres://db.internal?sslmode=verify-full", "postgres://:secret@a:b:c"] {
        let error = PostgresJournal::connect(url).await.unwrap_err().to_string();
        assert!(error.contains("not the URL of a database") && !error.contains("secret"), "{error}");
    }
    says(PostgresJournal::connect("postgres://db.internal?sslmode=require").await, "give a pool that has it");
}

#[tokio::test]
async fn server_that_is_away_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let journal = PostgresJournal::connect(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).await;
    says(journal, "cannot connect to PostgreSQL: ");
}

#[tokio::test]
async fn silent_server_is_given_up() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!("postgres://postgres@{}/postgres", server.local_addr().unwrap()).parse().unwrap();
    let pool = Pool::builder(Manager::new(config, NoTls)).build().unwrap();
    let journal = PostgresJournal::new(pool).timeout(Duration::from_millis(300));
    let started = Instant::now();
    says(begin(&journal, "one").await, "no answer within 300ms");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn exhausted_pool_is_named() {
    let Some(server) = PostgresServer::start("exhausted_pool_is_named").await else { return };
    server.journal().await;
    let pool = Pool::builder(Manager::new(server.url().parse().unwrap(), NoTls)).max_size(1).build().unwrap();
    let journal = PostgresJournal::new(pool.clone()).timeout(Duration::from_millis(300));
    let held = pool.get().await.unwrap();
    says(begin(&journal, "one").await, "all 1 connections of the pool were in use for 300ms");
    drop(held);
    assert_eq!(begin(&journal, "one").await.unwrap(), Some(1));
}

#[tokio::test]
async fn locked_row_is_given_up() {
    let Some(server) = PostgresServer::start("locked_row_is_given_up").await else { return };
    let journal = server.journal().await.timeout(Duration::from_millis(500));
    begin(&journal, "one").await.unwrap();
    let other = server.client().await;
    other.batch_execute("BEGIN; SELECT FROM reqwest_safe_retry_journal FOR UPDATE").await.unwrap();
    let end = reqwest_safe_retry::durable::testing::end(&journal, "test", "one", 1);
    says(end.await, "does not answer within 500ms");
    assert_eq!(begin(&journal, "two").await.unwrap(), Some(1), "other rows are free");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert!(reqwest_safe_retry::durable::testing::end(&journal, "test", "one", 1).await.unwrap());
}

#[tokio::test]
async fn schema_is_checked() {
    let Some(server) = PostgresServer::start("schema_is_checked").await else { return };
    let journal = PostgresJournal::connect(&server.url()).await.unwrap();
    let missing = "no tables yet: create them once";
    says(journal.check_schema().await, missing);
    says(begin(&journal, "one").await, missing);
    says(journal.in_doubt(10).await, missing);
    says(journal.purge().await, missing);
    journal.create_schema().await.unwrap();
    assert_eq!(begin(&journal, "one").await.unwrap(), Some(1));
    server.sql("UPDATE reqwest_safe_retry_schema SET version = 2").await;
    let newer = "has the schema 2, but this version reads up to 1: update this program";
    says(journal.check_schema().await, newer);
    says(journal.create_schema().await, newer);
    says(begin(&journal, "two").await, newer);
    server.sql("UPDATE reqwest_safe_retry_schema SET version = 1; DROP TABLE reqwest_safe_retry_journal").await;
    says(journal.check_schema().await, missing);
}

#[tokio::test]
async fn newer_entry_fails_alone() {
    let Some(server) = PostgresServer::start("newer_entry_fails_alone").await else { return };
    let journal = server.journal().await;
    begin(&journal, "newer").await.unwrap();
    server.sql("UPDATE reqwest_safe_retry_journal SET entry = replace(entry, '\"format\":1', '\"format\":2')").await;
    says(begin(&journal, "newer").await, "update this program");
    assert_eq!(begin(&journal, "other").await.unwrap(), Some(1));
}

#[tokio::test]
async fn server_that_only_reads_is_named() {
    let Some(server) = PostgresServer::start("server_that_only_reads_is_named").await else { return };
    server.journal().await;
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    let journal = PostgresJournal::connect(&server.url()).await.unwrap();
    says(begin(&journal, "one").await, "connect to the primary");
    server.sql("BEGIN READ WRITE; ALTER DATABASE postgres RESET ALL; COMMIT").await;
    assert_eq!(begin(&journal, "one").await.unwrap(), Some(1), "on a new connection");
}

#[tokio::test]
async fn missing_permission_is_named() {
    let Some(server) = PostgresServer::start("missing_permission_is_named").await else { return };
    server.journal().await;
    server.sql("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader").await;
    let journal = PostgresJournal::connect(&server.url().replace("postgres@", "reader@")).await.unwrap();
    journal.check_schema().await.unwrap();
    says(begin(&journal, "one").await, "permission denied for table reqwest_safe_retry_journal");
}
