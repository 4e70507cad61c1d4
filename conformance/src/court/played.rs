//! An authority of the suite as a sound server: it orders the ledgers that the subject offers to it, takes what
//! the subject delivers, and shows its copies. A plan makes it answer otherwise.

mod idle;
mod shown;
mod statements;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::draft::{header_of, receipt_by, with_receipts};
use crate::encoding::digest;
use crate::host::{document, problem};
use crate::instant::{now, written};
use crate::json::Json;
use crate::stages;
use crate::wire::{Answer, Request};
use crate::world::Authority;

use super::{Court, Found};

pub(crate) use self::idle::Idle;

/// An answer to a put.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// What the text asks for.
    Sound,
    /// What the text asks for, after that time.
    After(Duration),
    /// The entry is stored, and nobody hears of it.
    StoredUnheard,
    /// These bytes; nothing is stored.
    Bytes(Vec<u8>),
    /// The connection ends; nothing is stored.
    Close,
}

/// A put by the subject.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) at: Instant,
    /// How many reads of that ledger there were before.
    pub(crate) reads_before: usize,
    /// Puts of the same ledger that had not been answered then.
    pub(crate) under_way: usize,
    pub(crate) entry: Json,
}

/// A query, notice, answer, acknowledgement or withdrawal by the subject.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) method: String,
    /// Path below the version, such as `notices/019a…`.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) document: Json,
}

/// What the authority holds.
#[derive(Default)]
struct Copy {
    ledgers: BTreeMap<String, Vec<Json>>,
    /// Further branches of forked ledgers.
    branches: BTreeMap<String, Vec<Json>>,
    plan: VecDeque<Reply>,
    rest: Option<Reply>,
    puts: Vec<Put>,
    told: Vec<Told>,
    /// Storage receipts that were given, by path.
    stored: BTreeMap<String, Json>,
    reads: BTreeMap<String, usize>,
    /// Until when puts are being answered, by ledger.
    busy: BTreeMap<String, Vec<Instant>>,
    /// Most entries of a page.
    page: usize,
    /// Whether reads are answered as unavailable.
    hidden: bool,
    /// Whether heads and the reconciliation are, until further notice.
    heads_hidden: bool,
    /// Whether ledgers are, until further notice.
    ledgers_hidden: bool,
    /// How often it was restored, and one more.
    incarnation: i64,
    /// Issue of the directory that its receipts name, where it is not the first.
    issue: Option<i64>,
}

/// The authority.
#[derive(Clone)]
pub(crate) struct Played {
    pub(crate) peer: Arc<Authority>,
    subject: String,
    copy: Arc<(Mutex<Copy>, Condvar)>,
}

impl Court<'_> {
    /// A fresh authority that plays a sound server from now on.
    pub(crate) fn play(&mut self) -> Found<Played> {
        let peer = self.peer()?;
        Ok(self.play_as(&peer))
    }

    /// That authority as a sound server.
    pub(crate) fn play_as(&mut self, peer: &Arc<Authority>) -> Played {
        let played = Played::between(peer, &self.bench.subject.code);
        let (script, issue) = (played.clone(), self.bench.issues.newest());
        self.bench.host.play(&peer.code, move |request| script.answer(request, &issue));
        played
    }
}

impl Played {
    /// An authority that hosts nothing: it makes ledgers with another of the suite's.
    pub(crate) fn between(peer: &Arc<Authority>, other: &str) -> Self {
        let copy = Copy { page: 100, incarnation: 1, ..Copy::default() };
        let copy = Arc::new((Mutex::new(copy), Condvar::new()));
        Self { peer: peer.clone(), subject: other.to_owned(), copy }
    }

    fn lock(&self) -> MutexGuard<'_, Copy> {
        self.copy.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next puts so, and those after them as `rest` says, or soundly.
    pub(crate) fn plan(&self, replies: Vec<Reply>, rest: Option<Reply>) {
        let mut copy = self.lock();
        (copy.plan, copy.rest) = (replies.into(), rest);
    }

    /// Shows its copies to nobody, until an entry after an offer is put to it.
    pub(crate) fn hide(&self) {
        self.lock().hidden = true;
    }

