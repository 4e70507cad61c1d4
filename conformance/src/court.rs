//! Where a case is heard: requests to the subject, and what can be said of its answers.

mod hands;
mod issues;
mod played;
mod reply;
mod twins;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::adapter::Adapter;
use crate::draft::{Draft, Ledger};
use crate::host::Host;
use crate::identity::Identity;
use crate::json::Json;
use crate::tape::{Recording, Tape};
use crate::wire::{Connection, Request, Response, Target, WireError};
use crate::world::{Authority, Kind, Subject, World};

pub(crate) use self::hands::{header_digest, wishes};
pub(crate) use self::issues::Issues;
pub(crate) use self::played::{Idle, Played, Put, Reply, Told, refusal};
pub(crate) use self::reply::{PROBLEMS, problem_of, refused, same_receipt, same_signed};

/// Times that a request is sent again to a server that says it can't answer now.
const PATIENCE_TRIES: u32 = 4;

/// Longest `Retry-After` that is waited for, in seconds.
const RETRY_AFTER_SECONDS_MAX: u64 = 10;

/// Authorities that are asked for until one shares no ledger with the subject.
const STRANGERS_TRIED_MAX: usize = 500;

/// Most pages of a ledger that are read.
const PAGES_MAX: usize = 100;

/// What a case found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The requirement that does not hold.
    pub(crate) requirement: &'static str,
    pub(crate) expected: String,
    pub(crate) actual: String,
}

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The subject broke a requirement.
    Failed(Failure),
    /// The case could not come to its question: a good twin was not taken.
    Unexercised(String),
    /// The subject could not be talked to.
    Unreachable(WireError),
    /// The suite itself is at fault.
    Suite(String),
}

/// The outcome of a step.
pub(crate) type Found<T> = Result<T, Miss>;

/// A failure of that requirement.
pub(crate) fn failed<T>(
    requirement: &'static str,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Found<T> {
    Err(Miss::Failed(Failure { requirement, expected: expected.into(), actual: actual.into() }))
}

/// Fails unless it holds.
pub(crate) fn ensure(
    holds: bool,
    requirement: &'static str,
    expected: &str,
    actual: impl Into<String>,
) -> Found<()> {
    if holds { Ok(()) } else { failed(requirement, expected, actual) }
}

/// How long a run waits, and what it takes for too much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// At most, for a response.
    pub(crate) response: Duration,
    /// At most, for the subject to do something by itself.
    pub(crate) act: Duration,
    /// Exactly, for it to do nothing.
    pub(crate) quiet: Duration,
    /// At most, until the subject cuts off a request that does not come to its end.
    pub(crate) arrival: Duration,
    /// Connections of one authority that the subject takes at a time.
    pub(crate) connections_max: usize,
}

/// What all cases of a run share.
pub(crate) struct Bench {
    pub(crate) subject: Subject,
    pub(crate) world: Arc<World>,
    pub(crate) host: Arc<Host>,
    pub(crate) waits: Waits,
    /// What makes the subject act, where the vendor has written it.
    pub(crate) adapter: Option<Adapter>,
    /// The directory, which some cases take on.
    pub(crate) issues: Issues,
    /// Incarnations of authorities that cases have restored.
    incarnations: Mutex<BTreeMap<String, i64>>,
    taken: [AtomicUsize; Kind::ALL.len()],
    order: Vec<usize>,
}

impl Bench {
    /// A bench that gives its authorities out in that order.
    pub(crate) fn new(
        subject: Subject,
        (world, host, issues): (Arc<World>, Arc<Host>, Issues),
        waits: Waits,
        order: Vec<usize>,
    ) -> Self {
        Self {
            subject,
            world,
            host,
            waits,
            adapter: None,
            issues,
            incarnations: Mutex::default(),
            taken: Default::default(),
            order,
        }
    }

    /// The bench with an adapter.
    pub(crate) fn with_adapter(self, adapter: Adapter) -> Self {
        Self { adapter: Some(adapter), ..self }
    }

    /// The next authority of that kind that no case of this run has used, as long as there is one.
    pub(crate) fn authority(&self, kind: Kind) -> Found<Arc<Authority>> {
        let of_kind: Vec<usize> =
            self.order.iter().copied().filter(|index| self.world.authorities[*index].kind == kind).collect();
        if of_kind.is_empty() {
            return Err(Miss::Suite(format!("peers.json holds no authority of kind {kind:?}")));
        }
        // One that a case has ended is no ordinary authority any more.
        for _ in 0..of_kind.len() {
            let place = self.taken[kind.index()].fetch_add(1, Ordering::SeqCst);
            let authority = &self.world.authorities[of_kind[place % of_kind.len()]];
            if kind != Kind::Ordinary || !self.issues.has_ended(&authority.code) {
                return Ok(authority.clone());
            }
        }
        Err(Miss::Suite("every authority has ended".into()))
    }

