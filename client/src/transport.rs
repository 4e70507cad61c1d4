//! How a request reaches a peer's server and its answer comes back.
//!
//! [`PinnedHttps`](crate::PinnedHttps) is the way of this crate. Who has an HTTP stack of their own, or a network
//! that is simulated, implements [`Transport`]. It carries bytes and is believed nothing: the limits on an
//! answer's size and time, every signature and every rule are the [`Client`](crate::Client)'s.

mod pinned;

use std::pin::Pin;

use cme_spec::digest::Digest;
use cme_spec::ids::AuthorityCode;

pub use self::pinned::PinnedHttps;

/// A future that any thread can go on with.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request as it is sent, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Who calls: whose certificate is to be shown.
    pub caller: AuthorityCode,
    /// Whose server is called.
    pub peer: AuthorityCode,
    /// SHA-256 of the SPKI of each key that this server may prove to hold; with any other there is no connection.
    pub server_pins: Vec<Digest>,
    /// The HTTP method.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The content, if there is any.
    pub body: Option<Vec<u8>>,
}

impl std::fmt::Debug for Request {
    /// Without the content, which holds personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.body.as_ref().map(Vec::len);
        write!(f, "{} {} for {} ({bytes:?} bytes)", self.method, self.url, self.caller)
    }
}

/// The beginning of an answer; its content is read from `body`.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`, if it is text.
    pub content_type: Option<String>,
    /// The value of `Retry-After`, if it is text.
    pub retry_after: Option<String>,
    /// The content.
    pub body: Box<dyn Chunks>,
}

/// The content of an answer as it arrives. The client stops reading at its limit.
pub trait Chunks: Send {
    /// The next part, or nothing after the last.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<u8>>, TransportError>>;
}

/// A content that has arrived whole.
#[derive(Clone, Debug)]
pub struct Whole(Option<Vec<u8>>);

impl Whole {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Some(bytes))
    }
}

impl Chunks for Whole {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<u8>>, TransportError>> {
        Box::pin(std::future::ready(Ok(self.0.take())))
    }
}

/// Why there is no answer. Whether the peer has seen the request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody with a pinned key answers at the address.
    #[error("no connection")]
    NoConnection,
    /// The connection ended before the answer did.
    #[error("the connection broke")]
    Broken,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The caller's own certificate and key can't be used.
    #[error("no TLS connection can be made with this identity")]
    Identity,
}

/// Carries requests to peers' servers.
///
/// An implementation makes mutual TLS 1.3 connections with the caller's certificate to servers that prove to
/// hold a pinned key (TRN-001, TRN-005), follows no redirect, uses no proxy, and tries once: the client decides
/// whether a request is sent again. A future that is dropped gives its request up.
pub trait Transport: std::fmt::Debug + Send + Sync {
    /// Sends a request; gives the answer when its head is there.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}
