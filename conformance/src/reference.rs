//! A small server of both roles, written from the text, that can break it in known ways.
//!
//! It stands in for the subject when the judge is judged: a case that doesn't fail on the fault it was written
//! for proves nothing. It keeps everything in memory and answers on loopback alone.

mod asking;
mod body;
mod body_forms;
mod check;
mod deadlines;
mod delivered;
mod facts;
mod fault;
mod form;
mod issues;
mod ledger;
mod notices;
mod office;
mod outbox;
mod pairs;
mod pull;
mod queries;
mod reads;
mod statements;
mod variation;
mod verifier;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

pub(crate) use self::fault::Fault;
pub(crate) use self::variation::Variation;
use crate::adapter::Line;
use crate::draft::uuid;
use crate::identity::{Identity, IdentityError, pin_of};
use crate::instant;
use crate::json::Json;
use crate::jws::SigningKey;
use crate::wire::{Answer, ClientCertificate, Incoming, ListenError, Listener, Request, TlsStyle};

use self::asking::Asked;
use self::ledger::{Held, Key};
use self::notices::Notice;
use self::outbox::Letter;
use self::pairs::Pairs;
use self::queries::{Child, Query};

/// Longest content that it takes, and says that it takes.
const ENTRY_BYTES_MAX: usize = 65_536;

/// Most entries of a page.
const PAGE_ITEMS_MAX: usize = 3;

/// Longest time that a request may take to arrive.
const ARRIVAL: std::time::Duration = std::time::Duration::from_millis(1_500);

/// Connections of one caller that it answers at a time.
pub(crate) const CONNECTIONS_MAX: usize = 48;

/// The peer's first incarnation.
const INCARNATION: i64 = 4;

/// What it can do.
pub(crate) const PROFILES: [&str; 5] = ["core", "recovery", "queries", "standing-queries", "notices"];

/// A refusal: the problem's name and further members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    name: &'static str,
    members: Vec<(&'static str, Json)>,
}

impl Refusal {
    const fn new(name: &'static str) -> Self {
        Self { name, members: Vec::new() }
    }

    fn with(mut self, member: &'static str, value: impl Into<Json>) -> Self {
        self.members.push((member, value.into()));
        self
    }
}

/// What an operation comes to: a status with a document, or a refusal.
type Outcome = Result<(u16, Json), Refusal>;

/// Whom the peer plays, and by what.
pub(crate) struct Role {
    pub(crate) code: String,
    pub(crate) key: SigningKey,
    /// A key of its own that was retired long ago.
    pub(crate) retired: SigningKey,
    /// What it shows to callers.
    pub(crate) server: Identity,
    /// What it calls with.
    pub(crate) client: Identity,
}

/// The peer.
pub(super) struct Peer {
    role: Arc<Role>,
    /// The issue of the directory that it began with.
    first_issue: Arc<Json>,
    /// The issue that it holds.
    directory: Mutex<Arc<Json>>,
    fault: Option<Fault>,
    variation: Option<Variation>,
    state: Mutex<State>,
    /// Wakes who sends.
    woken: Condvar,
    /// Whether the process is not running; its state, which stands for a disk, stays.
    down: AtomicBool,
    /// How often the process was started.
    generation: AtomicUsize,
    /// Raised at each restore; it stands apart from what is backed up.
    incarnation: AtomicI64,
    /// What was last backed up.
    backup: Mutex<Option<State>>,
    /// An issue that was put in place while the process was not running.
    placed: Mutex<Option<Json>>,
    /// What it has written since its log was last read.
    log: Mutex<String>,
}

#[derive(Clone, Default)]
struct State {
    ledgers: BTreeMap<Key, Held>,
    /// What is to be sent.
    letters: Vec<Letter>,
    /// Notices by who told them; those of its own by `to` and who was told.
    notices: BTreeMap<Key, Notice>,
    /// Queries by who put them.
    queries: BTreeMap<Key, Query>,
    /// Queries of its own by who was asked.
    asked: BTreeMap<Key, Asked>,
    register: Vec<Child>,
    /// The highest incarnation of each caller.
    incarnations: BTreeMap<String, i64>,
    /// The ledgers in the order in which they changed.
    changes: Vec<Key>,
    cursors: Vec<(String, String)>,
    pairs: Pairs,
}

/// A running peer; ends with this value.
pub(crate) struct Reference {
    pub(crate) address: SocketAddr,
    peer: Arc<Peer>,
    _listener: Listener,
}

