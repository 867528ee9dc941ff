//! The supervisor: hosts the service and the database, enqueues the workflows, kills the workers, and audits.

use std::{
    process::{self, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use dbos::{
    Client, ClientConfig, DBOS, Enqueue, EnqueueOptions, QueueConflict, QueueOptions,
    sysdb::types::{WorkflowFilter, WorkflowRecord, WorkflowStatus},
};
use metronome_simulator::{Close, Fault, Faults, Metronome, Moment};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    args::{Options, WorkerSettings},
    audit::{Record, Report},
    billing::VERIFIER_HEADER,
    postgres::Postgres,
    worker::{APP, config},
    workflow::{Order, WORKFLOW},
};

const QUEUE: &str = "safe-retry-check";
/// The pauses before a kill.
const PAUSES_MS: std::ops::Range<u64> = 50..400;
/// How long the workflows may take to end after the last kill.
const LONGEST_END: Duration = Duration::from_secs(90);
/// One workflow in so many sends a write that the service refuses.
const REFUSED_ONE_IN: usize = 20;

pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let private = if options.postgres.is_none() { Some(Postgres::start().await?) } else { None };
    let postgres = options.postgres.clone().or(private.as_ref().map(Postgres::url)).unwrap_or_default();
    let metronome = Metronome::start().await?;
    metronome.inject(faults(options.seed));
    let settings = WorkerSettings {
        metronome: metronome.base_url().to_owned(),
        token: metronome.token().to_owned(),
        run: format!("{}-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis(), process::id()),
        has_fresh_keys: options.has_fresh_keys,
        executor: String::new(),
        postgres,
    };
    let client = connect(&settings).await?;
    let orders = orders(options.operations, &settings.run);
    let mut fleet = Fleet::start(options.workers, &settings)?;
    let kills = fleet.kill_while(options.kills, &orders, &client, &settings.run).await?;
    let ended = wait_for_all(&client, &settings.run, orders.len()).await?;
    drop(fleet);
    metronome.settle().await;
    let records: Vec<_> = orders.iter().map(|(id, order)| record(id, order, &ended)).collect();
    let mode = if options.has_fresh_keys { "dbos-fresh-keys" } else { "dbos" };
    client.close().await;
    Ok(Report::new(mode, kills, &records, &metronome.ledger()))
}

/// Gateways that answer while or although the work is done, errors before the key is checked, stalls, late responses. A
/// few errors are stored under the key: those only a look at the service can settle.
fn faults(seed: u64) -> Faults {
    let late = Duration::from_millis(300);
    let passing = [
        Fault::gateway(504, Moment::After),
        Fault::gateway(504, Moment::After).taking(late),
        Fault::gateway(504, Moment::Before),
        Fault::gateway(500, Moment::Before),
        Fault::stalled(Moment::Before),
        Fault::stalled(Moment::After),
        Fault::late(late, Moment::Before),
        Fault::late(late, Moment::After),
        Fault::queued(late),
        Fault::dropped(Close::Reset, Moment::After),
    ];
    let stored = [Fault::stored_500(Moment::Before), Fault::stored_500(Moment::After)];
    let kinds = passing.into_iter().cycle().take(3 * passing.len()).chain(stored);
    Faults::seeded(seed).rate(0.7).kinds(kinds).sparing_header(VERIFIER_HEADER)
}

/// Creates the schema, which a client of DBOS does not, and the queue.
async fn connect(settings: &WorkerSettings) -> anyhow::Result<Client> {
    let dbos = DBOS::new(config(&settings.postgres, &settings.run, "supervisor"));
    dbos.launch().await.context("cannot use the database")?;
    dbos.shutdown().await;
    let client = Client::connect(ClientConfig {
        app_name: Some(APP.to_owned()),
        ..ClientConfig::new(settings.postgres.clone())
    });
    let client = client.await?;
    let queue = QueueOptions {
        worker_concurrency: Some(6),
        polling_interval: Duration::from_millis(50),
        ..QueueOptions::default()
    };
    client.register_queue(QUEUE, queue, QueueConflict::AlwaysUpdate).await?;
    Ok(client)
}

/// The workflows with their ids.
fn orders(operations: usize, run: &str) -> Vec<(String, Order)> {
    let order = |number: usize| {
        let name = (number % REFUSED_ONE_IN != 7).then(|| format!("customer-{number}"));
        (format!("{run}-{number:05}"), Order { name })
    };
    (0..operations).map(order).collect()
}

/// The workers. Each keeps its name when it is started again, and so recovers its own workflows.
struct Fleet {
    workers: Vec<(WorkerSettings, Child)>,
}

impl Fleet {
    fn start(workers: usize, settings: &WorkerSettings) -> anyhow::Result<Self> {
        let workers = (0..workers).map(|number| {
            let settings = WorkerSettings { executor: format!("{}-w{number}", settings.run), ..settings.clone() };
            let child = spawn(&settings)?;
            Ok((settings, child))
        });
        Ok(Self { workers: workers.collect::<anyhow::Result<_>>()? })
    }

    /// Enqueues a share of the workflows before each kill, so that there is always something to interrupt.
    async fn kill_while(
        &mut self,
        kills: usize,
        orders: &[(String, Order)],
        client: &Client,
        run: &str,
    ) -> anyhow::Result<usize> {
        for kill in 0..=kills {
            let share = orders.len() * kill / (kills + 1)..orders.len() * (kill + 1) / (kills + 1);
            for (id, order) in &orders[share] {
                enqueue(client, run, id, order).await?;
            }
            if kill < kills {
                sleep(Duration::from_millis(fastrand::u64(PAUSES_MS))).await;
                self.kill_one().await?;
            }
        }
        Ok(kills)
    }

    async fn kill_one(&mut self) -> anyhow::Result<()> {
        let index = fastrand::usize(..self.workers.len());
        let (settings, child) = &mut self.workers[index];
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("a worker ended by itself with {status}");
        }
        // SIGKILL: the process cannot say goodbye.
        child.kill().await?;
        *child = spawn(settings)?;
        Ok(())
    }
}

