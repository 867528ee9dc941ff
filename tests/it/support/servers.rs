//! Small servers on loopback with scripted behaviour; dropping one stops it.

use std::{
    future::{Future, pending},
    io,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{
    ALL_VERSIONS, ClientConfig, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::NoServerSessionStorage,
    version::TLS12,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A client that trusts [`Identity::trusted`] and nothing else, and uses no proxy of the environment.
pub(crate) fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

/// The builder of [`client`].
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // reqwest uses the process's TLS provider; building a config installs the compiled-in one.
    static PROVIDER: LazyLock<()> = LazyLock::new(|| drop(ClientConfig::builder()));
    LazyLock::force(&PROVIDER);
    let root = reqwest::Certificate::from_der(&Identity::trusted().certificate).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([root])
}

/// A certificate with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// For 127.0.0.1, and trusted by [`client`].
    pub(crate) fn trusted() -> &'static Self {
        static TRUSTED: LazyLock<Identity> = LazyLock::new(|| Identity::of("127.0.0.1"));
        &TRUSTED
    }

    /// Signed by itself, for this name or address.
    pub(crate) fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Self { certificate: made.cert.der().clone(), key }
    }

    fn acceptor(&self, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> TlsAcceptor {
        let chain = vec![self.certificate.clone()];
        let config = ServerConfig::builder_with_protocol_versions(versions).with_no_client_auth();
        let mut config = config.with_single_cert(chain, self.key.clone_key()).unwrap();
        // A resumed session would have another handshake.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }
}

/// A server on its own port.
pub(crate) struct Server {
    scheme: &'static str,
    address: SocketAddr,
    counts: Arc<Counts>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    /// Plain TCP; `behaviour` gets each accepted connection.
    pub(crate) fn tcp<F>(behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(None, behaviour)
    }

    /// Plain TCP on another thread, so that the server's allocations are not counted as the test's.
    pub(crate) fn on_own_thread<F>(behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
        });
        let _entered = RUNTIME.enter();
        Self::tcp(behaviour)
    }

    /// TLS; `behaviour` gets each connection after its handshake.
    pub(crate) fn tls<F>(identity: &Identity, behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(Some(identity.acceptor(ALL_VERSIONS, &[])), behaviour)
    }

    /// TLS 1.2, where the server finishes the handshake: the client sees that and the first action of `behaviour`
    /// together.
    pub(crate) fn tls12<F>(identity: &Identity, behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(Some(identity.acceptor(&[&TLS12], &[])), behaviour)
    }

    /// TLS with HTTP/2 negotiated.
    pub(crate) fn tls_http2<F>(identity: &Identity, behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(Some(identity.acceptor(ALL_VERSIONS, &["h2"])), behaviour)
    }

    fn start<F>(tls: Option<TlsAcceptor>, behaviour: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listen();
        let counts = Arc::new(Counts::default());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = tokio::spawn(accept(listener, tls, Arc::new(behaviour), Arc::clone(&counts))).abort_handle();
        Self { scheme, address, counts, accepting }
    }

    /// Announces this scheme in its URLs, whatever the server speaks.
    pub(crate) fn with_scheme(mut self, scheme: &'static str) -> Self {
        self.scheme = scheme;
        self
    }

    pub(crate) fn base_url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url())
    }

    /// The number of requests of which the head was read.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// The number of accepted connections.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (TcpListener::from_std(listener).unwrap(), address)
}

/// A port without a listener.
pub(crate) fn closed_port() -> SocketAddr {
    listen().1
}

/// Owns the connections' tasks, so that aborting this future ends them.
async fn accept<F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    behaviour: Arc<impl Fn(Peer) -> F + Send + Sync + 'static>,
    counts: Arc<Counts>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut peers = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = counts.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, behaviour, counts) = (tls.clone(), Arc::clone(&behaviour), Arc::clone(&counts));
        peers.spawn(async move {
            let stream = match tls {
                None => Stream::Plain(stream),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Stream::Tls(Box::new(stream)),
                    Err(_) => return,
                },
            };
            behaviour(Peer { stream, number, counts, unread: Vec::new() }).await;
        });
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The server's end of one connection; dropping it closes the connection.
pub(crate) struct Peer {
    stream: Stream,
    number: usize,
    counts: Arc<Counts>,
    unread: Vec<u8>,
}

impl Peer {
    /// 0 for the server's first connection.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Reads the head of a request and leaves its body unread; `None` if the client has closed.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = String::from_utf8(self.read_through(b"\r\n\r\n").await?).unwrap();
        self.count_request();
        Some(head)
    }

    /// Reads a whole request and returns its head.
    pub(crate) async fn request(&mut self) -> Option<String> {
        self.head_and_body().await.map(|(head, _)| head)
    }

    /// Reads a whole request; a body in chunks is left in them.
    pub(crate) async fn head_and_body(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let body = match header(&head, "transfer-encoding") {
            Some(_) => self.read_through(b"0\r\n\r\n").await?,
            None => self.read(length.unwrap_or(0)).await?,
        };
        Some((head, body))
    }

    /// Reads up to and including these bytes.
    async fn read_through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(start) = self.unread.windows(end.len()).position(|window| window == end) {
                return Some(self.unread.drain(..start + end.len()).collect());
            }
            self.fill().await?;
        }
    }

    /// Reads exactly this many bytes; `None` if the client closes first.
    pub(crate) async fn read(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        Some(self.unread.drain(..length).collect())
    }

    async fn fill(&mut self) -> Option<()> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.unread).await,
            Stream::Tls(stream) => stream.read_buf(&mut self.unread).await,
        };
        if read.ok()? > 0 { Some(()) } else { None }
    }

    /// Sends these bytes, ignoring a client that is gone.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await;
    }

    /// Sends these bytes over and over, until the client is gone.
    pub(crate) async fn send_forever(&mut self, bytes: impl AsRef<[u8]>) {
        while self.try_send(&bytes).await {}
    }

    /// Sends these bytes one by one, with a pause before each, until the client is gone.
    pub(crate) async fn send_slowly(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            tokio::time::sleep(pause).await;
            if !self.try_send([*byte]).await {
                return;
            }
        }
    }

    async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent: io::Result<()> = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()).await,
            Stream::Tls(stream) => {
                async {
                    stream.write_all(bytes.as_ref()).await?;
                    stream.flush().await
                }
                .await
            }
        };
        sent.is_ok()
    }

    /// Answers with this status, headers (each with its line ending) and body.
    pub(crate) async fn answer(&mut self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {length}\r\n\r\n{body}")).await;
    }

    /// Sends these bytes past TLS.
    pub(crate) async fn send_unencrypted(&mut self, bytes: &str) {
        let tcp = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_mut().0,
        };
        let _: io::Result<()> = tcp.write_all(bytes.as_bytes()).await;
    }

    /// The raw connection, for a library to serve.
    pub(super) fn into_tcp(self) -> TcpStream {
        match self.stream {
            Stream::Plain(stream) if self.unread.is_empty() => stream,
            _ => panic!("TLS, or something was read already"),
        }
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        let tcp = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        // A linger time of zero does not block; older tokio has no other method for it.
        #[allow(deprecated)]
        tcp.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Keeps the connection open and silent until the client closes it or the server ends.
    pub(crate) async fn keep_open(self) {
        let _open = self;
        pending().await
    }

    pub(super) fn count_request(&self) {
        self.counts.requests.fetch_add(1, Ordering::SeqCst);
    }
}

/// The value of a header in the head of a request.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}
