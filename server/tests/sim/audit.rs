//! What every database holds at one moment, read beside the servers.

use std::collections::BTreeMap;

use cme_server::store::ledgers::{self, Held, LedgerKey};
use cme_server::store::outbox::{self, Letter, Proposal, Task};
use cme_server::store::{StoreError, Tx, officers, pairs};
use cme_spec::digest::Digest;
use cme_spec::entry::{Entry, EntryType};
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, TransferId};
use cme_spec::ledger::Ledger;
use cme_spec::pair::Standing;

use crate::deployment::Deployment;

/// How often each database was restored, and one.
const INCARNATION: u64 = 1;

/// What of an entry the invariants ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: EntryId,
    pub(crate) kind: EntryType,
    pub(crate) author: AuthorityCode,
    pub(crate) header: Digest,
    pub(crate) body: Digest,
    /// Whether the originating authority's receipt is held.
    pub(crate) vouched: bool,
}

impl Seen {
    fn of(entry: &Entry, originating: AuthorityCode) -> Self {
        let header = entry.header();
        Self {
            id: header.id,
            kind: header.kind,
            author: header.author,
            header: entry.header_digest(),
            body: header.body_digest,
            vouched: entry.receipt_by(originating).is_some(),
        }
    }
}

/// One authority's copy of a ledger.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) key: LedgerKey,
    pub(crate) ledger: Ledger,
    pub(crate) forked: bool,
    pub(crate) entries: Vec<Seen>,
}

impl Copy {
    /// Who is responsible by the entries themselves, whatever the server has made of them.
    pub(crate) fn responsible_by_entries(&self) -> AuthorityCode {
        let terms = &self.ledger.terms;
        let accepted = self.entries.iter().any(|entry| entry.kind == EntryType::Accept);
        if accepted { terms.receiving } else { terms.originating }
    }

    /// Whether this is the sequencer's copy.
    pub(crate) fn is_sequencers(&self) -> bool {
        self.key.hosted == self.ledger.terms.receiving
    }
}

/// Everything of one authority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) copies: BTreeMap<TransferId, Copy>,
    /// Decisions that are neither in a ledger nor refused for good.
    pub(crate) proposals: Vec<Proposal>,
    /// Decisions that were refused for good.
    pub(crate) given_up: Vec<Proposal>,
    pub(crate) letters: Vec<Letter>,
    /// Peers with which nothing can be appended, and why.
    pub(crate) not_level: Vec<(AuthorityCode, &'static str)>,
    /// Deliveries that were refused: transfer, place and problem.
    pub(crate) refused: Vec<(TransferId, u64, String)>,
}

/// Everything of everybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit(pub(crate) BTreeMap<AuthorityCode, Books>);

impl Audit {
    /// Reads all databases. Of a copy that was read before only what is new is read, unless `anew` is asked for.
    pub(crate) fn take(deployments: &mut [Deployment], before: &Self, anew: bool) -> Self {
        let mut audit = Self::default();
        for deployment in deployments {
            for code in deployment.codes.clone() {
                let known = before.0.get(&code).filter(|_| !anew).cloned().unwrap_or_default();
                let mut books = Books::default();
                let mut read = |tx: &mut dyn Tx| {
                    books = read_books(tx, code, &known.copies)?;
                    Ok(())
                };
                deployment.auditor.read(&mut read).expect("a database can be read beside its server");
                audit.0.insert(code, books);
            }
        }
        audit
    }

    /// Both copies of a ledger: the originating authority's and the sequencer's.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (TransferId, Option<&Copy>, Option<&Copy>)> {
        let mut pairs: BTreeMap<TransferId, (Option<&Copy>, Option<&Copy>)> = BTreeMap::new();
        for copy in self.copies() {
            let pair = pairs.entry(copy.key.transfer).or_default();
            if copy.is_sequencers() {
                pair.1 = Some(copy);
            } else {
                pair.0 = Some(copy);
            }
        }
        pairs.into_iter().map(|(transfer, (originating, sequencer))| (transfer, originating, sequencer))
    }

    pub(crate) fn copies(&self) -> impl Iterator<Item = &Copy> {
        self.0.values().flat_map(|books| books.copies.values())
    }

    pub(crate) fn copy(&self, by: AuthorityCode, transfer: TransferId) -> Option<&Copy> {
        self.0.get(&by)?.copies.get(&transfer)
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.values().all(|books| books.letters.iter().all(|letter| letter.dead))
    }
}

fn read_books(
    tx: &mut dyn Tx,
    code: AuthorityCode,
    known: &BTreeMap<TransferId, Copy>,
) -> Result<Books, StoreError> {
    let mut books = Books::default();
    for held in ledgers::of_hosted(tx, code)? {
        let copy = read_copy(tx, held, known)?;
        books.copies.insert(copy.key.transfer, copy);
    }
    books.proposals = outbox::proposals(tx, code)?;
    books.letters = outbox::of_hosted(tx, code)?;
    for letter in books.letters.iter().filter(|letter| letter.dead && letter.task == Task::Propose) {
        books.given_up.extend(outbox::find_proposal(tx, &letter.key, letter.id)?);
    }
    for known in pairs::of_hosted(tx, code)? {
        let standing = known.pair.standing(INCARNATION);
        if standing != Standing::Level {
            books.not_level.push((known.counterparty, standing.name()));
        }
    }
    let refused = officers::refused(tx, code)?.into_iter();
    books.refused =
        refused.map(|refused| (refused.key.transfer, refused.sequence, refused.problem)).collect();
    Ok(books)
}

fn read_copy(tx: &mut dyn Tx, held: Held, known: &BTreeMap<TransferId, Copy>) -> Result<Copy, StoreError> {
    let originating = held.ledger.terms.originating;
    let known = known.get(&held.key.transfer).map_or(&[][..], |copy| &copy.entries[..]);
    let ids = ledgers::ids_from(tx, &held.key, 0)?;
    let still = known.iter().zip(&ids).take_while(|(seen, id)| seen.id == id.0);
    let mut entries: Vec<Seen> = still.map(|(seen, _)| seen.clone()).collect();
    for (sequence, seen) in (0..).zip(&mut entries) {
        if !seen.vouched && held.key.hosted != originating && seen.author != originating {
            let entry = ledgers::entry_at(tx, &held.key, sequence)?;
            let entry = entry.ok_or(StoreError::Corrupt("an entry is gone"))?;
            *seen = Seen::of(&entry, originating);
        }
    }
    for entry in ledgers::entries(tx, &held.key, entries.len() as u64, u64::MAX)? {
        entries.push(Seen::of(&entry, originating));
    }
    Ok(Copy { key: held.key, ledger: held.ledger, forked: held.forked, entries })
}
