//! The client's side: one TLS connection, a deadline on everything.

use std::io::{Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
};

use super::message::told;
use super::{Request, Response, WireError};
use crate::identity::{Identity, pin_of};
use crate::tape::{Capture, Tape};

/// Where a server is, and by which keys it is known.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Pins of the directory; none takes any certificate.
    pub(crate) pins: Vec<String>,
    /// Longest wait for a connection and for each response.
    pub(crate) patience: Duration,
    /// What records the exchanges, if anything does.
    pub(crate) tape: Option<Tape>,
}

/// How a connection is opened: what it shows, and how it speaks TLS.
#[derive(Debug)]
pub(crate) struct Dial {
    config: Arc<ClientConfig>,
    identity: Option<Identity>,
}

impl Target {
    /// What stands in the field `Host`.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A TLS configuration that shows `identity`, with or without memory of sessions.
    pub(crate) fn config(&self, identity: Option<&Identity>, resuming: bool) -> Result<Arc<Dial>, WireError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Pinned { pins: self.pins.clone(), provider: provider.clone() });
        let failed = |error: rustls::Error| WireError::Tls(error.to_string());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain(), identity.private_key()).map_err(failed)?
            }
            None => builder.with_no_client_auth(),
        };
        if !resuming {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(Dial { config: Arc::new(config), identity: identity.cloned() }))
    }
}

/// An open connection.
pub(crate) struct Connection {
    stream: Timed,
    host: String,
    patience: Duration,
    open: bool,
    record: Option<Record>,
}

/// Where the exchanges of a connection are recorded.
struct Record {
    tape: Tape,
    dial: Arc<Dial>,
    /// Pin of the certificate shown; empty without one.
    pin: String,
    /// Number on the tape of the request that waits for its response.
    number: Option<usize>,
}

impl Connection {
    /// Connects and shakes hands.
    pub(crate) fn open(target: &Target, dial: Arc<Dial>) -> Result<Self, WireError> {
        let pin = dial.identity.as_ref().and_then(|identity| identity.pin().ok()).unwrap_or_default();
        let opened = Self::connect(target, dial.config.clone());
        if let (Err(error), Some(tape)) = (&opened, &target.tape) {
            tape.unconnected(&pin, &error.to_string());
        }
        let record = target.tape.clone().map(|tape| Record { tape, dial, pin, number: None });
        opened.map(|connection| Self { record, ..connection })
    }

    fn connect(target: &Target, config: Arc<ClientConfig>) -> Result<Self, WireError> {
        let until = Instant::now() + target.patience;
        let failed = |error: std::io::Error| WireError::Connect(error.to_string());
        let address = (target.host.as_str(), target.port).to_socket_addrs().map_err(failed)?.next();
        let address = address.ok_or_else(|| WireError::Connect("the host has no address".into()))?;
        let tcp = TcpStream::connect_timeout(&address, target.patience).map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let name =
            ServerName::try_from(target.host.clone()).map_err(|error| WireError::Tls(error.to_string()))?;
        let tls = ClientConnection::new(config, name).map_err(|error| WireError::Tls(error.to_string()))?;
        let mut stream = Timed { stream: StreamOwned::new(tls, tcp), until, heard: Capture::new() };
        while stream.stream.conn.is_handshaking() {
            stream.arm()?;
            let Timed { stream: StreamOwned { conn, sock }, .. } = &mut stream;
            conn.complete_io(sock).map_err(|error| handshake_error(&error, target.patience))?;
        }
        Ok(Self { stream, host: target.authority(), patience: target.patience, open: true, record: None })
    }

    /// Sends a request and reads its response.
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<Response, WireError> {
        self.send(&request.bytes(&self.host))?;
        self.receive()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        if let Some(record) = &mut self.record {
            record.number = record.tape.sends(record.dial.identity.as_ref(), &record.pin, bytes);
            record.number.ok_or(WireError::Held)?;
        }
        let sent = self.write(bytes);
        if let (Err(error), Some(record)) = (&sent, &mut self.record) {
            record.ends(None, Some(error));
        }
        sent
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.stream.until = Instant::now() + self.patience;
        self.stream.arm()?;
        // A server may answer and close before it has read everything: what it says is read all the same.
        let sent = self.stream.stream.write_all(bytes).and_then(|()| self.stream.stream.flush());
        match sent.map_err(|error| told(&error)) {
            Err(WireError::Timeout(_)) => Err(WireError::Timeout(self.patience.as_millis())),
            _ => Ok(()),
        }
    }

    /// Reads a response.
    pub(crate) fn receive(&mut self) -> Result<Response, WireError> {
        self.stream.until = Instant::now() + self.patience;
        self.stream.heard = Capture::new();
        let answer = Response::read(&mut self.stream);
        self.open = answer.as_ref().is_ok_and(Response::keeps_alive);
        let answer = answer.map_err(|error| match error {
            WireError::Timeout(_) => WireError::Timeout(self.patience.as_millis()),
            other => other,
        });
        if let Some(record) = &mut self.record {
            record.ends(Some(&self.stream.heard), answer.as_ref().err());
        }
        answer
    }

