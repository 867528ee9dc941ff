//! The thread that has the file open: it commits what is queued in one transaction.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest_safe_retry::durable::JournalError;
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{FileError, ThreadError},
    file::File,
    rows::{Failure, Rows},
};

/// So many calls can be queued; more wait until there is room.
const QUEUE: usize = 1024;
/// So many calls share a transaction, at most.
const BATCH: usize = 256;
/// So long the file is left to other processes after a transaction if more calls are queued: SQLite has no queue for its
/// lock, and without a gap they would hardly ever get it.
const GAP: Duration = Duration::from_micros(200);

/// The thread of a journal. It ends when the last clone of this is dropped.
#[derive(Clone)]
pub(crate) struct Thread {
    jobs: mpsc::Sender<Box<dyn Job>>,
    /// How long a lock of another process is waited for, in milliseconds.
    lock_timeout: Arc<AtomicU64>,
}

impl Thread {
    /// Opens the file on a new thread.
    pub(crate) async fn start(path: PathBuf, create: bool, lock_timeout: Duration) -> Result<Self, JournalError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (opened, is_open) = oneshot::channel();
        let lock_timeout = Arc::new(AtomicU64::new(millis(lock_timeout)));
        let of_thread = Arc::clone(&lock_timeout);
        let main = move || match File::open(&path, create, load(&of_thread)) {
            // Who opens the journal may have gone.
            Ok(file) => drop(opened.send(Ok(())).map(|()| run(file, queue, &of_thread))),
            Err(error) => drop(opened.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("sqlite-journal".to_owned()).spawn(main);
        thread.map_err(|error| JournalError::new(ThreadError::NotStarted(error)))?;
        match is_open.await {
            Ok(opened) => opened.map_err(JournalError::new)?,
            Err(_) => return Err(JournalError::new(ThreadError::Ended)),
        }
        Ok(Self { jobs, lock_timeout })
    }

    pub(crate) fn set_lock_timeout(&self, lock_timeout: Duration) {
        self.lock_timeout.store(millis(lock_timeout), Ordering::Relaxed);
    }

    /// Does some work in a transaction, with whatever else is queued. If the caller goes before the work has begun, it is
    /// left out.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), done: Err(JournalError::new(ThreadError::Ended)), reply };
        let ended = |_| JournalError::new(ThreadError::Ended);
        self.jobs.send(Box::new(call)).await.map_err(|error| ended(error.0))?;
        answer.await.map_err(|_| JournalError::new(ThreadError::Ended))?
    }
}

/// A call, whatever it returns.
trait Job: Send {
    fn is_abandoned(&self) -> bool;

    /// An error ends the transaction.
    fn run(&mut self, rows: &Rows<'_>) -> rusqlite::Result<()>;

    fn answer(self: Box<Self>, failed: Option<&Arc<FileError>>);
}

struct Call<T, W> {
    work: Option<W>,
    done: Result<T, JournalError>,
    reply: oneshot::Sender<Result<T, JournalError>>,
}

impl<T: Send, W: FnOnce(&Rows<'_>) -> Result<T, Failure> + Send> Job for Call<T, W> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, rows: &Rows<'_>) -> rusqlite::Result<()> {
        let Some(work) = self.work.take() else { return Ok(()) };
        // A panic must not end the thread: the other calls have done nothing wrong. A step writes last of all, so that
        // nothing is half written.
        self.done = match catch_unwind(AssertUnwindSafe(|| work(rows))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Entry(error))) => Err(error),
            Ok(Err(Failure::File(error))) => return Err(error),
            Err(panic) => Err(JournalError::new(ThreadError::Panicked(words(&*panic)))),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<&Arc<FileError>>) {
        let Self { done, reply, .. } = *self;
        // The caller may have gone.
        let _ = reply.send(match failed {
            None => done,
            Some(error) => Err(JournalError::new(Arc::clone(error))),
        });
    }
}

// It may sleep: it is a thread of its own.
#[allow(clippy::disallowed_methods)]
fn run(mut file: File, mut jobs: mpsc::Receiver<Box<dyn Job>>, lock_timeout: &AtomicU64) {
    let mut batch = Vec::new();
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        batch.retain(|job| !job.is_abandoned());
        if batch.is_empty() {
            continue;
        }
        let done = file.transaction(load(lock_timeout), |rows| batch.iter_mut().try_for_each(|job| job.run(rows)));
        let failed = done.err().map(Arc::new);
        batch.drain(..).for_each(|job| job.answer(failed.as_ref()));
        if !jobs.is_empty() {
            std::thread::sleep(GAP);
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn load(lock_timeout: &AtomicU64) -> Duration {
    Duration::from_millis(lock_timeout.load(Ordering::Relaxed))
}
