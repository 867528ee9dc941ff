//! What is not ours under our key, and servers that are not Redis.

use std::time::Duration;

use redis::{Commands, Connection};
use reqwest_safe_retry::{LimitReport, LimitShare, SharedLimit, SharedLimitError};
use reqwest_safe_retry_redis::RedisSharedLimit;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::redis_server::RedisServer;

const KEY: &str = "test:limit";

fn store(url: &str) -> RedisSharedLimit {
    RedisSharedLimit::new(url).unwrap().prefix("test:")
}

fn report(process: u64) -> LimitReport {
    let mut report = LimitReport::new("limit", process);
    (report.accepted, report.refused, report.waiting) = (10, 5, 100);
    (report.last_accepted, report.last_refused) = (Some(Duration::ZERO), Some(Duration::ZERO));
    report
}

async fn publish(store: &RedisSharedLimit) -> Result<LimitShare, SharedLimitError> {
    store.publish(&[report(1)]).await.map(|mut shares| shares.remove(0))
}

/// The numbers of a state, packed as the script packs them.
fn packed(numbers: impl IntoIterator<Item = f64>) -> Vec<u8> {
    numbers.into_iter().flat_map(f64::to_le_bytes).collect()
}

#[tokio::test]
async fn foreign_data_is_an_error_and_stays() {
    let Some(server) = RedisServer::start("foreign_data_is_an_error_and_stays") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    let puts: [fn(&mut Connection); 7] = [
        |redis| redis.set(KEY, "text").unwrap(),
        |redis| redis.rpush(KEY, "item").unwrap(),
        |redis| redis.sadd(KEY, "member").unwrap(),
        |redis| redis.hset(KEY, "field", "value").unwrap(),
        |redis| redis.hset(KEY, "state", "garbage").unwrap(),
        |redis| redis.hset(KEY, "state", packed([f64::NAN; 48])).unwrap(),
        |redis| redis.hset(KEY, "state", packed([9.0; 48])).unwrap(),
    ];
    for put in puts {
        let _: () = redis.del(KEY).unwrap();
        put(&mut redis);
        let before: Vec<u8> = redis::cmd("DUMP").arg(KEY).query(&mut redis).unwrap();
        let error = publish(&store).await.unwrap_err().to_string();
        assert!(error.contains("\"test:limit\"") && error.contains("does not hold a limit"), "{error}");
        let after: Vec<u8> = redis::cmd("DUMP").arg(KEY).query(&mut redis).unwrap();
        assert_eq!((before, redis.ttl(KEY)), (after, Ok(-1)));
    }
    let _: () = redis.del(KEY).unwrap();
    publish(&store).await.unwrap();
}

/// Whatever numbers a state has, a share is an error or a number.
#[tokio::test]
async fn absurd_numbers_stay_within_bounds() {
    let Some(server) = RedisServer::start("absurd_numbers_stay_within_bounds") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    let absurd = [0.0, 0.5, 1.0, 1e15, -1.0, -1e308, 1e308, f64::INFINITY, f64::NAN];
    let (mut rng, mut shares) = (fastrand::Rng::with_seed(1), 0);
    for _ in 0..2_000 {
        let kinds = *rng.choice(&[3, 4, absurd.len()]).unwrap();
        let mut any = || absurd[rng.usize(..kinds)];
        let mut numbers: Vec<_> = (0..48).map(|_| any()).collect();
        (numbers[0], numbers[1]) = (1.0, 1.0);
        let own = packed((0..4).map(|_| any()));
        let _: () = redis.hset_multiple(KEY, &[("state", packed(numbers)), ("0000000000000001", own)]).unwrap();
        let _: () = redis.hset(KEY, "another", "garbage").unwrap();
        match publish(&store).await {
            Ok(share) => {
                shares += 1;
                assert!(share.rate.is_none_or(f64::is_finite), "{share:?}");
            }
            Err(error) => assert!(error.to_string().contains("does not hold a limit"), "{error}"),
        }
        assert!(redis.hlen::<_, usize>(KEY).unwrap() <= 3);
    }
    assert!(shares > 500, "{shares}");
}

