//! The server's side: a listener whose answers are any bytes at all.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection, SignatureScheme, StreamOwned,
};

use super::Request;
use crate::identity::{Identity, pin_of};

/// Longest wait of a connection for its next request.
const IDLE: Duration = Duration::from_secs(30);

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    Required,
    Optional,
}

/// How a listener speaks TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsStyle {
    pub(crate) certificate: ClientCertificate,
    /// Whether sessions can be taken up again, which the text forbids.
    pub(crate) resuming: bool,
}

impl TlsStyle {
    /// As the text wants it.
    pub(crate) const STRICT: Self = Self { certificate: ClientCertificate::Required, resuming: false };
}

/// A request with the pin of who sent it.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) pin: Option<String>,
}

/// What a listener does with a request.
pub(crate) enum Answer {
    /// Sends these bytes and goes on.
    Bytes(Vec<u8>),
    /// Sends these bytes and ends the connection.
    Last(Vec<u8>),
    /// Sends these bytes after that time and goes on.
    Later(Duration, Vec<u8>),
    /// Ends the connection.
    Close,
    /// Sends nothing and keeps the connection until the listener ends.
    Hang,
    /// Sends one byte after another, for ever.
    Drip,
}

/// A listener on loopback; ends with this value.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("can't listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    #[error("the listener's address can't be told: {0}")]
    Socket(std::io::Error),
    #[error("the listener's certificate can't be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Listener {
    /// A socket at an address; port 0 is any that is free.
    pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
        TcpListener::bind(address).map_err(|error| ListenError::Bind(address, error))
    }

    /// Listens, and answers each request by `answer`, each connection in a thread of its own.
    pub(crate) fn start(
        listener: TcpListener,
        identity: &Identity,
        style: TlsStyle,
        answer: impl Fn(&Incoming) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        let config = Arc::new(config(identity, style)?);
        let address = listener.local_addr().map_err(ListenError::Socket)?;
        let ending = Arc::new(AtomicBool::new(false));
        let (answer, told) = (Arc::new(answer), ending.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (config, answer, ending) = (config.clone(), answer.clone(), told.clone());
                std::thread::spawn(move || serve(stream, config, answer.as_ref(), &ending));
            }
        });
        Ok(Self { address, ending, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // A thread that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    answer: &(impl Fn(&Incoming) -> Answer + ?Sized),
    ending: &AtomicBool,
) {
    let timed = stream.set_read_timeout(Some(IDLE)).and_then(|()| stream.set_nodelay(true));
    let Ok(connection) = ServerConnection::new(config) else { return };
    if timed.is_err() {
        return;
    }
    let mut stream = StreamOwned::new(connection, stream);
    while let Ok(Some(request)) = Request::read(&mut stream) {
        let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
        let pin = shown.and_then(|certificate| pin_of(certificate).ok());
        let (bytes, goes_on) = match answer(&Incoming { request, pin }) {
            Answer::Bytes(bytes) => (bytes, true),
            Answer::Last(bytes) => (bytes, false),
            Answer::Later(time, bytes) => {
                std::thread::sleep(time);
                (bytes, true)
            }
            Answer::Close => return,
            Answer::Hang => return linger(ending, || true),
            Answer::Drip => {
                return linger(ending, || stream.write_all(b" ").and_then(|()| stream.flush()).is_ok());
            }
        };
        if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
            return;
        }
        if !goes_on {
            stream.conn.send_close_notify();
            // The other end may be gone already.
            let _ = stream.flush();
            return;
        }
    }
}

/// Stays until the listener ends or `step` fails.
fn linger(ending: &AtomicBool, mut step: impl FnMut() -> bool) {
    while !ending.load(Ordering::SeqCst) && step() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn config(identity: &Identity, style: TlsStyle) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = AnyCertificate {
        required: style.certificate == ClientCertificate::Required,
        provider: provider.clone(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain(), identity.private_key())?;
    if !style.resuming {
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes any certificate whose key the client holds.
#[derive(Debug)]
struct AnyCertificate {
    required: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
