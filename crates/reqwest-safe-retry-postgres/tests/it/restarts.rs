//! The server is killed and started again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest_safe_retry::durable::testing;
use tokio::{task::JoinSet, time::Duration};

use crate::support::{begin, postgres_server::PostgresServer};

/// The server writes commits to disk ten seconds later, unless it is asked to.
#[tokio::test(flavor = "multi_thread")]
async fn killed_server_has_stored_what_it_answered() {
    let Some(mut server) = PostgresServer::start("killed_server_has_stored_what_it_answered").await else { return };
    let journal = server.journal().await;
    for round in 0..3 {
        let is_killed = Arc::new(AtomicBool::new(false));
        let mut calls = JoinSet::new();
        for caller in 0..8 {
            let (journal, is_killed) = (journal.clone(), Arc::clone(&is_killed));
            calls.spawn(async move {
                let mut begun = Vec::new();
                for number in 0.. {
                    let operation = format!("{round}-{caller}-{number}");
                    match begin(&journal, &operation).await {
                        Ok(fence) => {
                            assert_eq!(fence, Some(1));
                            begun.push(operation);
                        }
                        Err(error) => {
                            assert!(is_killed.load(Ordering::SeqCst), "{error}");
                            break;
                        }
                    }
                }
                begun
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        is_killed.store(true, Ordering::SeqCst);
        server.kill();
        let begun: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
        assert!(begun.len() > 8, "{begun:?}");
        let error = begin(&journal, "away").await.unwrap_err().to_string();
        assert!(error.contains("cannot connect to PostgreSQL"), "{error}");
        server.start_again().await;
        for operation in begun {
            assert_eq!(begin(&journal, &operation).await.unwrap(), None, "{operation} was begun");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_replaced_after_a_restart() {
    let Some(mut server) = PostgresServer::start("idle_connections_are_replaced_after_a_restart").await else { return };
    let journal = server.journal().await;
    let calls: Vec<_> = (0..16)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move { begin(&journal, &number.to_string()).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Some(1));
    }
    server.kill();
    server.start_again().await;
    for number in 0..16 {
        assert!(testing::end(&journal, "test", &number.to_string(), 1).await.unwrap());
    }
}