#[tokio::test]
async fn members_leave_and_the_limit_is_forgotten() {
    let Some(server) = RedisServer::start("members_leave_and_the_limit_is_forgotten") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    let reports: Vec<_> = (0..100).map(report).collect();
    assert_eq!(store.publish(&reports).await.unwrap().len(), 100);
    assert_eq!(redis.hlen(KEY), Ok(101));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    publish(&store).await.unwrap();
    assert_eq!(redis.hlen(KEY), Ok(2));
    assert!((590..=600).contains(&redis.ttl::<_, i64>(KEY).unwrap()));
    assert_eq!(redis.keys::<_, Vec<String>>("*"), Ok(vec![KEY.to_owned()]));
}

/// Another server takes over, and its clock is behind.
#[tokio::test]
async fn clock_that_goes_back_begins_anew() {
    let Some(server) = RedisServer::start("clock_that_goes_back_begins_anew") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    publish(&store).await.unwrap();
    let mut state: Vec<u8> = redis.hget(KEY, "state").unwrap();
    state[8..16].copy_from_slice(&1e14_f64.to_le_bytes());
    let _: () = redis.hset(KEY, "state", state).unwrap();
    publish(&store).await.unwrap();
    let state: Vec<u8> = redis.hget(KEY, "state").unwrap();
    assert!(f64::from_le_bytes(state[8..16].try_into().unwrap()) < 1e13);
}

/// The script is brought along once, and no report counts twice.
#[tokio::test]
async fn forgotten_script_is_sent_again() {
    let Some(server) = RedisServer::start("forgotten_script_is_sent_again") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    for _ in 0..3 {
        let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut redis).unwrap();
        let _: () = redis.del(KEY).unwrap();
        assert_eq!(store.publish(&[report(1), report(2)]).await.unwrap().len(), 2);
        let state: Vec<u8> = redis.hget(KEY, "state").unwrap();
        assert_eq!(state[7 * 8..8 * 8], 20_f64.to_le_bytes(), "accepted");
    }
}

/// Answers like this to everything.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while let Ok(1..) = client.read(&mut [0; 65_536]).await {
                    let _ = client.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    address.to_string()
}

#[tokio::test]
async fn absurd_answers_are_errors() {
    let answers =
        ["+OK\r\n", ":1\r\n", "$-1\r\n", "*0\r\n", "-ERR no\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\r\n"];
    for answer in answers.into_iter().chain([
        "*999999999\r\n",
        "$999999999999\r\n",
        "*5\r\n$3\r\nnan\r\n:1\r\n:0\r\n$-1\r\n:9\r\n",
    ]) {
        let address = answering(answer).await;
        let store = store(&format!("redis://{address}"));
        for _ in 0..2 {
            let error = publish(&store).await.unwrap_err().to_string();
            assert!(error.contains(&address), "{error}");
        }
    }
}

#[tokio::test]
async fn secrets_are_never_shown() {
    // As Redis says it of a command that it does not know.
    let address = answering("-ERR unknown command 'AUTH', with args beginning with: 'us3r' 's3cret'\r\n").await;
    let store = store(&format!("redis://us3r:s3cret@{address}"));
    let shown = format!("{store:?} {:?} {}", publish(&store).await, publish(&store).await.unwrap_err());
    assert!(shown.contains(&address) && !shown.contains("s3cret"), "{shown}");
    for url in
        ["https://:s3cret@host", "s3cret", "redis://:s3cret@", "redis://:s3cret@host/s3cret", "redis://h:s3cret/"]
    {
        let error = RedisSharedLimit::new(url).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret") && shown.contains("redis://host:6379"), "{shown}");
    }
}

#[tokio::test]
async fn tls_against_a_plain_server_is_an_error() {
    let address = answering("-ERR no\r\n").await;
    let error = publish(&store(&format!("rediss://{address}"))).await.unwrap_err().to_string();
    assert!(error.contains(&address), "{error}");
}

/// A report that is given up takes its connection with it.
#[tokio::test]
async fn cancelled_report_leaves_nothing_behind() {
    let Some(server) = RedisServer::start("cancelled_report_leaves_nothing_behind") else { return };
    let (mut redis, store) = (server.client(), store(&server.url()));
    for _ in 0..20 {
        publish(&store).await.unwrap();
        tokio::select! {
            biased;
            answer = publish(&store) => panic!("at once: {answer:?}"),
            () = std::future::ready(()) => {}
        }
    }
    publish(&store).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut redis).unwrap();
    assert_eq!(clients.lines().count(), 2, "{clients}");
}
