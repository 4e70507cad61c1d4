//! Sends entries over kept connections, one request under way on each, and notes how long each took.
//!
//! Written by hand over TLS: the less the generator costs, the more of the two processors is left to what is
//! measured. One thread, the same for every side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::letters::Transfer;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where to send to, and how.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
}

/// One answered request.
pub(crate) struct Answer {
    /// Which transfer and which of its entries.
    pub(crate) letter: (usize, usize),
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

/// What came of one measurement.
pub(crate) struct Run {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) answers: Vec<Answer>,
}

/// The generator: one thread.
pub(crate) struct Generator(Runtime);

impl Generator {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self(runtime.unwrap())
    }

    /// Sends every transfer over that many connections, which are spread over the places.
    pub(crate) fn send(&self, places: &[Place], connections: usize, transfers: &Arc<Vec<Transfer>>) -> Run {
        self.0.block_on(async {
            let mut open = Vec::new();
            for place in places.iter().cycle().take(connections) {
                open.push(Connection::open(place).await);
            }
            let next = Arc::new(AtomicUsize::new(0));
            let begun = Instant::now();
            let tasks: Vec<_> = open
                .into_iter()
                .map(|connection| {
                    let (next, transfers) = (Arc::clone(&next), Arc::clone(transfers));
                    tokio::spawn(connection.send_from(next, transfers))
                })
                .collect();
            let mut answers = Vec::new();
            for task in tasks {
                answers.extend(task.await.unwrap());
            }
            Run { elapsed: begun.elapsed(), answers }
        })
    }

    /// Waits for work that is no load.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }

    /// The body of one page.
    pub(crate) fn get(&self, place: &Place, path: &str) -> Vec<u8> {
        self.0.block_on(async {
            let mut connection = Connection::open(place).await;
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            let (status, body) = connection.ask(request.as_bytes()).await;
            assert_eq!(status, 200, "{path}");
            body
        })
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(place: &Place) -> Self {
        let stream = TcpStream::connect(place.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::clone(&place.tls)).connect(name, stream).await.unwrap();
        Self { stream, buffer: Vec::with_capacity(ANSWER_BYTES_MAX) }
    }

    /// Takes transfers from the common pile until it is empty.
    async fn send_from(mut self, next: Arc<AtomicUsize>, transfers: Arc<Vec<Transfer>>) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(transfer) = transfers.get(number) else { return answers };
            for (place, letter) in transfer.iter().enumerate() {
                let begun = Instant::now();
                let (status, body) = self.ask(&letter.request).await;
                answers.push(Answer { letter: (number, place), status, body, took: begun.elapsed() });
            }
        }
    }

    async fn ask(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).await.unwrap();
        self.stream.flush().await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the connection was closed before an answer");
            assert!(self.buffer.len() <= ANSWER_BYTES_MAX, "an answer is too long");
            if let Some((status, body)) = answer_in(&self.buffer) {
                return (status, body.to_vec());
            }
        }
    }
}

/// Status and body of a whole answer with a stated length.
fn answer_in(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let head_bytes = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&bytes[..head_bytes]).unwrap(), &bytes[head_bytes + 4..]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).unwrap();
    let length: usize = length.parse().unwrap();
    (body.len() >= length).then(|| (status, &body[..length]))
}
