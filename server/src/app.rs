//! The composition root of `serve`: listeners, delivery worker, reconciliation, registers, directory watch, shutdown.

use std::any::Any;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::{App, HttpServer, web};
use cme_client::{Identity, IdentityError};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::answering;
use crate::asking;
use crate::config::ConfigError;
use crate::delivery;
use crate::dispatch;
use crate::escalation;
use crate::extract::RateLimits;
use crate::health::Health;
use crate::node::{Node, NodeError};
use crate::reconciliation;
use crate::register;
use crate::routes;
use crate::tls::{Connections, ShownPin, TlsError, server_config};

/// Longest wait for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a request's head.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Seconds in which requests under way may finish at shutdown.
const SHUTDOWN_SECONDS: u64 = 10;
/// How often the place of the directory is looked at for a newer issue.
const DIRECTORY_EVERY: Duration = Duration::from_secs(5);

/// Why the server can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A part of the deployment.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A file of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A channel to the escalation contacts.
    #[error(transparent)]
    Escalation(#[from] escalation::ChannelError),
    /// The listener's certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The server broke down.
    #[error("the server stopped: {0}")]
    Run(#[from] std::io::Error),
}

fn listen(address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|cause| ServeError::Listen { address, cause })
}

/// Serves until SIGTERM or SIGINT, then finishes what is under way.
pub async fn serve(node: Node) -> Result<(), ServeError> {
    let config = node.config().clone();
    let identity =
        Identity::from_pem(&config.read(&config.tls.certificate)?, &config.read(&config.tls.key)?)?;
    let tls = server_config(&identity, config.tls.tls12)?;
    let channels = escalation::Channel::open_all(&config)?;
    let (protocol, operations) = (listen(config.listen)?, listen(config.operations)?);
    let health = web::Data::new(Health::new(node.clone()));
    let (data, rates) = (web::Data::new(node.clone()), web::Data::new(RateLimits::new(&config.limits)));

    let connections = Connections::new(config.limits.connections_per_peer_max);
    let server = HttpServer::new(move || {
        App::new().app_data(data.clone()).app_data(rates.clone()).configure(routes::protocol)
    })
    .workers(config.limits.workers)
    // Each thread takes its share of them.
    .max_connections(config.limits.connections_max / config.limits.workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_TIMEOUT)
    .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .on_connect(move |connection, extensions| note_shown_pin(&connections, connection, extensions))
    .disable_signals()
    .listen_rustls_0_23(protocol, tls)?
    .run();
    let pages = health.clone();
    let operator = HttpServer::new(move || App::new().app_data(pages.clone()).configure(routes::operations))
        .workers(1)
        .disable_signals()
        .listen(operations)?
        .run();

    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(delivery::run(node.clone(), stopped.clone()));
    let letters = tokio::spawn(dispatch::run(node.clone(), stopped.clone()));
    let answered = tokio::spawn(answering::tidy::run(node.clone(), stopped.clone()));
    let standing = tokio::spawn(answering::standing::run(node.clone(), stopped.clone()));
    let bodies = tokio::spawn(asking::run(node.clone(), stopped.clone()));
    let watcher = tokio::spawn(watch_directory(node.clone(), stopped.clone()));
    let escalations = tokio::spawn(escalation::run(node.clone(), channels, stopped.clone()));
    let registers = tokio::spawn(register::run(node.clone(), stopped.clone()));
    let pairs = tokio::spawn(reconciliation::run(node.clone(), stopped));
    tracing::info!(listen = %config.listen, operations = %config.operations,
                   authorities = ?config.authorities.iter().map(|hosted| hosted.code.to_string()).collect::<Vec<_>>(),
                   "serving");
    let (server_handle, operator_handle) = (server.handle(), operator.handle());
    let (server, operator) = (tokio::spawn(server), tokio::spawn(operator));
    stop_signal().await?;
    tracing::info!("stopping: finishing what is under way");
    health.stop();
    let _ = stop.send(true);
    server_handle.stop(true).await;
    operator_handle.stop(false).await;
    let _ = tokio::join!(
        worker,
        letters,
        answered,
        bodies,
        standing,
        watcher,
        escalations,
        registers,
        pairs,
        server,
        operator
    );
    Ok(())
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Notes the pin of the certificate that a connection's client has proven to hold.
fn note_shown_pin(connections: &Connections, connection: &dyn Any, extensions: &mut Extensions) {
    type Tls = actix_tls::accept::rustls_0_23::TlsStream<actix_web::rt::net::TcpStream>;
    let Some(stream) = connection.downcast_ref::<Tls>() else { return };
    let shown: Option<&CertificateDer<'_>> = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    if let Some(pin) = shown.and_then(|certificate| cme_client::tls::pin_of(certificate).ok()) {
        extensions.insert(ShownPin { pin, place: connections.take(pin) });
    }
}

async fn watch_directory(node: Node, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(DIRECTORY_EVERY) => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = node.refresh_directory().await {
            tracing::warn!(%error, "the directory could not be refreshed");
        }
    }
}
