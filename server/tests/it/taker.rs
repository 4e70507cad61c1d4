//! A server of an authority that takes later answers as a test tells it to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use cme_spec::canonical::{Json, Limits};
use cme_spec::envelope::Envelope;
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::Answer;
use cme_spec::receipt::{Stored, StoredKind};
use cme_spec::signature::SigningKey;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{PATIENCE, Party};
use crate::wire::now;

/// Takes answers at the address of an authority, with its certificate.
pub(crate) struct Taker {
    answers: Arc<Mutex<Vec<Answer>>>,
    gaps: Arc<Mutex<u32>>,
}

impl Taker {
    pub(crate) fn start(party: &Party) -> Self {
        let read = |name: &str| std::fs::read(party.home.join(name)).unwrap();
        let certificate = CertificateDer::from_pem_slice(&read("server.cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("server.key.pem")).unwrap();
        let tls = ServerConfig::builder_with_provider(cme_client::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (tls, signing) = (Arc::new(tls), Arc::new(party.signing_key()));
        let listener = TcpListener::bind(party.listen).unwrap();
        let taker = Self { answers: Arc::default(), gaps: Arc::default() };
        let (answers, gaps) = (Arc::clone(&taker.answers), Arc::clone(&taker.gaps));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (tls, signing) = (Arc::clone(&tls), Arc::clone(&signing));
                let (answers, gaps) = (Arc::clone(&answers), Arc::clone(&gaps));
                std::thread::spawn(move || {
                    let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
                    while take(&mut stream, &signing, &answers, &gaps).is_some() {}
                });
            }
        });
        taker
    }

    /// So many of the next answers find that answers before them are missing.
    pub(crate) fn lose(&self, count: u32) {
        *self.gaps.lock().unwrap() = count;
    }

    /// Every answer that came, in order.
    pub(crate) fn taken(&self) -> Vec<Answer> {
        self.answers.lock().unwrap().clone()
    }
}

/// One request; nothing when the other side has left.
fn take(
    stream: &mut (impl Read + Write),
    signing: &SigningKey,
    answers: &Mutex<Vec<Answer>>,
    gaps: &Mutex<u32>,
) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("put /") && head.contains("/v1/queries/"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    let answer = Envelope::<Answer>::read(&Json::decode(&body, &Limits::ENTRY).unwrap()).unwrap();
    let content = answer.content().clone();
    assert!(head.contains(&format!("/answers/{} ", content.number)), "{head}");
    let (status, media_type, text) = if std::mem::take(&mut *gaps.lock().unwrap()) > 0 {
        let problem = Problem::new(ProblemType::AnswerGap);
        (problem.status, "application/problem+json", serde_json::to_string(&problem).unwrap())
    } else {
        let stored = Stored {
            kind: StoredKind::Answer,
            id: content.query.to_string(),
            digest: answer.digest(),
            received_at: now(),
            by: cme_spec::example::code("373"),
            incarnation: 1,
            directory_issue: 1,
        };
        (201, "application/json", Envelope::sign(stored, signing).to_json().canonical_text())
    };
    answers.lock().unwrap().push(content);
    let answer = format!(
        "HTTP/1.1 {status} said\r\ncontent-type: {media_type}\r\ncache-control: no-store\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).ok()
}
