//! The suite's authorities as servers: one listener that plays each by a script and remembers who asked what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::court::Idle;
use crate::identity::Identity;
use crate::json::Json;
use crate::tape::{Direction, EXCHANGES_MAX, Exchange, Message, Part, milliseconds};
use crate::wire::{Answer, Incoming, ListenError, Listener, Request, TlsStyle};

/// Most authorities of which exchanges are kept, whatever a subject makes up.
const CODES_MAX: usize = 1_000;

/// What an authority of the suite answers.
pub(crate) type Script = Box<dyn Fn(&Request) -> Answer + Send>;

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The authority that was addressed.
    pub(crate) code: String,
    pub(crate) request: Request,
    /// Pin of the client's certificate.
    pub(crate) pin: Option<String>,
}

#[derive(Default)]
struct Book {
    scripts: BTreeMap<String, Script>,
    seen: Vec<Seen>,
    /// The newest exchanges with each authority.
    exchanges: BTreeMap<String, VecDeque<(Instant, Exchange)>>,
}

/// The listener; ends with this value.
pub(crate) struct Host {
    book: Arc<(Mutex<Book>, Condvar)>,
    idle: Arc<Idle>,
    _listener: Listener,
}

impl Host {
    /// Answers on that socket; by `idle` for an authority that plays no script.
    pub(crate) fn start(socket: TcpListener, identity: &Identity, idle: Idle) -> Result<Self, ListenError> {
        let idle = Arc::new(idle);
        let idling = idle.clone();
        let book = Arc::new((Mutex::new(Book::default()), Condvar::new()));
        let held = book.clone();
        let answer = move |incoming: &Incoming| answer(&held, &idling, incoming);
        let listener = Listener::start(socket, identity, TlsStyle::STRICT, answer)?;
        Ok(Self { book, idle, _listener: listener })
    }

    /// Forgets every script and every request.
    pub(crate) fn clear(&self) {
        self.idle.clear();
        *self.book.0.lock().unwrap_or_else(PoisonError::into_inner) = Book::default();
    }

    /// From now on that authority answers so.
    pub(crate) fn play(&self, code: &str, script: impl Fn(&Request) -> Answer + Send + 'static) {
        let mut book = self.book.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.scripts.insert(code.to_owned(), Box::new(script));
    }

    /// The requests to that authority whose path begins so below its base URL, once there is one, or after
    /// the longest wait.
    pub(crate) fn wait(&self, code: &str, path: &str, longest: Duration) -> Vec<Seen> {
        let until = Instant::now() + longest;
        let mut book = self.book.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = of(&book.seen, code, path);
            let left = until.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() {
                return found;
            }
            book = self.book.1.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The newest exchanges with those authorities since then.
    pub(crate) fn exchanges(&self, codes: &BTreeSet<String>, since: Instant) -> Vec<(Instant, Exchange)> {
        let book = self.book.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |code| book.exchanges.get(code).into_iter().flatten();
        codes.iter().flat_map(of).filter(|(at, _)| *at >= since).cloned().collect()
    }

    /// The requests so far to that authority whose path begins so.
    pub(crate) fn seen(&self, code: &str, path: &str) -> Vec<Seen> {
        of(&self.book.0.lock().unwrap_or_else(PoisonError::into_inner).seen, code, path)
    }
}

fn of(seen: &[Seen], code: &str, path: &str) -> Vec<Seen> {
    let target = format!("/{code}{path}");
    seen.iter()
        .filter(|seen| seen.code == code && seen.request.target.starts_with(&target))
        .cloned()
        .collect()
}

fn answer(book: &(Mutex<Book>, Condvar), idle: &Idle, incoming: &Incoming) -> Answer {
    let begun = Instant::now();
    let code = incoming.request.target.split('/').nth(1).unwrap_or_default().to_owned();
    let mut held = book.0.lock().unwrap_or_else(PoisonError::into_inner);
    held.seen.push(Seen { code: code.clone(), request: incoming.request.clone(), pin: incoming.pin.clone() });
    book.1.notify_all();
    let answer = match held.scripts.get(&code) {
        Some(script) => script(&incoming.request),
        None => idle.answer(&incoming.request),
    };
    if held.exchanges.len() < CODES_MAX || held.exchanges.contains_key(&code) {
        let exchanges = held.exchanges.entry(code.clone()).or_default();
        exchanges.push_back((begun, recorded(&code, incoming, &answer, begun)));
        if exchanges.len() > EXCHANGES_MAX {
            exchanges.pop_front();
        }
    }
    answer
}

/// A request with its answer, as a record of them.
pub(crate) fn recorded(code: &str, incoming: &Incoming, answer: &Answer, begun: Instant) -> Exchange {
    let (response, error) = match answer {
        Answer::Bytes(bytes) | Answer::Last(bytes) | Answer::Later(_, bytes) => {
            (Some(Message::of(bytes)), None)
        }
        Answer::Close => (None, Some("the suite ended the connection")),
        Answer::Hang => (None, Some("the suite answers nothing")),
        Answer::Drip => (None, Some("the suite answers a byte at a time, for ever")),
    };
    Exchange {
        at: 0,
        milliseconds: milliseconds(begun.elapsed()),
        direction: Direction::ToSuite,
        peer: code.to_owned(),
        part: Part::Step,
        request: Some(Message::of(&incoming.request.received())),
        response,
        error: error.map(str::to_owned),
    }
}

/// A success with a document.
pub(crate) fn document(status: u16, document: &Json) -> Vec<u8> {
    message(status, "application/json", "", &document.plain())
}

/// A refusal.
pub(crate) fn problem(status: u16, name: &str, fields: &str) -> Vec<u8> {
    let problem = Json::object([
        ("type", format!("urn:cme:problem:v1:{name}").into()),
        ("title", "Refused by the conformance suite.".into()),
        ("status", i64::from(status).into()),
    ]);
    message(status, "application/problem+json", fields, &problem.plain())
}

/// The bytes of a response.
pub(crate) fn message(status: u16, media_type: &str, fields: &str, content: &str) -> Vec<u8> {
    let length = content.len();
    let head = format!(
        "HTTP/1.1 {status} .\r\nContent-Type: {media_type}\r\nCache-Control: no-store\r\n{fields}Content-Length: {length}\r\n\r\n"
    );
    (head + content).into_bytes()
}