    /// Shows its heads and its reconciliation, or says that it can't now.
    pub(crate) fn show_heads(&self, shown: bool) {
        self.lock().heads_hidden = !shown;
    }

    /// Shows its ledgers, or says that it can't now.
    pub(crate) fn show_ledgers(&self, shown: bool) {
        self.lock().ledgers_hidden = !shown;
    }

    /// Names that incarnation from now on: it was restored.
    pub(crate) fn name_incarnation(&self, incarnation: i64) {
        self.lock().incarnation = incarnation;
    }

    /// Names that issue of the directory in its receipts.
    pub(crate) fn name_issue(&self, issue: i64) {
        self.lock().issue = Some(issue);
    }

    /// Gives so many entries in a page at most.
    pub(crate) fn page_items_max(&self, page: usize) {
        self.lock().page = page;
    }

    /// The puts of one place of a ledger so far.
    pub(crate) fn puts_of(&self, transfer: &str, sequence: i64) -> Vec<Put> {
        let of = |put: &&Put| {
            put.entry.text_at("/header/transfer") == Some(transfer)
                && put.entry.integer_at("/header/sequence") == Some(sequence)
        };
        self.lock().puts.iter().filter(of).cloned().collect()
    }

    /// Every put of a ledger so far.
    pub(crate) fn puts(&self, transfer: &str) -> Vec<Put> {
        let of = |put: &&Put| put.entry.text_at("/header/transfer") == Some(transfer);
        self.lock().puts.iter().filter(of).cloned().collect()
    }

    /// What came in so far that stands in no ledger, by the start of its path.
    pub(crate) fn told(&self, path: &str) -> Vec<Told> {
        self.lock().told.iter().filter(|told| told.path.starts_with(path)).cloned().collect()
    }

    /// Reads of a ledger so far.
    pub(crate) fn reads(&self, transfer: &str) -> usize {
        self.lock().reads.get(transfer).copied().unwrap_or_default()
    }

    /// The entries of a ledger that it holds.
    pub(crate) fn entries(&self, transfer: &str) -> Vec<Json> {
        self.lock().ledgers.get(transfer).cloned().unwrap_or_default()
    }

