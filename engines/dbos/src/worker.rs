//! A worker: recovers what its earlier process left behind, and runs what is in the queue.

use dbos::{Config, DBOS};
use tokio::io::{AsyncReadExt, stdin};

use crate::{
    args::WorkerSettings,
    billing::Billing,
    workflow::{self, WORKFLOW},
};

pub(crate) const APP: &str = "safe-retry-check";

/// Runs until its standard input is closed, so that it ends with its supervisor.
pub(crate) async fn run(settings: WorkerSettings) -> anyhow::Result<()> {
    let billing = Billing::new(&settings)?;
    let dbos = DBOS::new(config(&settings.postgres, &settings.run, &settings.executor));
    dbos.register_workflow(WORKFLOW, move |order| workflow::run(billing.clone(), order))?;
    dbos.launch().await?;
    let mut ignored = Vec::new();
    stdin().read_to_end(&mut ignored).await?;
    Ok(())
}

/// The version is the run's name: a workflow is recovered only by workers of the run that enqueued it.
pub(crate) fn config(postgres: &str, run: &str, executor: &str) -> Config {
    Config {
        app_version: Some(run.to_owned()),
        executor_id: Some(executor.to_owned()),
        max_connections: 5,
        ..Config::new(APP, postgres)
    }
}
