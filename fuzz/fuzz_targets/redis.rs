//! Replies of a Redis server: the store returns shares with finite rates, or an error, and does not wait for more.
//!
//! The input: the bytes of an answer; after a line `%%`, those of the answer to a second request.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{LimitReport, SharedLimit};
use reqwest_safe_retry_fuzz::section;
use reqwest_safe_retry_redis::RedisSharedLimit;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    runtime::{Builder, Runtime},
};

/// What the client asks when it connects: its name and its version are taken.
const GREETING: &[u8] = b"+OK\r\n+OK\r\n";

struct Server {
    runtime: Runtime,
    listener: UnixListener,
    url: String,
}

/// A socket in a file: ports would run out.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let path = std::env::temp_dir().join(format!("fuzz-redis-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&path).expect("a socket")
        };
        Server { runtime, listener, url: format!("redis+unix://{}", path.display()) }
    })
}

/// One connection. Closed after the last answer, so that nothing waits for more of it.
async fn serve(listener: &UnixListener, answers: Vec<Vec<u8>>) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let mut request = vec![0; 64 * 1024];
    for answer in answers {
        if !stream.read(&mut request).await.is_ok_and(|read| read > 0) || stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let (first, second) = section(data);
    let Server { runtime, listener, url } = server();
    runtime.block_on(async {
        let mut answers = vec![GREETING.to_vec(), first.to_vec()];
        // Two answers of which one is such an error, and nothing else, are followed by a second request.
        if first.starts_with(b"-NOSCRIPT") && first.windows(2).filter(|end| end == b"\r\n").count() > 1 {
            answers.push(second.to_vec());
        }
        let served = tokio::spawn(serve(listener, answers));
        let store = RedisSharedLimit::new(url).expect("a URL");
        let reports = [LimitReport::new("billing", 1), LimitReport::new("search", 1)];
        let published = store.publish(&reports).await;
        if let Ok(shares) = published {
            assert_eq!(shares.len(), reports.len());
            assert!(shares.iter().all(|share| share.rate.is_none_or(|rate| rate.is_finite() && rate >= 0.0)));
        }
        // Ends the server, which waits for the next request.
        drop(store);
        served.await.expect("the server does not panic");
    });
});
