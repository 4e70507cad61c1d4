//! Why an officer's command is not carried out.

use cme_spec::canonical::{DecodeError, ShapeError};
use cme_spec::codes::{NoticeKind, QueryPurpose};
use cme_spec::entry::EntryType;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, NoticeId, QueryId, TransferId};
use cme_spec::ledger::Refusal;
use cme_spec::ledger::append::AppendError;
use cme_spec::query::AnswerFault;

use crate::store::StoreError;

/// Why an officer's command is not carried out. Said to the officer, in the officer's words.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// The authority is not in the configuration.
    #[error("authority {0} is not hosted here; see [[authority]] in the configuration")]
    NotHosted(AuthorityCode),
    /// Several authorities are hosted, and none was named.
    #[error("several authorities are hosted here: say which with --as CODE")]
    WhichAuthority,
    /// The directory has no such authority.
    #[error("authority {0} is not in the directory")]
    UnknownAuthority(AuthorityCode),
    /// The directory has the authority for contact only.
    #[error("authority {0} is not connected: telephone or write to its team ({1})")]
    ContactOnly(AuthorityCode, String),
    /// An authority can't offer to itself.
    #[error("an authority can't hand a child over to itself")]
    ToItself,
    /// No such ledger.
    #[error("authority {0} holds no transfer {1}")]
    UnknownTransfer(AuthorityCode, TransferId),
    /// The input is not JSON.
    #[error("the input: {0}")]
    Input(#[from] DecodeError),
    /// The body lacks something.
    #[error("the input: {0}; `office example {1}` shows what is needed")]
    Body(ShapeError, EntryType),
    /// Receipts would not fit beside the entry.
    #[error("the texts are too long together: an entry may have {0} bytes, so that receipts fit beside it")]
    TooLong(usize),
    /// Somebody else is responsible in the ledger that a duplicate names, and has to confirm it.
    #[error(
        "this authority is not responsible at that entry of transfer {0}: a duplicate of it needs `confirmation`, the \
         signed head by the authority that is"
    )]
    Unconfirmed(TransferId),
    /// The rules don't allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// An entry can't be verified.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// A decision waits for the sequencer already, and this one would contradict it.
    #[error("your {0} has not reached the receiving authority yet; wait for it before the next decision")]
    DecisionPending(EntryType),
    /// The ledger is forked.
    #[error("transfer {0} is forked: the responsible authority starts a successor transfer")]
    Forked(TransferId),
    /// The pair has to reconcile first.
    #[error(
        "authority {0} and this one reconcile first ({1}); try again in a moment, and see `peers` in `office list`"
    )]
    NotReconciled(AuthorityCode, &'static str),
    /// Nobody asked for the case to be confirmed.
    #[error("transfer {0} does not wait for a confirmation")]
    NothingToConfirm(TransferId),
    /// The ledger is not one that a superseding offer can name.
    #[error(
        "transfer {0} can't be superseded: it must be your undecided offer, to an authority that the directory lists as unavailable"
    )]
    CannotSupersede(TransferId),
    /// The ledger is not one that a successor transfer can name.
    #[error("transfer {0} has no successor of authority {1}: it must be forked, and the child yours")]
    CannotSucceed(TransferId, AuthorityCode),
    /// The offer's link names a ledger that doesn't allow it.
    #[error(
        "transfer {0} can't be followed by an offer of authority {1}: it must be closed without acceptance and yours, or accepted by you"
    )]
    CannotFollow(TransferId, AuthorityCode),
    /// No refused letter has this id.
    #[error("no refused letter has the id {0}; `office list` shows them under `refused`")]
    UnknownLetter(EntryId),
    /// No message to an escalation contact that is still to be sent has this id.
    #[error("no message that is not sent has the id {0}; `office escalations` shows them")]
    UnknownMessage(uuid::Uuid),
    /// A delivery can't be given up.
    #[error("the entry {0} is in the ledger: it can only be delivered; use --retry")]
    InTheLedger(EntryId),
    /// The same child is offered already.
    #[error("the child is offered already, in transfer {0}: wait for its decision or withdraw it")]
    OfferedAlready(TransferId),
    /// The embedded onward accept does not prove the move.
    #[error("the onward transfer {0} is not accepted yet, or is not of this child's responsibility")]
    NotMovedOn(TransferId),
    /// An authority can't tell itself a notice.
    #[error("an authority can't tell itself a notice")]
    NoticeToItself,
    /// The other authority's server takes no notices.
    #[error("authority {0} takes no notices by this protocol: telephone or write to its team ({1})")]
    NoNotices(AuthorityCode, String),
    /// The notice's body lacks something, or tells what it must not.
    #[error("the input: {0}; `office notice example {1}` shows what is needed")]
    NoticeBody(ShapeError, NoticeKind),
    /// No such notice.
    #[error("authority {0} holds no notice {1} for this; see `office notice list`")]
    UnknownNotice(AuthorityCode, NoticeId),
    /// One acknowledgement is all that a notice has.
    #[error("notice {0} is acknowledged already")]
    AcknowledgedAlready(NoticeId),
    /// More would tell where a restricted child is.
    #[error(
        "notice {0} is about a child whose whereabouts must not be found out: it is acknowledged as `read` only"
    )]
    OnlyRead(NoticeId),
    /// Nothing about the notice was refused for good.
    #[error("nothing about notice {0} was refused for good; see `office notice list`")]
    NoRefusedNotice(NoticeId),
    /// An authority can't ask itself.
    #[error("an authority can't ask itself; `register match` looks into its own register")]
    QueryToItself,
    /// The other authority's server answers no queries.
    #[error("authority {0} answers no queries by this protocol: telephone or write to its team ({1})")]
    NoQueries(AuthorityCode, String),
    /// The other authority's server keeps no standing queries.
    #[error("authority {0} keeps no standing queries: ask it without --standing-days, and again later")]
    NoStanding(AuthorityCode),
    /// Nobody of a selection can be asked.
    #[error("none of these authorities can be asked by this protocol: see `directory show`")]
    NobodyToAsk,
    /// No region has that name or code.
    #[error("no region of England has that name or code; the regions are {0}")]
    UnknownRegion(String),
    /// An arrival is told to one authority only.
    #[error(
        "a query with the purpose `{0}` goes to one authority and doesn't stand: it tells where the child is now"
    )]
    ArrivalAskedWidely(QueryPurpose),
    /// A broadcast is decided by two officers, anything else by one.
    #[error(
        "a broadcast is decided by two officers with different ids (--officer, --second-officer), a query to one authority by one"
    )]
    TwoOfficers,
    /// So many laws that the other end would not read it.
    #[error("name one to eight legal bases (--legal-basis)")]
    LegalBases,
    /// Too many authorities would be asked without a broadcast.
    #[error(
        "{0} authorities have been asked about this child within 24 hours: ask more by a broadcast, which two officers decide (`office query broadcast`)"
    )]
    AskByBroadcast(usize),
    /// The child of a query lacks something, or tells what it must not.
    #[error("the input: {0}; `office query example` shows what can be asked with")]
    QueryBody(ShapeError),
    /// No such query or broadcast.
    #[error("authority {0} has asked nothing under {1}; see `office query list`")]
    UnknownAsking(AuthorityCode, uuid::Uuid),
    /// The authority was not asked.
    #[error("authority {0} was not asked")]
    NotAsked(AuthorityCode),
    /// Nothing stands that could be renewed.
    #[error("nothing of {0} stands any more: ask anew")]
    NothingStands(uuid::Uuid),
    /// What follows it exists already.
    #[error("{0} is renewed already, by {1}")]
    RenewedAlready(uuid::Uuid, uuid::Uuid),
    /// Nothing about it was refused for good.
    #[error("nothing about {0} was refused for good; see `office query show`")]
    NoRefusedQuery(uuid::Uuid),
    /// Only an authority that knows the child can be offered it from an answer.
    #[error("authority {0} has not answered that it knows the child; see `office query show`")]
    NotKnownThere(AuthorityCode),
    /// The child is here already.
    #[error(
        "the child is in your area, so authority {0} hands the child over to you: ring its team ({1}) and ask for its offer"
    )]
    TheyOffer(AuthorityCode, String),
    /// The query's body is gone.
    #[error(
        "the child of this query is erased: write the whole offer (`office example offer`) and use `office offer`"
    )]
    ChildErased,
    /// The child was offered already because of this query.
    #[error("query {0} has led to transfer {1} already; see `office show`")]
    LedTo(QueryId, TransferId),
    /// A child is offered by whoever has the case.
    #[error(
        "authority {0} looks for a missing child whose case is its own: it offers the child to whoever knows the child"
    )]
    AskerOffers(AuthorityCode),
    /// A person has to answer before the child is offered.
    #[error("query {0} waits for your answer: say first whether the child is known (`office answer known`)")]
    AnswerFirst(QueryId),
    /// An offer would tell what no answer told.
    #[error("query {0} was not answered `known`, so no child is offered from it; see `office answer show`")]
    NotToldKnown(QueryId),
    /// The child may be told of no more.
    #[error(
        "the child whom query {0} means is shielded: take the shield away first (`register unshield`), or decide the whole offer yourself (`office offer`)"
    )]
    ChildShielded(QueryId),
    /// No such query.
    #[error("authority {0} was not put a query {1}; see `office answer list`")]
    UnknownQuery(AuthorityCode, QueryId),
    /// Two authorities have used one id.
    #[error("several authorities have put a query {0}: say which with --from CODE")]
    WhichAsker(QueryId),
    /// Another officer was faster.
    #[error("query {0} was answered meanwhile; see `office answer show`")]
    AnsweredMeanwhile(QueryId),
    /// The same was said last.
    #[error("query {0} was answered so already; see `office answer show`")]
    SaidAlready(QueryId),
    /// Nobody waits for an answer any more.
    #[error("query {0} stands no longer: nothing more is said to it")]
    StandsNoLonger(QueryId),
    /// A query is referred to a third authority.
    #[error("a query is referred to another authority than the one that asks and your own")]
    ReferredToParty,
    /// Nobody needs an answer any more.
    #[error("query {0} was withdrawn: its author needs no more answers")]
    QueryWithdrawn(QueryId),
    /// No match that may be told.
    #[error("query {0} has no match that can be told so; see `office answer show`")]
    NoMatch(QueryId),
    /// Several children may be the one.
    #[error("several children may be the one that query {0} asks for: say which with --child NUMBER")]
    WhichChild(QueryId),
    /// The answer may not follow those before it.
    #[error("{0}")]
    AnswerNotAllowed(AnswerFault),
    /// Nothing about the query was refused for good.
    #[error("no answer to query {0} was refused for good; see `office answer list`")]
    NoRefusedAnswer(QueryId),
    /// Nobody holds the role for restricted children.
    #[error("name those who hold the role for restricted children, in `ids` of [queries.restricted_officer]")]
    NoRestrictedOfficer,
    /// The officer does not hold the role.
    #[error("only the {0} may see this; see [queries.restricted_officer]")]
    NotRestrictedOfficer(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No directory.
    #[error("no directory issue is held")]
    NoDirectory,
}
