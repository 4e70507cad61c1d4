//! A small server of the receiving role, written from the text, that can break it in known ways.
//!
//! It stands in for the subject when the judge is judged: a case that doesn't fail on the fault it was written
//! for proves nothing. It keeps everything in memory and answers on loopback alone.

mod body;
mod body_forms;
mod check;
mod fault;
mod form;
mod ledger;
mod pull;
mod reads;
mod variation;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::fault::Fault;
pub(crate) use self::variation::Variation;
use crate::draft::uuid;
use crate::identity::{Identity, IdentityError, pin_of};
use crate::instant;
use crate::json::Json;
use crate::jws::SigningKey;
use crate::wire::{Answer, ClientCertificate, Incoming, ListenError, Listener, Request, TlsStyle};

use self::ledger::Held;

/// Longest content that it takes, and says that it takes.
const ENTRY_BYTES_MAX: usize = 65_536;

/// Most entries of a page.
const PAGE_ITEMS_MAX: usize = 3;

/// The peer's incarnation.
const INCARNATION: i64 = 4;

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
    /// What it shows to callers.
    pub(crate) server: Identity,
    /// What it calls with.
    pub(crate) client: Identity,
}

/// The peer.
pub(super) struct Peer {
    role: Arc<Role>,
    /// The directory, as the subject of a run would load it.
    directory: Arc<Json>,
    fault: Option<Fault>,
    variation: Option<Variation>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ledgers: BTreeMap<(String, String), Held>,
    /// The highest incarnation of each caller.
    incarnations: BTreeMap<String, i64>,
    /// The ledgers in the order in which they changed.
    changes: Vec<(String, String)>,
    cursors: Vec<(String, String)>,
}

/// A running peer; ends with this value.
pub(crate) struct Reference {
    pub(crate) address: SocketAddr,
    _listener: Listener,
}

impl Reference {
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
        };
        let server = role.server.clone();
        let peer = Arc::new(Peer { role, directory, fault, variation, state: Mutex::default() });
        let listener = Listener::start(socket, &server, style, move |incoming| {
            let answer = peer.answer(incoming);
            told(incoming, &answer);
            answer
        })?;
        Ok(Self { address: listener.address, _listener: listener })
    }
}

impl Peer {
    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(self: &Arc<Self>, incoming: &Incoming) -> Answer {
        let outcome = self.operation(incoming);
        let refused = outcome.is_err();
        let (status, media_type, document) = match outcome {
            Ok((status, document)) => (status, "application/json", document),
            Err(refusal) => self.problem(&refusal),
        };
        let forgets = (self.is(Fault::LetsRefusalsBeStored) && refused)
            || (self.is(Fault::LetsReceiptsBeStored) && status == 201);
        variation::answer(self.variation, status, media_type, !forgets, document)
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
            ["transfers", _, "entries", _] => "PUT",
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
            _ => Err(Refusal::new("route-unknown")),
        }
    }

    fn caller(&self, incoming: &Incoming) -> Option<String> {
        let authorities = self.directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
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
            self.read_heads_of(caller);
        }
        Ok(())
    }

    /// The authority object of that code.
    fn authority(&self, code: &str) -> Option<&Json> {
        let authorities = self.directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
        authorities.iter().find(|authority| authority.text_at("/code") == Some(code))
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
    let key = Json::object([
        ("kid", role.key.kid().into()),
        ("publicKey", role.key.public().into()),
        ("validFrom", "2026-01-01T00:00:00Z".into()),
    ]);
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
        ("keys", vec![key].into()),
        ("team", contact()),
        ("escalation", contact()),
        ("profiles", vec!["core".into(), "recovery".into()].into()),
        ("availability", "available".into()),
    ]))
}

fn now() -> String {
    instant::written(instant::now())
}

/// A cursor that only this caller can use.
fn cursor(state: &mut State, caller: &str) -> String {
    let place = state.changes.len();
    let cursor = format!("{place}.{}", &uuid()[24..]);
    state.cursors.push((caller.to_owned(), cursor.clone()));
    cursor
}

fn starts_capital(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}
