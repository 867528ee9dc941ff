//! A worker: a process that runs the jobs that it is given, and may be killed at any moment.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use reqwest::Response;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Applied, Attempts, Backoff, ConcurrencyLimit, Error, Operation, RequestBuilderExt, RetryPolicy, SafeRetry, Service,
    StopReason, durable::JournalSettings,
};
use tokio::sync::mpsc;

use crate::{
    endpoint::{BoxError, Endpoint, OPERATION, SPARED, WORKER},
    faults::{DEADLINE, LONGEST_ATTEMPT, TIMEOUT, WAITS},
    journal,
    messages::{Job, Reported},
    mode::Mode,
    verifier::LookUp,
};

/// What a worker is started with.
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) number: usize,
    pub(crate) base_url: String,
    pub(crate) token: String,
    /// The scope of all operations: a journal may have those of earlier runs of this program.
    pub(crate) scope: String,
    /// Where the journal is, if there is one.
    pub(crate) journal: Option<String>,
}

struct Worker {
    settings: Settings,
    endpoint: Endpoint,
    http: ClientWithMiddleware,
}

/// Runs jobs, several at once, until its input ends.
pub(crate) fn run(settings: Settings) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let worker = Arc::new(Worker::new(settings).await?);
        let (sender, mut jobs) = mpsc::unbounded_channel();
        std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        while let Some(line) = jobs.recv().await {
            let job: Job = serde_json::from_str(&line)?;
            tokio::spawn(Arc::clone(&worker).run(job));
        }
        Ok(())
    })
}

impl Worker {
    async fn new(settings: Settings) -> Result<Self, BoxError> {
        let number = settings.number.to_string();
        let endpoint = |timeout, headers: &[(&'static str, &str)]| {
            Endpoint::new(&settings.base_url, &settings.token, timeout, headers)
        };
        let spared = endpoint(Duration::from_secs(1), &[(WORKER, &number), (SPARED, "yes")])?;
        let endpoint = endpoint(TIMEOUT, &[(WORKER, &number)])?;
        let mut service = service(&settings.base_url)?.verifier(LookUp { endpoint: spared, lag: Some(Duration::ZERO) });
        if let Some(journal) = journal::open(settings.mode, settings.journal.as_deref()).await? {
            service = service.journal(journal);
        }
        let http = ClientBuilder::new(endpoint.http.clone()).with(SafeRetry::try_new([service])?).build();
        Ok(Self { settings, endpoint, http })
    }

    async fn run(self: Arc<Self>, job: Job) {
        let request = self.http.post(self.endpoint.url(&job.path)).header(OPERATION, job.number.to_string());
        let request = request.json(&job.body);
        let request = if self.settings.mode.has_operations() {
            request.operation(operation(&self.settings.scope, job.number))
        } else {
            request
        };
        let reported = match request.send().await {
            Ok(response) => of_response(job.number, &response),
            Err(error) => of_error(job.number, &error),
        };
        // In one piece, so that a kill leaves the whole line or nothing of it; a supervisor that is gone reads nothing.
        if let Ok(line) = serde_json::to_string(&reported) {
            let _ = io::stdout().lock().write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// The layer as it is documented but for times and numbers, and without a concurrency limit: these processes do not
/// live long enough to learn one.
fn service(base_url: &str) -> Result<Service, BoxError> {
    let waits = Backoff::new(WAITS.0, WAITS.1);
    let policy = RetryPolicy::new().transient(waits.clone()).throttled(waits).max_attempts(5).deadline(DEADLINE);
    let settings = JournalSettings::new().longest_attempt(LONGEST_ATTEMPT);
    let service = Service::metronome().into_builder().base_url(base_url.to_owned()).retry_policy(policy);
    let service = service.concurrency_limit(ConcurrencyLimit::Off);
    Ok(service.retry_budget(100_000).journal_settings(settings).build()?)
}

/// What a job is to achieve, the same whenever it runs.
pub(crate) fn operation(scope: &str, number: usize) -> Operation {
    Operation::new(number.to_string()).scope(scope)
}

fn of_response(number: usize, response: &Response) -> Reported {
    let applied = match response.extensions().get::<Applied>() {
        _ if response.status().is_success() => Applied::Yes,
        Some(applied) => *applied,
        None => Applied::Unknown,
    };
    let attempts = response.extensions().get::<Attempts>().map(Attempts::to_string).unwrap_or_default();
    Reported {
        number,
        applied: applied.into(),
        running_elsewhere: false,
        text: format!("{}, {attempts}", response.status()),
    }
}

fn of_error(number: usize, error: &reqwest_middleware::Error) -> Reported {
    let Some(error) = Error::find(error) else {
        let text = error.to_string();
        return Reported { number, applied: Applied::Unknown.into(), running_elsewhere: false, text };
    };
    Reported {
        number,
        applied: error.applied().into(),
        running_elsewhere: error.stop() == StopReason::RunningElsewhere,
        text: format!("{error}; {}", error.stop()),
    }
}