    /// Waits until that holds, and says whether it does.
    pub(crate) fn wait(&self, longest: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + longest;
        loop {
            if holds(self) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let copy = self.lock();
            // Woken by each request; the short wait makes up for one that came in between.
            let step = left.min(Duration::from_millis(20));
            drop(self.copy.1.wait_timeout(copy, step).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// An entry by this authority after its head, open to changes before it is sealed; nothing is stored.
    pub(crate) fn next(&self, transfer: &str, kind: &str, spoil: impl FnOnce(&mut Json, &mut Json)) -> Json {
        let entries = self.entries(transfer);
        let (mut header, mut body) = (self.header_after(&entries, kind), crate::draft::bodies::of(kind));
        spoil(&mut header, &mut body);
        header.set("/bodyDigest", digest(&body));
        let signature = self.peer.key.sign(&header);
        Json::object([("header", header), ("body", body), ("signature", signature.into())])
    }

    /// The same with this authority's receipt.
    pub(crate) fn next_receipted(
        &self,
        transfer: &str,
        kind: &str,
        spoil: impl FnOnce(&mut Json, &mut Json),
    ) -> Json {
        let entry = self.next(transfer, kind, spoil);
        let known = {
            let copy = self.lock();
            (copy.issue, copy.incarnation)
        };
        with_receipts(&entry, vec![self.receipt(&entry, known)])
    }

    /// Appends an entry of its own, as the sequencer does, and gives it with its receipt.
    pub(crate) fn append(&self, transfer: &str, kind: &str) -> Json {
        let entry = self.next_receipted(transfer, kind, |_, _| {});
        self.store(transfer, entry.clone());
        entry
    }

    /// Holds an entry without being asked.
    pub(crate) fn store(&self, transfer: &str, entry: Json) {
        self.lock().ledgers.entry(transfer.to_owned()).or_default().push(entry);
    }

    /// Holds an entry of another branch.
    pub(crate) fn store_branch(&self, transfer: &str, entry: Json) {
        self.lock().branches.entry(transfer.to_owned()).or_default().push(entry);
    }

    /// Forgets every entry of a ledger from that sequence on.
    pub(crate) fn forget(&self, transfer: &str, from: usize) {
        let mut copy = self.lock();
        if let Some(entries) = copy.ledgers.get_mut(transfer) {
            entries.truncate(from);
        }
        copy.ledgers.retain(|_, entries| !entries.is_empty());
    }

    fn header_after(&self, entries: &[Json], kind: &str) -> Json {
        let last = entries.last().map_or(Json::Null, header_of);
        let mut header = entries.first().map_or(Json::Null, header_of);
        for member in ["precededBy", "supersedes", "successorOf"] {
            header.remove(&format!("/{member}"));
        }
        let before = last.text_at("/createdAt").unwrap_or_default().to_owned();
        let now = written(now());
        let behind = crate::instant::read(&before) > crate::instant::read(&now);
        header.set("/sequence", last.integer_at("/sequence").unwrap_or_default() + 1);
        header.set("/previous", digest(&last));
        header.set("/id", crate::draft::uuid());
        header.set("/type", kind);
        header.set("/author", self.peer.code.as_str());
        header.set("/recipient", self.subject.as_str());
        header.set("/createdAt", if behind { before } else { now });
        header
    }

    fn answer(&self, request: &Request, issue: &Json) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let steps: Vec<&str> = path.split('/').skip(3).collect();
        let (ledgers_hidden, heads_hidden) = {
            let copy = self.lock();
            (copy.hidden || copy.ledgers_hidden, copy.hidden || copy.heads_hidden)
        };
        let hidden = match steps.first() {
            Some(&"transfers") => ledgers_hidden,
            Some(&("heads" | "reconciliation")) => heads_hidden,
            _ => false,
        };
        let answer = match (request.method.as_str(), &steps[..]) {
            ("GET", _) if hidden => Answer::Bytes(problem(503, "unavailable", "Retry-After: 1\r\n")),
            (method @ ("PUT" | "DELETE"), ["queries" | "notices", ..]) => {
                self.hear(method, &steps.join("/"), &request.content)
            }
            ("PUT", ["transfers", transfer, "entries", _]) => self.take(transfer, &request.content),
            ("GET", ["transfers", transfer, "entries"]) => Answer::Bytes(self.page(transfer, query)),
            ("GET", ["heads"]) => Answer::Bytes(document(200, &self.heads())),
            ("GET", ["reconciliation"]) => Answer::Bytes(document(200, &self.reconciliation())),
            ("GET", ["capabilities"]) => Answer::Bytes(document(200, &self.capabilities(issue))),
            _ => Answer::Bytes(problem(404, "route-unknown", "")),
        };
        self.copy.1.notify_all();
        answer
    }

    fn take(&self, transfer: &str, content: &[u8]) -> Answer {
        let entry = Json::read(content).unwrap_or(Json::Null);
        let mut copy = self.lock();
        copy.hidden &= entry.integer_at("/header/sequence") == Some(0);
        let at = Instant::now();
        let busy = copy.busy.entry(transfer.to_owned()).or_default();
        busy.retain(|until| *until > at);
        let under_way = busy.len();
        let reads_before = copy.reads.get(transfer).copied().unwrap_or_default();
        copy.puts.push(Put { at, reads_before, under_way, entry: entry.clone() });
        let reply = copy.plan.pop_front().or_else(|| copy.rest.clone()).unwrap_or(Reply::Sound);
        match reply {
            Reply::Bytes(bytes) => Answer::Bytes(bytes),
            Reply::Close => Answer::Close,
            Reply::StoredUnheard => {
                self.judge(&mut copy, transfer, &entry);
                Answer::Close
            }
            Reply::After(time) => {
                copy.busy.entry(transfer.to_owned()).or_default().push(at + time);
                let bytes = self.judge(&mut copy, transfer, &entry);
                Answer::Later(time, bytes)
            }
            Reply::Sound => Answer::Bytes(self.judge(&mut copy, transfer, &entry)),
        }
    }

    /// Steps 7 to 11 of section 9.4, as far as a sound subject meets them.
    fn judge(&self, copy: &mut Copy, transfer: &str, entry: &Json) -> Vec<u8> {
        let header = header_of(entry);
        let own = |entry: &Json| {
            let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
            let by = |receipt: &&Json| receipt.text_at("/receipt/by") == Some(&self.peer.code);
            receipts.iter().find(by).cloned().unwrap_or(Json::Null)
        };
        let (issue, incarnation) = (copy.issue, copy.incarnation);
        let entries = copy.ledgers.entry(transfer.to_owned()).or_default();
        let same = |held: &&Json| digest(&header_of(held)) == digest(&header);
        if let Some(held) = entries.iter().find(same) {
            return document(200, &own(held));
        }
        let of_id = |held: &&Json| {
            ["/header/id", "/header/type", "/header/bodyDigest"]
                .iter()
                .all(|path| held.at(path) == entry.at(path))
        };
        if let Some(held) = entries.iter().find(of_id) {
            return document(200, &own(held));
        }
        let next = i64::try_from(entries.len()).unwrap_or_default();
        let sequence = header.integer_at("/sequence").unwrap_or_default();
        let forked = copy.branches.contains_key(transfer);
        let previous = entries.last().map(|last| digest(&header_of(last)));
        let head = previous.as_ref().map_or(Json::Null, |digest| {
            Json::object([("sequence", (next - 1).into()), ("headerDigest", digest.as_str().into())])
        });
        if forked {
            return refusal("forked", &[("head", head)]);
        }
        if sequence > next {
            return refusal("sequence-gap", &[("head", head)]);
        }
        if sequence < next || previous.as_deref() != header.text_at("/previous") {
            return refusal("sequence-conflict", &[("head", head)]);
        }
        if header.text_at("/author") == Some(&self.subject) && sequence > 0 {
            let stage = stage_of(entries);
            let kind = header.text_at("/type").unwrap_or_default();
            if stages::next(stage, kind, false).is_none() {
                return refusal("not-allowed-in-stage", &[("stage", stage.into())]);
            }
        }
        let receipt = own(entry);
        let receipt = if receipt == Json::Null { self.receipt(entry, (issue, incarnation)) } else { receipt };
        let mut receipts = entry.member("receipts").map(Json::items).unwrap_or_default().to_vec();
        if !receipts.contains(&receipt) {
            receipts.push(receipt.clone());
        }
        entries.push(with_receipts(entry, receipts));
        document(201, &receipt)
    }

    fn receipt(&self, entry: &Json, (issue, incarnation): (Option<i64>, i64)) -> Json {
        let receipt = receipt_by(&self.peer.code, &self.peer.key, entry);
        let mut content = receipt.member("receipt").cloned().unwrap_or(Json::Null);
        content.set("/incarnation", incarnation);
        content.set("/directoryIssue", issue.unwrap_or(1));
        crate::draft::signed_receipt(content, &self.peer.key)
    }
}

/// The stage of these entries by the table of section 5.3.
fn stage_of(entries: &[Json]) -> &'static str {
    let (mut stage, mut anew) = ("offered", false);
    for entry in entries.iter().skip(1) {
        let kind = entry.text_at("/header/type").unwrap_or_default();
        stage = stages::next(stage, kind, anew).unwrap_or(stage);
        anew |= kind == "acknowledge" && stage == "contested";
    }
    stage
}

/// A refusal with its members.
pub(crate) fn refusal(name: &str, members: &[(&str, Json)]) -> Vec<u8> {
    let status = super::PROBLEMS.iter().find(|(held, _)| *held == name).map_or(500, |(_, status)| *status);
    let mut document = Json::object([
        ("type", format!("urn:cme:problem:v1:{name}").into()),
        ("title", "Refused by the conformance suite.".into()),
        ("status", i64::from(status).into()),
    ]);
    for (member, value) in members {
        document.set(&format!("/{member}"), value.clone());
    }
    crate::host::message(status, "application/problem+json", "", &document.plain())
}
