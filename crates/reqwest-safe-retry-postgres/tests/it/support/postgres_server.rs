//! A PostgreSQL server of a test's own.

use std::{
    env, fs,
    io::{self, Write},
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest_safe_retry_postgres::{
    PostgresJournal,
    tokio_postgres::{self, NoTls},
};
use tempfile::TempDir;

/// It ends when this is dropped. A commit waits for the disk, but for journals that ask for it themselves: so that the
/// tests notice if they do not.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    child: Child,
}

impl PostgresServer {
    /// `None` if PostgreSQL is not installed; one line on stderr says so.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            // Not `eprintln`: the test runner hides its output if the test passes.
            let _ = writeln!(io::stderr(), "PostgreSQL is not installed: the test `{test}` is left out");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("reqwest-safe-retry-postgres-").tempdir().unwrap();
        if let Some(user) = other_user() {
            chown(&directory, Some(user), None).unwrap();
        }
        let mut initdb = as_other_user(&programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--pgdata"]);
        let made = initdb.arg(directory.path().join("data")).current_dir(&directory).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = run(&programs, directory.path(), port);
        let server = Self { programs, directory, port, child };
        server.client().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A journal with connections of its own.
    pub(crate) async fn journal(&self) -> PostgresJournal {
        let journal = PostgresJournal::connect(&self.url()).await.unwrap();
        journal.create_schema().await.unwrap();
        journal
    }

    /// Once the server is ready.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let started = Instant::now();
        loop {
            match tokio_postgres::connect(&self.url(), NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => assert!(started.elapsed() < Duration::from_secs(30), "{error}: {}", self.log()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn sql(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.unwrap();
    }

    /// What is not on disk is lost: the server's processes end at once.
    pub(crate) fn kill(&mut self) {
        self.signal("-QUIT");
    }

    /// At the same port.
    pub(crate) async fn start_again(&mut self) {
        self.child = run(&self.programs, self.directory.path(), self.port);
        self.client().await;
    }

    fn signal(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args([signal, &pid]).status();
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if started.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.signal("-QUIT");
    }
}

/// Where `postgres` and `initdb` are: on the `PATH`, or the newest where Debian installs them.
fn programs() -> Option<PathBuf> {
    let has_both = |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    if let Some(folder) = env::split_paths(&env::var_os("PATH").unwrap_or_default()).find(has_both) {
        return Some(folder);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let number = |folder: &PathBuf| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    versions.map(|version| version.path().join("bin")).filter(has_both).max_by_key(number)
}

/// The user id of `nobody`, to start PostgreSQL with if this process runs as root: PostgreSQL cannot run as root.
fn other_user() -> Option<u32> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) == Some(0) { id(&["-u", "nobody"]) } else { None }
}

fn as_other_user(program: &Path) -> Command {
    let Some(user) = other_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]).arg(program);
    command
}

fn run(programs: &Path, directory: &Path, port: u16) -> Child {
    let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    as_other_user(&programs.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"))
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", &format!("port={port}")])
        .args(["-c", "fsync=on", "-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s"])
        .args(["-c", "max_connections=60", "-c", "shared_buffers=16MB"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
