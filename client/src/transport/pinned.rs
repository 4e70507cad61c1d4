//! Mutual TLS to pinned servers, by reqwest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cme_spec::digest::Digest;
use cme_spec::ids::AuthorityCode;
use reqwest::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};

use super::{BoxFuture, Chunks, Request, Response, Transport, TransportError};
use crate::tls::{self, Identity};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections kept to one peer.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// The transport of this crate: HTTP/1.1 over mutual TLS 1.3, to servers whose keys are pinned.
///
/// Connections are kept for as long as a peer's pins stay the same.
#[derive(Debug)]
pub struct PinnedHttps {
    identity: Identity,
    connections: Mutex<HashMap<AuthorityCode, Connection>>,
}

#[derive(Clone, Debug)]
struct Connection {
    pins: Vec<Digest>,
    http: reqwest::Client,
}

impl PinnedHttps {
    /// Shows `identity` to every peer.
    pub fn new(identity: Identity) -> Self {
        Self { identity, connections: Mutex::default() }
    }

    /// Implements: TRN-005, TRN-010
    fn connection(&self, code: AuthorityCode, pins: &[Digest]) -> Result<reqwest::Client, TransportError> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = connections.get(&code).filter(|held| held.pins == pins) {
            return Ok(held.http.clone());
        }
        let config =
            tls::client_config(&self.identity, pins.to_vec()).map_err(|_| TransportError::Identity)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build()
            .map_err(|_| TransportError::Identity)?;
        connections.insert(code, Connection { pins: pins.to_vec(), http: http.clone() });
        Ok(http)
    }
}

impl Transport for PinnedHttps {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let http = self.connection(request.peer, &request.server_pins)?;
            let method = request.method.parse().map_err(|_| TransportError::NoConnection)?;
            let mut sent = http.request(method, &request.url);
            for (name, value) in request.headers {
                sent = sent.header(name, value);
            }
            if let Some(body) = request.body {
                sent = sent.body(body);
            }
            let response = sent.send().await.map_err(|error| what(&error))?;
            let text = |name: HeaderName| {
                response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            Ok(Response {
                status: response.status().as_u16(),
                content_type: text(CONTENT_TYPE),
                retry_after: text(RETRY_AFTER),
                body: Box::new(Arriving(response)),
            })
        })
    }
}

struct Arriving(reqwest::Response);

impl Chunks for Arriving {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let chunk = self.0.chunk().await.map_err(|error| what(&error))?;
            Ok(chunk.map(Vec::from))
        })
    }
}

/// What failed, without the address that reqwest would print.
fn what(error: &reqwest::Error) -> TransportError {
    if error.is_timeout() {
        TransportError::TimedOut
    } else if error.is_connect() {
        TransportError::NoConnection
    } else {
        TransportError::Broken
    }
}
