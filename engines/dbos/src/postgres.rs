//! A private PostgreSQL server in a temporary folder, reached through a socket in it.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

const PROGRAMS: [&str; 4] = ["initdb", "postgres", "pg_ctl", "pg_isready"];

/// Stopped when it is dropped.
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<User>,
    server: Child,
}

/// The user to start the server with if this process runs as root: PostgreSQL cannot run as root.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Postgres {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let programs = programs().context("PostgreSQL is not installed: no initdb; give a server with --postgres")?;
        let user = if is_root() { Some(User::find()?) } else { None };
        let folder = TempDir::with_prefix("safe-retry-dbos-")?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let mut initdb = command(&programs, user, "initdb", folder.path());
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        let made = initdb.output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = Self::serve(&programs, user, folder.path())?;
        let mut postgres = Self { folder, programs, user, server };
        postgres.ready().await?;
        Ok(postgres)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/safe_retry?host={}", self.folder.path().display())
    }

    fn serve(programs: &Path, user: Option<User>, folder: &Path) -> anyhow::Result<Child> {
        let mut server = command(programs, user, "postgres", folder);
        // Only the workers are killed here, never the server, so it need not wait for the disk.
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100", "-k"]).arg(folder);
        let log = fs::File::create(folder.join("log"))?;
        Ok(server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if let Some(status) = self.server.try_wait()? {
                bail!("PostgreSQL ended with {status}: {}", fs::read_to_string(self.folder.path().join("log"))?);
            }
            let mut question = Command::new(self.programs.join("pg_isready"));
            question.arg("--quiet").arg("--username=postgres").arg("--host").arg(self.folder.path());
            if question.status()?.success() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("PostgreSQL did not start within 10 s")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = command(&self.programs, self.user, "pg_ctl", self.folder.path());
        let stopped = stop.args(["stop", "--mode=immediate", "--silent"]).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

impl User {
    fn find() -> anyhow::Result<Self> {
        let users = fs::read_to_string("/etc/passwd")?;
        let find = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map(str::parse);
            Some(Self { uid: ids.next()?.ok()?, gid: ids.next()?.ok()? })
        };
        find("postgres")
            .or_else(|| find("nobody"))
            .context("PostgreSQL refuses to run as root, and no other user is known")
    }
}

/// A program of PostgreSQL, with its data in this folder.
fn command(programs: &Path, user: Option<User>, program: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(program));
    // The folder that this program was started in may be closed to the user.
    command.current_dir("/").arg("-D").arg(folder.join("data"));
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The folder with the server's programs: on the path, or that of the newest version where Debian puts them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_complete = |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
    std::env::split_paths(&path).find(is_complete).or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        versions.map(|version| version.path().join("bin")).filter(is_complete).max()
    })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