impl Reference {
    /// Its own adapter.
    pub(crate) fn officer(&self) -> Box<dyn Line> {
        Box::new(office::Officer(self.peer.clone()))
    }

    /// Starts the peer on a free port of loopback.
    pub(crate) fn start(
        role: Arc<Role>,
        directory: Arc<Json>,
        ways: (Option<Fault>, Option<Variation>),
    ) -> Result<Self, ListenError> {
        let socket = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Self::on(socket, role, directory, ways, |_, _| {})
    }

    /// Starts the peer on that socket; `told` is called with each request and what it is answered.
    pub(crate) fn on(
        socket: TcpListener,
        role: Arc<Role>,
        directory: Arc<Json>,
        (fault, variation): (Option<Fault>, Option<Variation>),
        told: impl Fn(&Incoming, &Answer) + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        let style = TlsStyle {
            certificate: if fault == Some(Fault::AsksForNoCertificate) {
                ClientCertificate::Optional
            } else {
                ClientCertificate::Required
            },
            resuming: fault == Some(Fault::ResumesSessions),
            arrival: Some(ARRIVAL).filter(|_| fault != Some(Fault::WaitsForRequestsForEver)),
            connections_max: Some(CONNECTIONS_MAX)
                .filter(|_| fault != Some(Fault::LetsAnybodyHoldConnections)),
        };
        let server = role.server.clone();
        let peer = Arc::new(Peer {
            role,
            first_issue: directory.clone(),
            directory: Mutex::new(directory),
            fault,
            variation,
            state: Mutex::default(),
            woken: Condvar::new(),
            down: AtomicBool::new(false),
            generation: AtomicUsize::new(0),
            incarnation: AtomicI64::new(INCARNATION),
            backup: Mutex::default(),
            placed: Mutex::default(),
            log: Mutex::default(),
        });
        let (answering, sending) = (peer.clone(), Arc::downgrade(&peer));
        let listener = Listener::start(socket, &server, style, move |incoming| {
            let answer = answering.answer(incoming);
            told(incoming, &answer);
            answer
        })?;
        std::thread::spawn(move || outbox::work(&sending));
        Ok(Self { address: listener.address, peer, _listener: listener })
    }
}

impl Peer {
    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which life of the process this is.
    fn generation(&self) -> usize {
        self.generation.load(Ordering::SeqCst)
    }

    /// A line of its log for each request.
    fn log(&self, incoming: &Incoming, outcome: &Outcome) {
        use std::fmt::Write as _;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let request = &incoming.request;
        let told = outcome.as_ref().map_or_else(|refusal| refusal.name, |_| "done");
        // Writing to a string can't fail.
        let _ = writeln!(log, "{} {} {told}", request.method, request.target);
        if self.is(Fault::LogsBodies) && outcome.is_err() {
            log.push_str(&String::from_utf8_lossy(&request.content));
        }
    }

