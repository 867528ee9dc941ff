//! The worker processes.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::Sender,
    thread,
};

use crate::{endpoint::BoxError, messages::Job, supervisor::Event};

/// How many jobs a worker runs at once.
const AT_ONCE: usize = 8;

pub(crate) struct Pool {
    /// What every worker is started with.
    arguments: Vec<String>,
    events: Sender<Event>,
    workers: BTreeMap<usize, Worker>,
    started: usize,
}

struct Worker {
    process: Child,
    input: ChildStdin,
    open: usize,
    is_killed: bool,
}

impl Pool {
    pub(crate) fn new(arguments: Vec<String>, events: Sender<Event>) -> Self {
        Self { arguments, events, workers: BTreeMap::new(), started: 0 }
    }

    /// Starts one more worker.
    pub(crate) fn start(&mut self) -> Result<(), BoxError> {
        let number = self.started;
        let mut command = Command::new(env::current_exe()?);
        command.arg("worker").args(&self.arguments).args(["--number", &number.to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("a worker has no input")?;
        let output = process.stdout.take().ok_or("a worker has no output")?;
        let events = self.events.clone();
        thread::spawn(move || read(number, output, &events));
        self.workers.insert(number, Worker { process, input, open: 0, is_killed: false });
        self.started += 1;
        Ok(())
    }

    /// Those that live.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.workers.iter().filter(|(_, worker)| !worker.is_killed).map(|(number, _)| *number).collect()
    }

    /// The worker with the most room.
    pub(crate) fn has_room(&self) -> Option<usize> {
        let living = self.workers.iter().filter(|(_, worker)| !worker.is_killed && worker.open < AT_ONCE);
        living.min_by_key(|(_, worker)| worker.open).map(|(number, _)| *number)
    }

    pub(crate) fn give(&mut self, number: usize, job: &Job) -> Result<(), BoxError> {
        let worker = self.workers.get_mut(&number).ok_or("there is no such worker")?;
        worker.open += 1;
        let line = format!("{}\n", serde_json::to_string(job)?);
        Ok(worker.input.write_all(line.as_bytes())?)
    }

    pub(crate) fn has_ended(&mut self, number: usize) {
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.open -= 1;
        }
    }

    /// Kills a worker. Its output ends later. Returns false if it was killed before.
    pub(crate) fn kill(&mut self, number: usize) -> Result<bool, BoxError> {
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| !worker.is_killed) else { return Ok(false) };
        worker.is_killed = true;
        worker.process.kill()?;
        Ok(true)
    }

    /// The output of a worker has ended.
    ///
    /// # Errors
    ///
    /// If it was not killed.
    pub(crate) fn remove(&mut self, number: usize) -> Result<(), BoxError> {
        let Some(mut worker) = self.workers.remove(&number) else { return Ok(()) };
        let status = worker.process.wait()?;
        if worker.is_killed { Ok(()) } else { Err(format!("a worker has ended by itself: {status}").into()) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for worker in self.workers.values_mut() {
            // It may have ended by itself.
            let _ = worker.process.kill();
            let _ = worker.process.wait();
        }
    }
}

/// Reports each whole line, and the end.
fn read(worker: usize, output: ChildStdout, events: &Sender<Event>) {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|length| length > 0) {
        // The last line of a process that was killed may have been cut off.
        if line.ends_with('\n') {
            let _ = events.send(Event::Line(worker, line.trim_end().to_owned()));
        }
        line.clear();
    }
    let _ = events.send(Event::Ended(worker));
}