    /// The incarnation under which an authority calls.
    fn incarnation_of(&self, code: &str) -> i64 {
        let told = self.incarnations.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(code).copied().unwrap_or(1)
    }

    /// An authority calls, and signs, under that incarnation from now on.
    pub(crate) fn reincarnate(&self, played: &Played, incarnation: i64) {
        let mut told = self.incarnations.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(played.peer.code.clone(), incarnation);
        played.name_incarnation(incarnation);
    }

    /// What a pin of a client's certificate stands for.
    fn name_of(&self, pin: &str) -> String {
        match self.world.code_of(pin) {
            Some(code) => code.to_owned(),
            None if pin.is_empty() => "no certificate".to_owned(),
            None => "a stranger".to_owned(),
        }
    }
}

/// One hearing of one case.
pub(crate) struct Court<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) tape: Tape,
    connections: BTreeMap<String, Connection>,
}

impl<'a> Court<'a> {
    /// A hearing with nothing sent yet.
    pub(crate) fn open(bench: &'a Bench) -> Self {
        Self::recorded(bench, Tape::new(None))
    }

    /// A hearing that is recorded on that tape.
    pub(crate) fn recorded(bench: &'a Bench, tape: Tape) -> Self {
        Self { bench, tape, connections: BTreeMap::new() }
    }

    /// What went over the wire so far.
    pub(crate) fn recording(&self) -> Recording {
        let (mut codes, begun) = (self.tape.codes(), self.tape.begun());
        let sent = self.tape.finish(Vec::new(), |pin| self.bench.name_of(pin));
        codes.extend(sent.exchanges.into_iter().map(|exchange| exchange.peer));
        let incoming = self.bench.host.exchanges(&codes, begun);
        self.tape.finish(incoming, |pin| self.bench.name_of(pin))
    }

    /// A fresh ordinary authority.
    pub(crate) fn peer(&self) -> Found<Arc<Authority>> {
        self.authority(Kind::Ordinary)
    }

    /// A fresh authority of that kind.
    pub(crate) fn authority(&self, kind: Kind) -> Found<Arc<Authority>> {
        let authority = self.bench.authority(kind)?;
        self.tape.takes(&authority.code);
        Ok(authority)
    }

    /// Where the subject is.
    pub(crate) fn target(&self) -> Target {
        let subject = &self.bench.subject;
        Target {
            host: subject.host.clone(),
            port: subject.port,
            pins: subject.server_pins.clone(),
            patience: self.bench.waits.response,
            tape: Some(self.tape.clone()),
        }
    }

    /// A request as that authority, sent again while the subject says that it can't answer now.
    pub(crate) fn ask(&mut self, peer: &Authority, request: Request) -> Found<Response> {
        let request = if request.field("CME-Incarnation").is_some() {
            request
        } else {
            request.with("CME-Incarnation", &self.bench.incarnation_of(&peer.code).to_string())
        };
        self.ask_as(&peer.code, &peer.client, &request)
    }

    /// A put of an entry that is sent once, whatever the subject answers.
    pub(crate) fn put_once(&mut self, peer: &Authority, entry: &Json) -> Found<Response> {
        let transfer = entry.text_at("/header/transfer").unwrap_or_default();
        let target = self.bench.subject.target(&format!("/v1/transfers/{transfer}/entries/0"));
        let incarnation = self.bench.incarnation_of(&peer.code).to_string();
        let request = Request::put(target, entry.plain().into_bytes()).with("CME-Incarnation", &incarnation);
        self.exchange(&peer.code, &peer.client, &request)
    }

    /// A request that is sent once, whatever the subject answers.
    pub(crate) fn once(&mut self, peer: &Authority, request: &Request) -> Found<Response> {
        self.exchange(&peer.code, &peer.client, request)
    }

    /// An authority that shares no ledger with the subject.
    pub(crate) fn stranger(&mut self) -> Found<Arc<Authority>> {
        for _ in 0..STRANGERS_TRIED_MAX {
            let peer = self.peer()?;
            let heads = self.read(&peer, "/v1/heads")?;
            if heads.member("heads").map(Json::items).unwrap_or_default().is_empty() {
                return Ok(peer);
            }
        }
        Err(Miss::Unexercised("every authority that was tried shares a ledger with the subject".into()))
    }

    /// A request with any certificate, on a connection that is kept under that name.
    pub(crate) fn ask_as(&mut self, name: &str, identity: &Identity, request: &Request) -> Found<Response> {
        let mut response = self.exchange(name, identity, request)?;
        for _ in 0..PATIENCE_TRIES {
            if !matches!(response.status, 429 | 503) {
                break;
            }
            let told = response.field("retry-after").and_then(|value| value.parse().ok()).unwrap_or(1);
            std::thread::sleep(
                Duration::from_secs(RETRY_AFTER_SECONDS_MAX.min(told)).min(self.bench.waits.response),
            );
            response = self.exchange(name, identity, request)?;
        }
        Ok(response)
    }

