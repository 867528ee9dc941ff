//! stand-in until merged
use std::time::Duration;
pub async fn provoke(name: &str) -> reqwest::Error {
    let client = reqwest::Client::new();
    match name {
        "connect_refused" | "connect_timeout" | "dns_error" | "h2_refused_stream" | "h2_goaway_unprocessed" => {
            client.get("http://127.0.0.1:9").send().await.unwrap_err()
        }
        "builder_error" => client.get("ftp://127.0.0.1").send().await.unwrap_err(),
        _ => {
            let l = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            client
                .get(format!("http://{}", l.local_addr().unwrap()))
                .timeout(Duration::from_millis(10))
                .send()
                .await
                .unwrap_err()
        }
    }
}
