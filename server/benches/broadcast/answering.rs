//! The other end of a query: a listener with mutual TLS that answers as a script says.

use std::sync::Arc;

use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::{AnswerOutcome, MatchedField};
use cme_spec::directory::Contact;
use cme_spec::envelope::Envelope;
use cme_spec::instant::Instant;
use cme_spec::query::{Answer, Query};
use cme_spec::signature::SigningKey;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of the largest request that a script reads.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The query that it puts.
    pub(crate) fn query(&self) -> Query {
        Query::from_json(Json::decode(&self.body, &Limits::ENTRY).unwrap()).unwrap()
    }
}

/// What a script does.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with a status and JSON.
    Said(u16, Json),
    /// Says nothing, and keeps the connection.
    Hang,
}

/// Decides about each request.
pub(crate) type Script = Arc<dyn Fn(&Request) -> (std::time::Duration, Reply) + Send + Sync>;

/// Answers whoever connects until the task ends, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, script: Script) {
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    let mut open = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        open.spawn(async move { connection(&acceptor, stream, &script).await });
        while open.try_join_next().is_some() {}
    }
}

async fn connection(acceptor: &tokio_rustls::TlsAcceptor, stream: TcpStream, script: &Script) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut read = Vec::new();
    loop {
        let request = next(&mut stream, &mut read).await?;
        let (after, reply) = script(&request);
        tokio::time::sleep(after).await;
        let (status, json) = match reply {
            Reply::Said(status, json) => (status, json),
            Reply::Hang => return std::future::pending().await,
        };
        let kind = if status < 300 { "application/json" } else { "application/problem+json" };
        let body = json.canonical_bytes();
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// The next request of a connection; what follows it stays in `read`.
async fn next(stream: &mut (impl tokio::io::AsyncRead + Unpin), read: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or_default();
            if read.len() >= whole {
                let body = read[end + 4..whole].to_vec();
                read.drain(..whole);
                let mut first = head.lines().next()?.split(' ');
                let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
                return Some(Request { method, path, body });
            }
        }
        let mut part = vec![0; 16_384];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&part[..count]);
        if read.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
}

/// An answer to a query, which agrees in name and date of birth where the outcome says that something agreed.
pub(crate) fn answer(query: &Query, number: u64, outcome: AnswerOutcome, at: Instant) -> Answer {
    let agreed = matches!(outcome, AnswerOutcome::Known | AnswerOutcome::Possible);
    let team = Contact {
        name: "Children missing education team".to_owned(),
        email: None,
        telephone: Some("01632 960001".to_owned()),
    };
    Answer {
        query: query.header().query,
        query_digest: query.header_digest(),
        number,
        outcome,
        matched_on: if agreed { vec![MatchedField::Name, MatchedField::DateOfBirth] } else { Vec::new() },
        referred_to: None,
        team,
        // Not before its key was valid, which may have begun within this second.
        answered_at: at.plus_seconds(1).whole_second(),
        by: query.header().recipient,
        incarnation: 1,
        directory_issue: 1,
    }
}

/// The content of the answer to a query: its signed answers in order.
pub(crate) fn answers(said: &[Answer], key: &SigningKey) -> Reply {
    let signed = said.iter().map(|answer| Envelope::sign(answer.clone(), key).to_json());
    Reply::Said(200, Json::object([("answers", Json::array(signed))]))
}

/// A refusal.
pub(crate) fn refusal(kind: cme_spec::problem::ProblemType) -> Reply {
    let problem = cme_spec::problem::Problem::new(kind);
    Reply::Said(problem.status, Json::from_typed(&problem).unwrap())
}
