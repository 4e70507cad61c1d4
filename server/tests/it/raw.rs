//! Requests byte by byte, for what no HTTP client would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use cme_client::Identity;
use cme_client::tls::client_config;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::{PATIENCE, Party};

/// One TLS connection to a server.
pub(crate) struct Raw(StreamOwned<ClientConnection, TcpStream>);

impl Raw {
    /// Connects as `identity`, with TLS as clients of the protocol speak it.
    pub(crate) fn open(to: &Party, identity: &Identity) -> Self {
        Self::with(to, client_config(identity, vec![to.server_pin()]).unwrap()).unwrap()
    }

    /// Connects with a TLS configuration of the test's own; the handshake is done afterwards.
    pub(crate) fn with(to: &Party, config: ClientConfig) -> std::io::Result<Self> {
        let socket = TcpStream::connect(to.listen)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = to.listen.ip().into();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
        self.0.flush().unwrap();
    }

    /// The next answer: its head, in lower case, and its body. Empty when the connection ends without one.
    pub(crate) fn answer(&mut self) -> (String, String) {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4_096]);
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = told.map_or(0, |length| length.parse().unwrap());
                if bytes.len() >= end + 4 + length {
                    return (head, String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap());
                }
            }
            match self.0.read(&mut chunk) {
                Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
                _ => return (String::new(), String::new()),
            }
        }
    }

    /// Sends a whole request and gives the status of its answer, or none when the connection ends.
    pub(crate) fn status_of(&mut self, request: impl AsRef<[u8]>) -> Option<u16> {
        self.say(request);
        self.answer().0.split(' ').nth(1).and_then(|status| status.parse().ok())
    }
}

/// The head of a put to 330, with more header fields.
pub(crate) fn put_head(transfer: &str, sequence: &str, fields: &str) -> String {
    format!(
        "PUT /330/v1/transfers/{transfer}/entries/{sequence} HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\n{fields}\r\n\r\n"
    )
}