fn spawn(settings: &WorkerSettings) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    // The supervisor holds the other end of the standard input, which closes when it ends.
    command.args(settings.to_args()).stdin(Stdio::piped()).kill_on_drop(true);
    command.spawn().context("cannot start a worker")
}

async fn enqueue(client: &Client, run: &str, id: &str, order: &Order) -> anyhow::Result<()> {
    let options =
        EnqueueOptions { workflow_id: Some(id), app_version: Some(run), ..EnqueueOptions::on(Enqueue::new(QUEUE)) };
    client.enqueue_with::<_, serde_json::Value, dbos::EngineOnly>(WORKFLOW, order, options).await?;
    Ok(())
}

/// The workflows of this run, once none of them is left to do.
async fn wait_for_all(client: &Client, run: &str, count: usize) -> anyhow::Result<Vec<WorkflowRecord>> {
    let filter = WorkflowFilter { workflow_id_prefixes: vec![run], load_input: false, ..WorkflowFilter::default() };
    let start = Instant::now();
    loop {
        let records = client.list_workflows(&filter).await?;
        ensure!(records.len() == count, "{} of {count} workflows are recorded", records.len());
        let open = |record: &&WorkflowRecord| {
            matches!(record.status, WorkflowStatus::Pending | WorkflowStatus::Enqueued | WorkflowStatus::Delayed)
        };
        // Those that never end count as lost.
        if records.iter().filter(open).count() == 0 || start.elapsed() > LONGEST_END {
            return Ok(records);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn record(id: &str, order: &Order, ended: &[WorkflowRecord]) -> Record {
    let found = ended.iter().find(|record| record.workflow_id == id);
    let output = found.filter(|record| record.status == WorkflowStatus::Success);
    Record {
        workflow_id: id.to_owned(),
        name: order.name.clone(),
        told: output.and_then(|record| serde_json::from_str(record.output.as_deref()?).ok()),
        starts: found.map_or(0, |record| record.recovery_attempts),
    }
}
