//! The server's side: a listener whose answers are any bytes at all.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    /// Longest time that a request may take to arrive, once it has begun.
    pub(crate) arrival: Option<Duration>,
    /// Most connections of one certificate that are answered at a time.
    pub(crate) connections_max: Option<usize>,
}

impl TlsStyle {
    /// As the text wants it of a server with one caller.
    pub(crate) const STRICT: Self = Self {
        certificate: ClientCertificate::Required,
        resuming: false,
        arrival: None,
        connections_max: None,
    };
}

/// Open connections by the pin of their certificate.
type Counted = Arc<Mutex<BTreeMap<String, usize>>>;

/// A connection that counts for as long as it is there.
struct Place {
    counted: Counted,
    pin: String,
}

impl Place {
    /// The place, and how many there are with it.
    fn take(counted: &Counted, pin: &str) -> (Self, usize) {
        let mut places = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = places.entry(pin.to_owned()).or_default();
        *count += 1;
        (Self { counted: counted.clone(), pin: pin.to_owned() }, *count)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = places.get_mut(&self.pin) {
            *count -= 1;
        }
    }
}

/// A request on its way: it has to begin within the idle time, and to be whole within the time of arrival.
struct Arriving<'a> {
    stream: &'a mut StreamOwned<ServerConnection, TcpStream>,
    until: Instant,
    arrival: Option<Duration>,
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        self.stream.sock.set_read_timeout(Some(left))?;
        let count = self.stream.read(buffer)?;
        if let Some(arrival) = self.arrival.take() {
            self.until = Instant::now() + arrival;
        }
        Ok(count)
    }
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
        let counted = Counted::default();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (config, answer, ending) = (config.clone(), answer.clone(), told.clone());
                let counted = counted.clone();
                std::thread::spawn(move || {
                    serve(stream, config, (style, &counted), answer.as_ref(), &ending);
                });
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
    (style, counted): (TlsStyle, &Counted),
    answer: &(impl Fn(&Incoming) -> Answer + ?Sized),
    ending: &AtomicBool,
) {
    let timed = stream.set_nodelay(true);
    let Ok(connection) = ServerConnection::new(config) else { return };
    if timed.is_err() {
        return;
    }
    let mut stream = StreamOwned::new(connection, stream);
    let mut place = None;
    loop {
        let arriving =
            &mut Arriving { stream: &mut stream, until: Instant::now() + IDLE, arrival: style.arrival };
        let Ok(Some(request)) = Request::read(arriving) else { return };
        let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
        let pin = shown.and_then(|certificate| pin_of(certificate).ok());
        let (_, count) =
            place.get_or_insert_with(|| Place::take(counted, pin.as_deref().unwrap_or_default()));
        if style.connections_max.is_some_and(|most| *count > most) {
            return;
        }
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

pub(super) fn config(identity: &Identity, style: TlsStyle) -> Result<ServerConfig, rustls::Error> {
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
