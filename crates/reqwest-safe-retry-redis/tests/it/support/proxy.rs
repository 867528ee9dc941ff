//! A TCP proxy in front of the store, which can be slow or silent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    Pass,
    /// Every answer comes a second late.
    Slow,
    /// Connections are accepted, and nothing is answered.
    Silent,
}

#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    /// In front of this port, as long as the runtime lasts.
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), mode: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(accepting.clone().serve(client, port));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, SeqCst);
    }

    async fn serve(self, client: TcpStream, port: u16) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(self.pass(from_client, to_server, false), self.pass(from_server, to_client, true));
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, are_answers: bool) {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let mode = self.mode.load(SeqCst);
            if are_answers && mode == Mode::Slow as u8 {
                sleep(Duration::from_secs(1)).await;
            }
            if mode != Mode::Silent as u8 && to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }
}
