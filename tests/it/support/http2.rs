//! An HTTP/2 server written frame by frame, so that it can break the protocol.

use http::{Request, Response, StatusCode};

use super::servers::Peer;

/// Error codes of RFC 9113, section 7.
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0x0;
    pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
    pub(crate) const INTERNAL_ERROR: u32 = 0x2;
    pub(crate) const REFUSED_STREAM: u32 = 0x7;
    pub(crate) const CANCEL: u32 = 0x8;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;
    pub(crate) const HTTP_1_1_REQUIRED: u32 = 0xd;
}

/// The last stream id of a GOAWAY that still allows all open streams.
pub(crate) const ANY_STREAM: u32 = 0x7fff_ffff;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A connection whose client has sent its preface.
pub(crate) struct Http2(Peer);

impl Http2 {
    /// `None` where the client closes first.
    pub(crate) async fn of(mut peer: Peer) -> Option<Self> {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(peer.read(PREFACE.len()).await?, PREFACE, "the client does not speak HTTP/2");
        let mut connection = Self(peer);
        connection.frame(SETTINGS, 0, 0, &[]).await;
        Some(connection)
    }

    /// Reads the head of a request, and returns its stream.
    pub(crate) async fn head(&mut self) -> Option<u32> {
        self.read_head().await.map(|(stream, _)| stream)
    }

    /// Reads a whole request, and returns its stream.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        let (stream, mut ended) = self.read_head().await?;
        while !ended {
            let (kind, flags, _) = self.next_frame().await?;
            ended = kind == DATA && flags & END_STREAM != 0;
        }
        Some(stream)
    }

    async fn read_head(&mut self) -> Option<(u32, bool)> {
        loop {
            if let (HEADERS, flags, stream) = self.next_frame().await? {
                self.0.count_request();
                return Some((stream, flags & END_STREAM != 0));
            }
        }
    }

    /// Reads the next frame's kind, flags and stream, and acknowledges settings.
    async fn next_frame(&mut self) -> Option<(u8, u8, u32)> {
        let head = self.0.read(9).await?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let (length, kind, flags, stream) = (number(&head[..3]), head[3], head[4], number(&head[5..]));
        self.0.read(length as usize).await?;
        if kind == SETTINGS && flags & ACK == 0 {
            self.frame(SETTINGS, ACK, 0, &[]).await;
        }
        Some((kind, flags, stream))
    }

    /// Answers 200 without a body.
    pub(crate) async fn answer(&mut self, stream: u32) {
        const STATUS_200: u8 = 0x88;
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &[STATUS_200]).await;
    }

    /// Answers 200 and a part of a body.
    pub(crate) async fn answer_in_part(&mut self, stream: u32) {
        const STATUS_200: u8 = 0x88;
        self.frame(HEADERS, END_HEADERS, stream, &[STATUS_200]).await;
        self.frame(DATA, 0, stream, b"part").await;
    }

    pub(crate) async fn reset_stream(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    /// Says that no stream above `last` was or will be processed.
    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await;
    }

    /// Sends a DATA frame on stream 0, which the protocol forbids.
    pub(crate) async fn break_protocol(&mut self) {
        self.frame(DATA, 0, 0, b"?").await;
    }

    /// Sends interim responses (103) over and over, until the client is gone.
    pub(crate) async fn send_hints_forever(&mut self, stream: u32) {
        const STATUS: u8 = 0x08;
        let status_103 = [&[STATUS, 3][..], b"103"].concat();
        self.0.send_forever(frame(HEADERS, END_HEADERS, stream, &status_103)).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.send(frame(kind, flags, stream, payload)).await;
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.0.reset();
    }

    /// Keeps the connection open and silent until the client closes it or the server ends.
    pub(crate) async fn keep_open(self) {
        self.0.keep_open().await;
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Serves a connection with the `h2` crate: answers each request with a status, or refuses it unprocessed for `None`.
pub(crate) async fn serve(peer: Peer, answer: impl Fn(&Request<()>) -> Option<StatusCode>) {
    let Ok(mut connection) = h2::server::handshake(peer.into_tcp()).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        match answer(&request.map(drop)) {
            Some(status) => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                let _ = respond.send_response(response, true);
            }
            None => respond.send_reset(h2::Reason::REFUSED_STREAM),
        }
    }
}
