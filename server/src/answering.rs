//! What happens to a query, or the withdrawal of one, that arrives: judged by the rules of `spec`, answered from the
//! register, and stored with everything that follows in one transaction.
//!
//! Neither the answer nor its time tells a shielded child from one who is not known. What is done for both is the same
//! but for what a match leaves behind, and that ends before the answer leaves: see [`grid`].

pub mod grid;
mod matched;
mod prepared;
mod quota;
mod record;
pub mod standing;
pub mod tidy;

use cme_spec::canonical::Json;
use cme_spec::codes::AnswerOutcome;
use cme_spec::digest::Digest;
use cme_spec::envelope::Envelope;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{Instant, QueryId};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::{self, Answer, Query, QueryBody};
use cme_spec::receipt::{Stored, StoredKind};

use self::grid::Grid;
pub use self::matched::{Finding, child_of, fields_of};
use self::prepared::Prepared;
pub use self::record::{Decided, record_later};
use crate::node::Node;
use crate::notices::{Desk, Matter};
use crate::register::FindError;
use crate::store::queries::{self, QueryKey};
use crate::store::{StoreError, Tx};

/// What the caller is told.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Every answer so far, as it goes back, and whether the query was put before.
    Answers(Vec<Envelope<Answer>>, bool),
    /// Refused; nothing has changed.
    Refused(Problem),
    /// Refused for now; nothing has changed. To be tried again after so many seconds.
    Later(Problem, u64),
}

impl Reply {
    /// What came of it, for the log: it doesn't say what was answered.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answers(_, false) => "answered",
            Self::Answers(_, true) => "repeated",
            Self::Refused(problem) | Self::Later(problem, _) => {
                problem.registered().map_or("refused", ProblemType::name)
            }
        }
    }

    /// The content of a success.
    pub fn content(answers: &[Envelope<Answer>]) -> Json {
        Json::object([("answers", Json::array(answers.iter().map(Envelope::to_json)))])
    }
}

impl From<ProblemType> for Reply {
    fn from(problem: ProblemType) -> Self {
        Self::Refused(Problem::new(problem))
    }
}

/// A query that keeps every rule which can be checked without looking at what is held.
pub(crate) struct Asked {
    pub(crate) key: QueryKey,
    pub(crate) query: Query,
    pub(crate) body: QueryBody,
    /// When it arrived.
    pub(crate) now: Instant,
}

/// A query arrives, all of it by now. The checks stand in the order of the text; what is looked up and what follows
/// from it leaves at the end of an interval.
///
/// Implements: QRY-007, QRY-016, QRY-023, QRY-028
pub async fn receive(desk: &Desk<'_>, query: Query, arrived: Grid) -> Result<Reply, StoreError> {
    let asked = match check(desk, query) {
        Ok(asked) => asked,
        Err(problem) => return Ok(Reply::Refused(problem)),
    };
    arrived.hold(desk.node, Box::pin(answer(desk, asked, arrived))).await
}

/// Steps 4 to 6 of the text: parties, digest and rules, signature.
fn check(desk: &Desk<'_>, query: Query) -> Result<Asked, Problem> {
    let (header, now) = (query.header(), desk.node.now());
    let (hosted, author) = (header.recipient, header.author);
    let acts = |who, party| desk.directory.acts_for(who, party);
    if desk.hosted == desk.caller || !acts(desk.hosted, hosted) || !acts(desk.caller, author) {
        return Err(Problem::new(ProblemType::NotAParty));
    }
    if !query.body_matches() {
        return Err(Problem::new(ProblemType::BodyDigestMismatch));
    }
    let body = query::check(&query).map_err(|fault| fault.problem())?;
    desk.directory.check_statement(&query, now).map_err(|error| Problem::new(error.problem()))?;
    let key = QueryKey { hosted, author, query: header.query };
    Ok(Asked { key, query, body, now })
}

/// What is held of a query before it is answered.
enum Before {
    /// It was put before.
    Put(Reply),
    /// More was asked than is answered in a day.
    Quota(u64),
    /// It is new; whether it follows a query that is known.
    New { renewal: bool },
}

fn before(tx: &mut dyn Tx, node: &Node, asked: &Asked) -> Result<Before, StoreError> {
    if let Some(reply) = put_before(tx, &asked.key, asked.query.header_digest())? {
        return Ok(Before::Put(reply));
    }
    if let Some(seconds) = quota::exceeded(tx, &node.config().queries, asked)? {
        return Ok(Before::Quota(seconds));
    }
    let earlier = asked.query.header().renews;
    let earlier = earlier.map(|query| queries::find(tx, &QueryKey { query, ..asked.key })).transpose()?;
    Ok(Before::New { renewal: earlier.flatten().is_some() })
}

/// The answers given before, or the refusal of another query under the same id. Implements: QRY-016
fn put_before(tx: &mut dyn Tx, key: &QueryKey, digest: Digest) -> Result<Option<Reply>, StoreError> {
    let Some(held) = queries::find(tx, key)? else { return Ok(None) };
    let same = held.digest == digest;
    Ok(Some(if same { Reply::Answers(held.answers, true) } else { ProblemType::IdReused.into() }))
}