    fn exchange(&mut self, name: &str, identity: &Identity, request: &Request) -> Found<Response> {
        // A kept connection may have been closed in the meantime, which says nothing about the subject.
        if let Some(mut connection) = self.connections.remove(name) {
            if let Ok(response) = connection.exchange(request) {
                if connection.is_open() {
                    self.connections.insert(name.to_owned(), connection);
                }
                return Ok(response);
            }
            self.tape.again();
        }
        let target = self.target();
        let config = target.config(Some(identity), false).map_err(Miss::Unreachable)?;
        let mut connection = Connection::open(&target, config).map_err(Miss::Unreachable)?;
        let response = connection.exchange(request).map_err(Miss::Unreachable)?;
        if connection.is_open() {
            self.connections.insert(name.to_owned(), connection);
        }
        Ok(response)
    }

    /// A read below the base URL.
    pub(crate) fn get(&mut self, peer: &Authority, path: &str) -> Found<Response> {
        let request = Request::get(self.bench.subject.target(path));
        self.ask(peer, request)
    }

    /// A put of an entry at the place that its header names.
    pub(crate) fn put(&mut self, peer: &Authority, entry: &Json) -> Found<Response> {
        let transfer = entry.text_at("/header/transfer").unwrap_or_default();
        let sequence = entry.integer_at("/header/sequence").unwrap_or_default();
        self.put_bytes(peer, transfer, sequence, entry.plain().into_bytes())
    }

    /// A put of any bytes at a place.
    pub(crate) fn put_bytes(
        &mut self,
        peer: &Authority,
        transfer: &str,
        sequence: i64,
        bytes: Vec<u8>,
    ) -> Found<Response> {
        let target = self.bench.subject.target(&format!("/v1/transfers/{transfer}/entries/{sequence}"));
        self.ask(peer, Request::put(target, bytes))
    }

    /// A new offer by that authority to the subject.
    pub(crate) fn draft(&self, peer: &Authority) -> Draft {
        Draft::offer(&peer.code, &self.bench.subject.code)
    }

    /// A ledger that the subject has receipted the offer of: a step on the way to a case's question.
    pub(crate) fn offered(&mut self, peer: &Authority) -> Found<Ledger> {
        let entry = self.draft(peer).sealed(&peer.key);
        let receipt = self.taken(peer, &entry)?;
        Ok(Ledger::begun(&entry, receipt))
    }

    /// The ledger with one more entry by its originating authority.
    pub(crate) fn append(&mut self, peer: &Authority, ledger: &mut Ledger, kind: &str) -> Found<()> {
        let entry = Draft::next(ledger, kind, crate::draft::bodies::of(kind)).sealed(&peer.key);
        let receipt = self.taken(peer, &entry)?;
        ledger.add(&entry, receipt);
        Ok(())
    }

    /// The receipt for an entry that has to be new to the subject; without one the case can't go on. A subject
    /// that was restored by another case is given time to reconcile.
    pub(crate) fn taken(&mut self, peer: &Authority, entry: &Json) -> Found<Json> {
        let until = std::time::Instant::now() + self.bench.waits.act;
        let mut response = self.put(peer, entry)?;
        while problem_of(&response).as_deref() == Some("pair-suspended") && std::time::Instant::now() < until
        {
            response = self.put(peer, entry)?;
        }
        self.receipted(&response, entry, 201)
            .map_err(|actual| Miss::Unexercised(format!("a good entry was not taken: {actual}")))
    }

    /// The content of a read that has to succeed; without it the case can't go on.
    pub(crate) fn read(&mut self, peer: &Authority, path: &str) -> Found<Json> {
        let response = self.get(peer, path)?;
        match Json::read(&response.content) {
            Ok(document) if response.status == 200 => Ok(document),
            _ => Err(Miss::Unexercised(format!("GET {path}: {}", reply::told(&response)))),
        }
    }

    /// The subject's copy of a ledger from its beginning, its pages put together.
    pub(crate) fn read_ledger(&mut self, peer: &Authority, transfer: &str) -> Found<Json> {
        let path = format!("/v1/transfers/{transfer}/entries");
        let mut whole = self.read(peer, &path)?;
        let mut entries = whole.member("entries").map(Json::items).unwrap_or_default().to_vec();
        for _ in 0..PAGES_MAX {
            if whole.member("more") != Some(&Json::Bool(true)) {
                break;
            }
            let next = self.read(peer, &format!("{path}?from={}", entries.len()))?;
            entries.extend_from_slice(next.member("entries").map(Json::items).unwrap_or_default());
            whole = next;
        }
        whole.set("/entries", entries);
        Ok(whole)
    }
}
