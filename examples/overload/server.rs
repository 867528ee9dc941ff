//! The server: a process of its own, so that it does not share the client's runtime.

use std::{
    convert::Infallible,
    env,
    fmt::{self, Display},
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{clock, error::BoxError};

/// A path that is answered late and does not count, to open connections.
pub(crate) const WARM_UP: &str = "/warm-up";
const WARM_UP_TAKES: Duration = Duration::from_millis(300);

/// What the server does.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    /// How many requests it admits in a second of its own clock; `None` if all.
    pub(crate) admitted: Option<u64>,
    /// How long each takes, admitted or not.
    pub(crate) takes: Duration,
}

/// The process, ended and reaped when dropped.
pub(crate) struct Server {
    process: Child,
    base_url: String,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Result<Self, BoxError> {
        let mut command = Command::new(env::current_exe()?);
        let command = command.arg("--server").arg(behaviour.to_string());
        // The pipe of its input is closed when this process ends, however it ends.
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut server = Self { process, base_url: String::new() };
        let output = server.process.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut server.base_url)?;
        server.base_url.truncate(server.base_url.trim_end().len());
        if server.base_url.is_empty() { Err("the server has ended".into()) } else { Ok(server) }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed or its input ends.
pub(crate) fn serve(behaviour: Behaviour) -> Result<(), BoxError> {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        let window = Arc::<Window>::default();
        loop {
            // Too many open files: some will be closed.
            let Ok((stream, _)) = listener.accept().await else { continue };
            // Small answers are not held back.
            stream.set_nodelay(true)?;
            let window = window.clone();
            let service = service_fn(move |request| answer(request, behaviour, window.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    behaviour: Behaviour,
    window: Arc<Window>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let came = clock::now();
    let is_warm_up = request.uri().path() == WARM_UP;
    let takes = if is_warm_up { WARM_UP_TAKES } else { behaviour.takes };
    // Whoever breaks off gets no answer anyway.
    let _ = request.into_body().collect().await;
    // The way there and the way back are each half of a round trip.
    let is_admitted = match behaviour.admitted.filter(|_| !is_warm_up) {
        Some(most) => {
            clock::sleep_until(came + takes / 2).await;
            window.admit(came, clock::now(), most)
        }
        None => true,
    };
    clock::sleep_until(came + takes).await;
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    if !is_admitted {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(response)
}

/// When the seconds begin: when the first request was sent. Then the second that goes on, and how many requests were
/// admitted in it.
#[derive(Default)]
struct Window(Mutex<Option<(Instant, u64, u64)>>);

impl Window {
    /// Of a request that was sent at that time.
    fn admit(&self, sent: Instant, now: Instant, most: u64) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, second, admitted) = window.get_or_insert((sent, 0, 0));
        let current = now.saturating_duration_since(*began).as_secs();
        if current != *second {
            (*second, *admitted) = (current, 0);
        }
        *admitted += 1;
        *admitted <= most
    }
}

/// As an argument: `<admitted, or 0>:<microseconds>`.
impl Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.admitted.unwrap_or(0), self.takes.as_micros())
    }
}

impl FromStr for Behaviour {
    type Err = BoxError;

    fn from_str(argument: &str) -> Result<Self, Self::Err> {
        let (admitted, micros) = argument.split_once(':').ok_or("--server takes two numbers")?;
        let admitted = Some(admitted.parse()?).filter(|admitted| *admitted > 0);
        Ok(Self { admitted, takes: Duration::from_micros(micros.parse()?) })
    }
}