    /// What was logged since the last look.
    fn logged(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often it was restored, and what it began with.
    fn incarnation(&self) -> i64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    /// The key that it signs with.
    fn signing(&self) -> &SigningKey {
        if self.is(Fault::SignsWithARetiredKey) { &self.role.retired } else { &self.role.key }
    }

    fn answer(self: &Arc<Self>, incoming: &Incoming) -> Answer {
        let alive = || !self.down.load(Ordering::SeqCst);
        let outcome = if alive() { self.operation(incoming) } else { return Answer::Close };
        if !alive() {
            return Answer::Close;
        }
        self.log(incoming, &outcome);
        let refused = outcome.is_err();
        let waits = outcome.as_ref().is_err_and(|refusal| refusal.name == "quota-exceeded");
        let (status, media_type, document) = match outcome {
            Ok((status, document)) => (status, "application/json", document),
            Err(refusal) => self.problem(&refusal),
        };
        let forgets = (self.is(Fault::LetsRefusalsBeStored) && refused)
            || (self.is(Fault::LetsReceiptsBeStored) && status == 201);
        variation::answer(self.variation, (status, media_type), (!forgets, waits), document)
    }

    fn problem(&self, refusal: &Refusal) -> (u16, &'static str, Json) {
        let statuses = crate::court::PROBLEMS;
        let status =
            statuses.iter().find(|(name, _)| *name == refusal.name).map_or(500, |(_, status)| *status);
        let mut problem = Json::object([
            ("type", format!("urn:cme:problem:v1:{}", refusal.name).into()),
            ("title", "The reference peer refuses this.".into()),
        ]);
        if !self.is(Fault::ForgetsStatus) {
            problem.set("/status", i64::from(status));
        }
        for (member, value) in &refusal.members {
            let forgotten = match *member {
                "head" => self.is(Fault::ForgetsHead),
                "stage" => self.is(Fault::HidesTheStage),
                "limit" => self.is(Fault::HidesItsLimit),
                _ => false,
            };
            if !forgotten {
                problem.set(&format!("/{member}"), value.clone());
            }
        }
        let media_type =
            if self.is(Fault::RefusesAsJson) { "application/json" } else { "application/problem+json" };
        (status, media_type, problem)
    }

    /// Step 1 of section 9.4, and then the operation.
    fn operation(self: &Arc<Self>, incoming: &Incoming) -> Outcome {
        let request = &incoming.request;
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        let [hosted, "v1", ref rest @ ..] = steps[..] else { return Err(Refusal::new("route-unknown")) };
        let wanted = match rest[..] {
            ["capabilities" | "heads" | "reconciliation"] | ["transfers", _, "entries"] => "GET",
            ["queries", _] if request.method == "DELETE" => "DELETE",
            ["transfers", _, "entries", _]
            | ["notices" | "queries", _]
            | ["notices", _, "acknowledgement"]
            | ["queries", _, "answers", _] => "PUT",
            _ => return Err(Refusal::new("route-unknown")),
        };
        if request.method != wanted {
            return Err(Refusal::new("method-not-allowed"));
        }
        if self.is(Fault::MindsFieldCase) && !request.fields.iter().all(|(name, _)| starts_capital(name)) {
            return Err(Refusal::new("internal"));
        }
        let caller = self.caller(incoming).ok_or(Refusal::new("peer-unknown"))?;
        if hosted != self.role.code {
            return Err(Refusal::new("hosted-unknown"));
        }
        self.hear(&caller, request)?;
        match rest[..] {
            ["capabilities"] => Ok((200, self.capabilities(query)?)),
            ["heads"] => self.heads(&caller, query),
            ["reconciliation"] => self.reconciliation(&caller, query),
            ["transfers", transfer, "entries"] => self.entries(&caller, transfer, query),
            ["transfers", transfer, "entries", sequence] => self.put(&caller, (transfer, sequence), request),
            ["queries", query] if wanted == "DELETE" => self.withdraw_query(&caller, query),
            ["queries", query] => self.put_query(&caller, query, request),
            ["queries", query, "answers", number] => self.put_answer(&caller, (query, number), request),
            ["notices", notice] => self.put_notice(&caller, notice, request),
            ["notices", notice, "acknowledgement"] => self.put_acknowledgement(&caller, notice, request),
            _ => Err(Refusal::new("route-unknown")),
        }
    }

    fn caller(&self, incoming: &Incoming) -> Option<String> {
        let directory =
            if self.is(Fault::RemembersCallers) { self.first_issue.clone() } else { self.directory() };
        let authorities = directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
        let mut pin = incoming.pin.clone();
        if self.is(Fault::BelievesClientCert)
            && let Some(certificate) = incoming.request.field("Client-Cert")
        {
            let text = certificate.trim_matches([':', '=']).replace('+', "-").replace('/', "_");
            let der = crate::encoding::from_base64url(text.trim_end_matches('='))?;
            pin = pin_of(&rustls::pki_types::CertificateDer::from(der)).ok();
        }
        let pin = Json::Text(pin?);
        let of = |authority: &&Json| {
            authority.member("clientPins").map(Json::items).unwrap_or_default().contains(&pin)
        };
        let found = authorities.iter().find(of);
        let found = found.or_else(|| authorities.get(1).filter(|_| self.is(Fault::TakesStrangers)));
        found?.text_at("/code").map(str::to_owned)
    }

    /// The caller's incarnation, and a look at its heads when it is higher than before.
    fn hear(self: &Arc<Self>, caller: &str, request: &Request) -> Result<(), Refusal> {
        let Some(told) = request.field("CME-Incarnation").and_then(|text| text.parse::<i64>().ok()) else {
            return Ok(());
        };
        let mut state = self.lock();
        let known = state.incarnations.get(caller).copied().unwrap_or_default();
        if told < known && !self.is(Fault::TakesOldIncarnations) {
            return Err(Refusal::new("incarnation-stale"));
        }
        state.incarnations.insert(caller.to_owned(), told.max(known));
        if told > known && known > 0 && !self.is(Fault::ReadsNoHeads) {
            state.pairs.wants_heads(caller);
            self.woken.notify_all();
        }
        Ok(())
    }

    /// The authority object of that code.
    fn authority(&self, code: &str) -> Option<Json> {
        let directory = self.directory();
        let authorities = directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
        authorities.iter().find(|authority| authority.text_at("/code") == Some(code)).cloned()
    }

    /// The code of the residuary successor of an authority that ends.
    fn successor(&self, authority: &Json) -> Option<String> {
        let successors = authority.member("successors").map(Json::items).unwrap_or_default();
        let residuary = successors.iter().find(|one| one.member("residuary") == Some(&Json::Bool(true)))?;
        residuary.text_at("/code").filter(|_| !self.is(Fault::KnowsNoSuccessors)).map(str::to_owned)
    }

    /// Whether that caller is the residuary successor of that authority.
    fn follows(&self, caller: &str, code: &str) -> bool {
        let authority = self.authority(code).filter(|_| code != self.role.code);
        authority.and_then(|authority| self.successor(&authority)).as_deref() == Some(caller)
    }

    /// The issue of the directory that is held.
    fn directory(&self) -> Arc<Json> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of that issue.
    fn issue(&self) -> i64 {
        self.directory().integer_at("/directory/issue").unwrap_or(1)
    }

    /// A value under the peer's signature.
    fn signed(&self, member: &str, value: Json) -> Json {
        let signature = if self.is(Fault::SignsAsEd25519) {
            let header = format!(r#"{{"alg":"Ed25519","kid":"{}"}}"#, self.role.key.kid());
            self.role.key.sign_with(&header, &value)
        } else if self.is(Fault::SignsOtherBytes) {
            // Over other bytes than those of RFC 8785: the value with its members as they stand.
            self.role.key.sign(&Json::text(value.plain()))
        } else {
            self.role.key.sign(&value)
        };
        Json::object([(member, value), ("signature", signature.into())])
    }
}

/// The authority object of a reference peer that is reached there.
pub(crate) fn record(role: &Role, base_url: &str) -> Result<Json, IdentityError> {
    let contact = || Json::object([("name", "Reference team".into())]);
    let key = |key: &SigningKey| {
        Json::object([
            ("kid", key.kid().into()),
            ("publicKey", key.public().into()),
            ("validFrom", "2026-01-01T00:00:00Z".into()),
        ])
    };
    let mut retired = key(&role.retired);
    retired.set("/retiredAt", "2026-02-01T00:00:00Z");
    Ok(Json::object([
        ("code", role.code.as_str().into()),
        ("gss", "E08000025".into()),
        ("name", "Reference".into()),
        ("validFrom", "2009-04-01".into()),
        ("successors", Json::Array(Vec::new())),
        ("operator", "Conformance suite".into()),
        ("baseUrl", base_url.into()),
        ("serverPins", vec![role.server.pin()?.into()].into()),
        ("clientPins", vec![role.client.pin()?.into()].into()),
        ("keys", vec![key(&role.key), retired].into()),
        ("team", contact()),
        ("escalation", contact()),
        ("profiles", PROFILES.map(Json::from).to_vec().into()),
        ("availability", "available".into()),
    ]))
}

fn now() -> String {
    instant::written(instant::now())
}

/// A cursor that only this caller can use.
fn cursor(state: &mut State, caller: &str, incarnation: i64) -> String {
    let place = state.changes.len();
    let cursor = format!("{place}.{incarnation}.{}", &uuid()[24..]);
    state.cursors.push((caller.to_owned(), cursor.clone()));
    cursor
}

fn starts_capital(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Whether the body of a query or notice keeps its tables and rules, and where it does not.
pub(crate) fn right_statement(body: &Json, header: &Json, query: bool) -> Result<(), String> {
    body::check_statement(body, header, (query, None)).map_err(|refusal| pointer_of(&refusal))
}

fn pointer_of(refusal: &Refusal) -> String {
    let pointer = refusal.members.iter().find(|(name, _)| *name == "pointer");
    pointer.map_or_else(String::new, |(_, pointer)| pointer.plain())
}

/// Whether a body keeps the tables and rules of section 4, and where it does not.
pub(crate) fn right_body(body: &Json, header: &Json) -> Result<(), String> {
    body::check(body, header, None).map_err(|refusal| pointer_of(&refusal))
}
