//! A Redis server of a test's own.

use std::{
    env,
    io::{self, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    folder: PathBuf,
    child: Child,
}

impl RedisServer {
    /// None if there is no `redis-server` to be started, which is said on one line.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = env::temp_dir().join(format!("reqwest-safe-retry-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        match run(port, &folder) {
            Ok(child) => Some(Self { port, folder, child }.when_ready()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = std::fs::remove_dir_all(&folder);
                // Not `eprintln`: the test runner hides its output if the test passes.
                let _ = writeln!(io::stderr(), "redis-server is not on the PATH: the test `{test}` is left out");
                None
            }
            Err(error) => panic!("redis-server does not start: {error}"),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// By SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// At the same port, without what it knew.
    pub(crate) fn start_again(&mut self) {
        self.child = run(self.port, &self.folder).unwrap();
        self.wait_until_ready();
    }

    fn when_ready(self) -> Self {
        self.wait_until_ready();
        self
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        let client = redis::Client::open(self.url()).unwrap();
        let is_ready = || {
            let mut connection = client.get_connection_with_timeout(Duration::from_millis(200))?;
            redis::cmd("PING").query::<String>(&mut connection)
        };
        while let Err(error) = is_ready() {
            assert!(started.elapsed() < Duration::from_secs(10), "redis-server does not answer: {error}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn run(port: u16, folder: &PathBuf) -> io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
