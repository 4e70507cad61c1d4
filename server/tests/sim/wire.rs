//! One connection in memory to the server that ships: HTTP/1.1 parsed and written by actix, routes, extractors
//! and handlers of `routes::protocol`, and the caller's pin where the TLS listener notes it.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, Service as _, ServiceFactory as _, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use cme_client::transport::Request;
use cme_server::extract::RateLimits;
use cme_server::node::Node;
use cme_server::routes;
use cme_server::tls::{Connections, ShownPin};
use cme_spec::digest::Digest;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};

/// Bytes that a connection holds before its writer waits.
const WIRE_BYTES: usize = 64 << 10;

/// The server's end of a connection whose client has proven to hold a key.
struct Wire {
    io: DuplexStream,
    pin: Digest,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// The listener of a deployment.
pub(crate) struct Front(Box<dyn Fn(Wire) -> Serving>);

/// What came back over a connection.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Front {
    pub(crate) async fn open(node: &Node) -> Self {
        let limits = node.config().limits;
        let (data, rates) = (web::Data::new(node.clone()), web::Data::new(RateLimits::new(&limits)));
        let connections = Connections::new(limits.connections_per_peer_max);
        let app = App::new().app_data(data).app_data(rates).configure(routes::protocol);
        let app = map_config(app.into_factory(), |()| AppConfig::default());
        let http = HttpService::build()
            .on_connect_ext(move |wire: &Wire, data| {
                data.insert(ShownPin { pin: wire.pin, place: connections.take(wire.pin) });
            })
            .h1(app);
        let service = http.new_service(()).await.expect("the app can be made");
        Self(Box::new(move |wire| {
            let served = service.call((wire, None));
            // What went wrong with a connection shows at its other end.
            Box::pin(async move { drop(served.await) })
        }))
    }

    /// One request on a connection of its own; nothing when no whole answer comes back.
    pub(crate) async fn ask(&self, pin: Digest, request: &Request) -> Option<Answer> {
        self.converse(pin, &bytes_of(request)).await
    }

    /// A request of which only the beginning arrives.
    pub(crate) async fn ask_half(&self, pin: Digest, request: &Request) -> Option<Answer> {
        let bytes = bytes_of(request);
        self.converse(pin, &bytes[..bytes.len() / 2]).await
    }

    async fn converse(&self, pin: Digest, request: &[u8]) -> Option<Answer> {
        let (mut client, io) = tokio::io::duplex(WIRE_BYTES);
        let talk = async {
            // A server that has heard enough closes early.
            let _ = client.write_all(request).await;
            let _ = client.shutdown().await;
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.ok().and_then(|_| read_answer(&bytes))
        };
        tokio::join!((self.0)(Wire { io, pin }), talk).1
    }
}

fn bytes_of(request: &Request) -> Vec<u8> {
    let path = request.url.strip_prefix("https://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let path = path.expect("base URLs of the example directory have a path");
    let mut text = format!("{} {path} HTTP/1.1\r\nhost: cme.council.example\r\n", request.method);
    for (name, value) in &request.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if let Some(body) = &request.body {
        let _ = write!(text, "content-length: {}\r\n", body.len());
    }
    let mut bytes = format!("{text}connection: close\r\n\r\n").into_bytes();
    bytes.extend(request.body.iter().flatten());
    bytes
}

fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = bytes[end + 4..].to_vec();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned())
    };
    let length: usize = field("content-length")?.parse().ok()?;
    let (content_type, retry_after) = (field("content-type"), field("retry-after"));
    (body.len() == length).then_some(Answer { status, content_type, retry_after, body })
}
