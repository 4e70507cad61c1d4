//! HTTP/1.1 over TLS, byte by byte: what the suite sends and receives as a client and as a server.

mod client;
mod message;
mod server;

pub(crate) use self::client::{Connection, Target};
pub(crate) use self::message::{Request, Response};
pub(crate) use self::server::{Answer, ClientCertificate, Incoming, ListenError, Listener, TlsStyle};

/// Why no response was had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("the certificate shown is not pinned")]
    Pin,
    #[error("no response in {0} ms")]
    Timeout(u128),
    #[error("the connection ended without a response")]
    Closed,
    #[error("not HTTP/1.1: {0}")]
    NotHttp(&'static str),
    #[error("held back, to be sent by hand")]
    Held,
}
