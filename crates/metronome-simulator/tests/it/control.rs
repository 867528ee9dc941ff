//! Requests to the simulator itself, and the program.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use metronome_simulator::{Fault, Moment};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{CUSTOMERS, SHORT, Setup, acme, message};

/// Without a token, which it does not need.
async fn control(setup: &Setup, method: Method, name: &str, body: &str) -> Response {
    let url = format!("{}/_simulator/{name}", setup.metronome.base_url());
    setup.client.request(method, url).body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn script_and_ledger_are_served() {
    let setup = Setup::new().await;
    let script = control(&setup, Method::POST, "script", "504 after\nnone # the retry").await;
    assert_eq!(script.status(), 200);
    for status in [504, 200] {
        assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), status);
    }
    let ledger: Value = control(&setup, Method::GET, "ledger", "").await.json().await.unwrap();
    assert_eq!(ledger.as_array().unwrap().len(), 1);
    let written = &ledger[0];
    assert_eq!(
        (&written["path"], &written["body"], &written["idempotency_key"]),
        (&json!(CUSTOMERS), &acme(), &json!("k"))
    );
    assert_eq!((&written["partial"], &written["uniqueness_key"]), (&json!(false), &Value::Null));
    let requests: Value = control(&setup, Method::GET, "requests", "").await.json().await.unwrap();
    let faults: Vec<_> = requests.as_array().unwrap().iter().map(|request| &request["fault"]).collect();
    assert_eq!(faults, [&json!("504 after"), &Value::Null], "its own requests are not among them");
}

#[tokio::test]
async fn faults_are_injected_and_removed() {
    let setup = Setup::new().await;
    let faults = json!({
        "seed": 7, "percent": 100, "kinds": ["503 before"], "only_writes": true, "sparing_headers": ["x-spared"],
    });
    assert_eq!(control(&setup, Method::POST, "faults", &faults.to_string()).await.status(), 200);
    assert_eq!(setup.post(CUSTOMERS, acme()).send().await.unwrap().status(), 503);
    assert_eq!(setup.post(CUSTOMERS, acme()).header("x-spared", "1").send().await.unwrap().status(), 200);
    assert_eq!(setup.request(Method::GET, CUSTOMERS).send().await.unwrap().status(), 200);
    assert_eq!(control(&setup, Method::DELETE, "faults", "").await.status(), 200);
    assert_eq!(setup.post(CUSTOMERS, acme()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn keys_restart_and_lag_are_controlled() {
    let setup = Setup::new().await;
    let create = || setup.keyed(CUSTOMERS, "k", acme()).send();
    create().await.unwrap();
    assert_eq!(control(&setup, Method::POST, "prune-keys", "").await.status(), 200);
    assert_eq!(control(&setup, Method::POST, "list-lag", "10min").await.status(), 200);
    create().await.unwrap();
    let list: Value = setup.request(Method::GET, CUSTOMERS).send().await.unwrap().json().await.unwrap();
    assert_eq!((setup.effects(CUSTOMERS), list["data"].as_array().unwrap().len()), (2, 1));
    setup.metronome.script([Some(Fault::late(SHORT * 100, Moment::Before))]);
    let before = setup.metronome.requests().len();
    let executing = tokio::spawn(setup.keyed(CUSTOMERS, "k2", acme()).send());
    setup.received(before + 1).await;
    assert_eq!(control(&setup, Method::POST, "restart", "").await.status(), 200);
    assert!(executing.await.unwrap().is_err());
    assert_eq!(control(&setup, Method::POST, "settle", "").await.status(), 200);
    assert_eq!(control(&setup, Method::POST, "key-retention", "1ms").await.status(), 200);
    setup.keyed(CUSTOMERS, "k3", acme()).send().await.unwrap();
    tokio::time::sleep(SHORT).await;
    setup.keyed(CUSTOMERS, "k3", acme()).send().await.unwrap();
    assert_eq!(setup.effects(CUSTOMERS), 4);
}

#[tokio::test]
async fn wrong_control_request_is_explained() {
    let setup = Setup::new().await;
    for (name, body, expected) in [
        ("script", "none\n504 later", "line 2: unknown word `later`; expected `before` or `after`"),
        ("faults", r#"{"rate":1}"#, "unknown field `rate`; expected one of seed, percent"),
        ("faults", r#"{"percent":101}"#, "percent: expected a number from 0 to 100"),
        ("faults", r#"{"kinds":["504 later"]}"#, "kinds: unknown word `later`"),
        ("faults", r#"{"kinds":"504 after"}"#, "kinds: expected a list of strings"),
        ("list-lag", "soon", "expected number"),
    ] {
        let (status, text) = message(control(&setup, Method::POST, name, body).await).await;
        assert!(status == 400 && text.starts_with(expected), "{body}: {status} {text}");
    }
    assert_eq!(control(&setup, Method::POST, "unknown", "").await.status(), 404);
    assert_eq!(setup.metronome.script_left(), 0);
}

fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_metronome-simulator"));
    program.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// Stopped at the end of the test, whatever its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn program_serves_until_it_is_stopped() {
    let file = std::env::temp_dir().join(format!("script-{}", std::process::id()));
    std::fs::write(&file, "503 before\n").unwrap();
    let arguments = ["--port", "0", "--token", "t", "--script", file.to_str().unwrap()];
    let mut running = Running(program(&arguments).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    std::fs::remove_file(&file).unwrap();
    let base_url = line.split(' ').nth(2).unwrap();
    for status in [503, 200] {
        let response = Client::new().post(format!("{base_url}{CUSTOMERS}")).bearer_auth("t").json(&acme()).send();
        assert_eq!(response.await.unwrap().status(), status);
    }
    let stopped = Command::new("kill").arg(running.0.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert!(running.0.wait().unwrap().success(), "a clean end");
}

#[test]
fn program_explains_what_is_wrong() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = program(&["--port", &port]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let expected = format!("error: cannot listen on 127.0.0.1:{port}: ");
    assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));
    for (arguments, code) in [
        (&["--fault-pct", "101"][..], 2),
        (&["--porrt", "1"], 2),
        (&["--script", "/no/such/file"], 1),
        (&["--help"], 0),
    ] {
        assert_eq!(program(arguments).output().unwrap().status.code(), Some(code), "{arguments:?}");
    }
}