    /// Whether the other end has answered or ended the connection, which is looked at for that long.
    pub(crate) fn is_given_up(&mut self, look: Duration) -> bool {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        self.stream.until = Instant::now() + look;
        match self.stream.read(&mut [0]) {
            // An answer, or the end: nobody waits for more of the request.
            Ok(0..) => true,
            Err(error) => !matches!(error.kind(), TimedOut | WouldBlock),
        }
    }

    /// Whether another request may follow.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the session was taken up from an earlier one.
    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

fn handshake_error(error: &std::io::Error, patience: Duration) -> WireError {
    match told(error) {
        WireError::Tls(text) if text.contains("ApplicationVerificationFailure") => WireError::Pin,
        WireError::Timeout(_) => WireError::Timeout(patience.as_millis()),
        WireError::Closed => WireError::Tls("the handshake was broken off".into()),
        other => other,
    }
}

impl Record {
    /// Nothing more comes for the request that was sent.
    fn ends(&mut self, heard: Option<&Capture>, error: Option<&WireError>) {
        if let Some(number) = self.number.take() {
            let response = heard.cloned().and_then(Capture::some);
            self.tape.answered(number, response, error.map(ToString::to_string));
        }
    }
}

/// A stream whose reads end at an instant, however slowly bytes come.
struct Timed {
    stream: StreamOwned<ClientConnection, TcpStream>,
    until: Instant,
    /// What came since the last response.
    heard: Capture,
}

impl Timed {
    /// Gives the socket what is left of the time.
    fn arm(&mut self) -> Result<(), WireError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(WireError::Timeout(0));
        }
        let armed = self.stream.sock.set_read_timeout(Some(left));
        armed.and_then(|()| self.stream.sock.set_write_timeout(Some(left))).map_err(|_| WireError::Closed)
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use std::io::{Error, ErrorKind};
        loop {
            match self.stream.conn.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.heard.add(&buffer[..count]);
                    return Ok(count);
                }
            }
            self.arm().map_err(|_| Error::from(ErrorKind::TimedOut))?;
            let StreamOwned { conn, sock } = &mut self.stream;
            if conn.wants_write() {
                // What the other end takes no more of keeps nobody from hearing what it said.
                let _ = conn.write_tls(sock);
            }
            conn.read_tls(sock)?;
            conn.process_new_packets().map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
        }
    }
}

/// Takes a certificate by its pin, whatever its names and issuer.
#[derive(Debug)]
struct Pinned {
    pins: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused =
            || rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure);
        let pin = pin_of(end_entity).map_err(|_| refused())?;
        if self.pins.is_empty() || self.pins.contains(&pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(refused())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use rustls::ServerConnection;

    use super::super::TlsStyle;
    use super::super::server::config;
    use super::*;

    /// More than the sockets of two ends hold.
    const CONTENT_BYTES: usize = 32 << 20;
    const ANSWER: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}";

    /// What comes of a request to a server that reads its head, does that and closes; then of another answer.
    fn asked(
        content: usize,
        patience: Duration,
        answer: impl FnOnce(&mut StreamOwned<ServerConnection, TcpStream>) + Send + 'static,
    ) -> (Result<u16, WireError>, Result<Response, WireError>) {
        let identity = Identity::generate("early", &["127.0.0.1".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = Arc::new(config(&identity, TlsStyle::STRICT).unwrap());
        let server = std::thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), tcp);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            answer(&mut stream);
        });
        let pins = vec![identity.pin().unwrap()];
        let target = Target { host: "127.0.0.1".into(), port, pins, patience, tape: None };
        let dial = target.config(Some(&identity), false).unwrap();
        let mut connection = Connection::open(&target, dial).unwrap();
        let first = connection.exchange(&Request::put("/", vec![b' '; content]));
        let answers = (first.map(|response| response.status), connection.receive());
        drop(connection);
        server.join().unwrap();
        answers
    }

    #[test]
    fn an_answer_is_heard_of_a_server_that_closes_before_it_has_read_everything() {
        let answers = asked(CONTENT_BYTES, Duration::from_secs(20), |stream| {
            stream.write_all(ANSWER).and_then(|()| stream.flush()).unwrap();
        });
        assert_eq!(answers, (Ok(413), Err(WireError::Closed)));
    }

    #[test]
    fn patience_ends_also_where_a_record_comes_byte_by_byte() {
        let (answer, _) = asked(0, Duration::from_secs(2), |stream| {
            stream.conn.writer().write_all(ANSWER).unwrap();
            let mut record = Vec::new();
            stream.conn.write_tls(&mut record).unwrap();
            for byte in record {
                if stream.sock.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        assert_eq!(answer, Err(WireError::Timeout(2_000)));
    }
}
