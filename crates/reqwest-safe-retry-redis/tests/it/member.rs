//! A process of a fleet: the tests run their own executable again, with the test below.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use reqwest_safe_retry::{Fleet, RetryPolicy, SafeRetry, Service};
use reqwest_safe_retry_redis::RedisSharedLimit;
use tokio::task::JoinSet;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const SERVICE: &str = "FLEET_MEMBER_SERVICE";
const STORE: &str = "FLEET_MEMBER_STORE";
const CALLS: &str = "FLEET_MEMBER_CALLS";

/// What a process says, on its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    StoreIsAway,
    StoreIsBack,
    Warning,
    /// How many calls succeeded.
    Succeeded(u32),
}

/// Processes that call a service; they end when this is dropped.
pub(crate) struct Members {
    children: Vec<Child>,
    said: mpsc::Receiver<(usize, Said, Instant)>,
}

impl Members {
    pub(crate) fn start(count: usize, service: &str, store: &str, calls: u32) -> Self {
        let (sender, said) = mpsc::channel();
        let start = |number| {
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "member::runs_if_started_by_another", "--nocapture"])
                .env(SERVICE, service)
                .env(STORE, store)
                .env(CALLS, calls.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let (lines, sender) = (BufReader::new(child.stderr.take().unwrap()).lines(), sender.clone());
            thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    match said_in(&line) {
                        Some(said) => drop(sender.send((number, said, Instant::now()))),
                        None => eprintln!("process {number}: {line}"),
                    }
                }
            });
            child
        };
        Self { children: (0..count).map(start).collect(), said }
    }

    /// Everything that the processes said, when all have ended: which one, what and when.
    pub(crate) fn join(mut self) -> Vec<(usize, Said, Instant)> {
        for child in &mut self.children {
            assert!(child.wait().unwrap().success());
        }
        self.said.iter().collect()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn said_in(line: &str) -> Option<Said> {
    match line.split_once(' ') {
        Some(("succeeded", count)) => count.parse().ok().map(Said::Succeeded),
        _ if line.starts_with("WARN the store of the shared limits does not answer") => Some(Said::StoreIsAway),
        _ if line.starts_with("INFO the store of the shared limits answers again") => Some(Said::StoreIsBack),
        _ if line.starts_with("WARN ") => Some(Said::Warning),
        _ => None,
    }
}

#[test]
fn runs_if_started_by_another() {
    let (Ok(service), Ok(store), Ok(calls)) = (env::var(SERVICE), env::var(STORE), env::var(CALLS)) else { return };
    tracing::subscriber::set_global_default(Log).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let succeeded = runtime.block_on(call(service, &store, calls.parse().unwrap()));
    eprintln!("succeeded {succeeded}");
}

/// Makes all calls at once. Returns how many succeeded.
async fn call(url: String, store: &str, calls: u32) -> u32 {
    let fleet = Fleet::join(RedisSharedLimit::new(store).unwrap());
    let policy = RetryPolicy::new().max_attempts(10).deadline(Duration::from_secs(60));
    let service =
        Service::builder("limited", url.clone()).retry_policy(policy).build().unwrap().share_limit(&fleet).unwrap();
    let client = SafeRetry::new([service]).client(reqwest::Client::builder()).unwrap();
    let mut running = JoinSet::new();
    for _ in 0..calls {
        let call = client.get(format!("{url}/thing")).send();
        running.spawn(async move { call.await.is_ok_and(|response| response.status().is_success()) });
    }
    running.join_all().await.into_iter().map(u32::from).sum()
}

/// Prints warnings, and what the store's task says.
struct Log;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.0 = format!("{value:?}{}", self.0),
            "error" => self.0.push_str(&format!(" ({value:?})")),
            _ => {}
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.starts_with("the store") || *event.metadata().level() == Level::WARN {
            eprintln!("{} {}", event.metadata().level(), message.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