/// Steps 7 to 9: the id, time and quota, then the register. Implements: QRY-010, QRY-016
async fn answer(desk: &Desk<'_>, asked: Asked, arrived: Grid) -> Result<Reply, StoreError> {
    let node = desk.node;
    let asked = std::sync::Arc::new(asked);
    let (looked_up, looking) = (asked.clone(), node.clone());
    let before = node.store().read(move |tx| before(tx, &looking, &looked_up)).await?;
    let header = asked.query.header();
    let ahead = desk.directory.is_too_far_ahead(header.created_at, asked.now);
    let renewal = match before {
        Before::Put(reply) => return Ok(reply),
        _ if ahead => return Ok(ProblemType::CreatedAtSkew.into()),
        Before::Quota(seconds) => return Ok(Reply::Later(Problem::new(ProblemType::QuotaExceeded), seconds)),
        Before::New { renewal } => renewal,
    };
    let hosted = node.speaking_for(desk.directory, asked.key.hosted);
    let Some(hosted) = hosted else { return Ok(ProblemType::HostedUnknown.into()) };
    if let Err(error) = hosted.check_key(desk.directory, asked.now) {
        tracing::error!(%error, "no query can be answered");
        return Ok(ProblemType::Unavailable.into());
    }
    let withheld = node.config().queries.withholds(header.author, header.purpose);
    for _ in 0..LOOKS_MAX {
        let found = if withheld {
            (Finding::nothing(AnswerOutcome::Withheld), None)
        } else {
            // What is stored then is stored at a moment that doesn't tell how long the look took: a second request could
            // watch it.
            match arrived.hold_half(node, look(node, hosted.code, &asked)).await {
                Ok(found) => found,
                Err(FindError::NotReady) => break,
                Err(FindError::NeverFilled) => return Ok(never_filled()),
                Err(FindError::Store(error)) => return Err(error),
            }
        };
        let prepared = match Prepared::of(desk, hosted, asked.clone(), found, renewal) {
            Ok(prepared) => prepared,
            Err(problem) => return Ok(Reply::Refused(problem)),
        };
        if let Some(reply) = node.store().write(move |tx| prepared.commit(tx)).await? {
            return Ok(reply);
        }
        node.register().bring_up_to_date(hosted.code).await?;
    }
    let problem = Problem::new(ProblemType::Unavailable).detail("the register is being read");
    Ok(Reply::Later(problem, NOT_READY_SECONDS))
}

/// Nothing is said of a child by a register that says nothing of any. Implements: QRY-031
fn never_filled() -> Reply {
    let problem = Problem::new(ProblemType::Unavailable).detail("the register was never filled");
    Reply::Later(problem, NEVER_FILLED_SECONDS)
}

async fn look(
    node: &Node,
    hosted: AuthorityCode,
    asked: &Asked,
) -> Result<(Finding, Option<i64>), FindError> {
    let subject = &asked.body.subject;
    let look = node.register().look(hosted, &child_of(subject)).await?;
    Ok((Finding::of(&look, &subject.fields()), Some(look.sequence)))
}

/// How often a register is looked at that changes at the same time.
const LOOKS_MAX: usize = 3;
/// Seconds after which whoever asks before the register was read may ask again.
const NOT_READY_SECONDS: u64 = 5;
/// The same where it was never filled: a person has to bring the children in.
const NEVER_FILLED_SECONDS: u64 = 300;

/// What the withdrawal of a query comes to.
#[derive(Clone, Debug)]
pub enum Withdrawn {
    /// It is withdrawn, now or before: the receipt given first.
    Receipt(Envelope<Stored>),
    /// Refused; nothing has changed.
    Refused(Problem),
}

/// A query is withdrawn by whoever put it. Whether somebody else put one of that id makes no difference.
///
/// Implements: QRY-019, QRY-020, QRY-030
pub async fn withdraw(desk: &Desk<'_>, query: QueryId, arrived: Grid) -> Result<Withdrawn, StoreError> {
    arrived.hold(desk.node, withdrawal(desk, query)).await
}

async fn withdrawal(desk: &Desk<'_>, query: QueryId) -> Result<Withdrawn, StoreError> {
    let unknown = || Withdrawn::Refused(Problem::new(ProblemType::QueryUnknown));
    let of = |who| {
        let authorities = desk.directory.authorities.iter().map(|authority| authority.code);
        authorities.filter(move |party| desk.directory.acts_for(who, *party)).collect::<Vec<AuthorityCode>>()
    };
    if desk.hosted == desk.caller {
        return Ok(unknown());
    }
    let (ours, theirs) = (of(desk.hosted), of(desk.caller));
    let found = desk.node.store().read(move |tx| {
        for (hosted, author) in ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| (*ours, *theirs)))
        {
            let key = QueryKey { hosted, author, query };
            if let Some(held) = queries::find(tx, &key)? {
                return Ok(Some((key, held.digest, held.withdrawal)));
            }
        }
        Ok(None)
    });
    let Some((key, digest, given)) = found.await? else { return Ok(unknown()) };
    if let Some(given) = given {
        return Ok(Withdrawn::Receipt(given));
    }
    let id = query.to_string();
    let matter = Matter { kind: StoredKind::Withdrawal, id, digest, at: desk.node.now() };
    let receipt = match desk.receipt(key.hosted, &matter) {
        Ok(receipt) => receipt,
        Err(problem) => return Ok(Withdrawn::Refused(problem)),
    };
    let written = desk.node.store().write(move |tx| {
        let given = queries::find(tx, &key)?.and_then(|held| held.withdrawal);
        if let Some(given) = given {
            return Ok(given);
        }
        queries::withdraw(tx, &key, &receipt)?;
        Ok(receipt.clone())
    });
    Ok(Withdrawn::Receipt(written.await?))
}
