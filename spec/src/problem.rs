//! Every refusal of the protocol, in one table (RFC 9457).
//!
//! Both directions come from it: the server's answer, and what a client that receives it does next. A
//! problem that is not in the table is not a refusal of this protocol, whatever its status: a proxy's page
//! must never make an authority give up an entry.

use serde::{Deserialize, Serialize};

use crate::entry::HeadRef;
use crate::ledger::Stage;

/// What a problem type's URI begins with.
pub const TYPE_PREFIX: &str = "urn:cme:problem:v1:";

/// Media type of a problem document (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What the sender does after a problem: the class in the text's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextStep {
    /// Nothing more: the entry becomes a dead letter with an owner.
    Final,
    /// Fetch the ledger; its author decides anew on it, or a dead letter is made.
    DecideAgain,
    /// Fetch what it lacks and store it, then send again or deliver what the peer lacks.
    Pull,
    /// Read again from the start: the cursor is worth nothing any more.
    Restart,
    /// Send the same bytes again, later, for ever.
    Retry,
}

macro_rules! problem_table {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:literal $next:ident $title:literal;)+) => {
        /// A registered problem type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemType { $($(#[$doc])* $variant),+ }

        impl ProblemType {
            /// Every registered type, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, unique in this version.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status that it is sent with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// What the sender does next.
            pub const fn next_step(self) -> NextStep {
                match self { $(Self::$variant => NextStep::$next),+ }
            }

            /// One sentence for people; always the same for a type.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

problem_table! {
    /// The bytes are not strict JSON of the expected shape.
    Malformed "malformed" 400 Final "The body is not strict JSON of the expected shape.";
    /// The body is larger than the limit.
    TooLarge "too-large" 413 Final "The body is larger than the limit.";
    /// A limit on nesting, strings, lists or members is exceeded.
    LimitExceeded "limit-exceeded" 400 Final "The body exceeds a limit on nesting, strings, lists or members.";
    /// The request does not say that it sends JSON.
    MediaType "media-type" 415 Final "The request's media type is not application/json.";
    /// Path and header disagree.
    PathMismatch "path-mismatch" 422 Final "The path names another transfer or sequence than the header.";
    /// The certificate's key is pinned to no authority.
    PeerUnknown "peer-unknown" 403 Retry "The client certificate is pinned to no authority of the directory.";
    /// The caller, or the author, is not a party.
    NotAParty "not-a-party" 403 Final "The caller and the hosted authority are not the parties of this entry.";
    /// The authority in the URL is not hosted here.
    HostedUnknown "hosted-unknown" 404 Retry "The authority is not hosted here.";
    /// An entry type of no version known here.
    TypeUnknown "type-unknown" 422 Final "The entry's type is not known in this version.";
    /// A protocol version that is not supported.
    ProtocolUnsupported "protocol-unsupported" 422 Final "The entry's protocol version is not supported.";
    /// An entry sent without its body.
    BodyMissing "body-missing" 422 Final "The entry's body is missing.";
    /// The body is not the one that was signed.
    BodyDigestMismatch "body-digest-mismatch" 422 Final "The body does not have the digest that the header names.";
    /// The body lacks a member of its type.
    BodyInvalid "body-invalid" 422 Final "The body is not of the form of its type.";
    /// The signature does not hold.
    SignatureInvalid "signature-invalid" 422 Final "The signature does not hold.";
    /// The author has no such key in the directory held here.
    KeyUnknown "key-unknown" 422 Retry "The directory held here has no such key for the author.";
    /// The key was not valid at receipt.
    KeyNotValid "key-not-valid" 422 Retry "The key is not valid at this time.";
    /// The id belongs to another decision.
    IdReused "id-reused" 409 Final "The entry id was used before for another decision.";
    /// Another entry stands at this place.
    SequenceConflict "sequence-conflict" 409 Pull "Another entry stands at this sequence.";
    /// Entries before this one are missing here.
    SequenceGap "sequence-gap" 409 Pull "Entries before this one are missing here.";
    /// The ledger is forked and takes no more entries.
    Forked "forked" 409 Pull "The ledger is forked and takes no more entries.";
    /// This party may not write this type.
    WrongAuthor "wrong-author" 422 Final "This party may not write an entry of this type.";
    /// A delivery lacks the sequencer's receipt.
    ReceiptMissing "receipt-missing" 422 Final "The sequencer's receipt is missing.";
    /// A receipt does not hold, or is for another entry.
    ReceiptInvalid "receipt-invalid" 422 Final "A receipt does not hold, or is for another entry.";
    /// The type is not allowed at this stage.
    NotAllowedInStage "not-allowed-in-stage" 422 DecideAgain "The entry's type is not allowed at the ledger's stage.";
    /// A member that the offer fixed has changed.
    HeaderChanged "header-changed" 422 Final "A header member that the offer fixed has changed.";
    /// Dated before its predecessor.
    CreatedAtOrder "created-at-order" 422 DecideAgain "createdAt is before the predecessor's.";
    /// Dated too far ahead.
    CreatedAtSkew "created-at-skew" 422 Retry "createdAt is further ahead than the allowed clock skew.";
    /// The caller's incarnation went back.
    IncarnationStale "incarnation-stale" 409 Retry "The caller's incarnation is older than one seen before.";
    /// No such ledger, or not the caller's: the same answer for both.
    LedgerUnknown "ledger-unknown" 404 Retry "There is no such ledger between the caller and this authority.";
    /// A rule on purposes, broadcasts or standing is broken.
    QueryNotAllowed "query-not-allowed" 422 Final "The query's header asks for what its purpose does not allow.";
    /// No such query between the two: the same answer for both.
    QueryUnknown "query-unknown" 404 Final "There is no such query between the caller and this authority.";
    /// The answer does not fit its query, or the answers before it.
    AnswerNotAllowed "answer-not-allowed" 422 Final "The answer does not fit its query, or may not follow the one before.";
    /// Answers before this one are missing here.
    AnswerGap "answer-gap" 409 Retry "Answers before this one are missing here.";
    /// No such notice between the two: the same answer for both.
    NoticeUnknown "notice-unknown" 404 Final "There is no such notice between the caller and this authority.";
    /// More queries than this authority allows.
    QuotaExceeded "quota-exceeded" 429 Retry "More queries than this authority allows; try again later.";
    /// The cursor is of another incarnation.
    CursorExpired "cursor-expired" 410 Restart "The cursor is of an earlier incarnation: read again from the start.";
    /// Not a cursor of this server for this caller, or a query member that is not of its form.
    CursorInvalid "cursor-invalid" 400 Restart "A query parameter is not of its form.";
    /// No such path.
    RouteUnknown "route-unknown" 404 Retry "There is no such resource.";
    /// The path does not take this method.
    MethodNotAllowed "method-not-allowed" 405 Retry "The resource does not take this method.";
    /// Too many requests.
    RateLimited "rate-limited" 429 Retry "Too many requests; try again later.";
    /// A fault of this server.
    Internal "internal" 500 Retry "The server failed; nothing was changed.";
    /// Not ready, or shutting down.
    Unavailable "unavailable" 503 Retry "The server can't answer now; try again later.";
    /// The pair reconciles first.
    PairSuspended "pair-suspended" 503 Retry "This pair of authorities reconciles first; try again later.";
}

impl ProblemType {
    /// The type URI.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.name())
    }

    /// The registered type of a URI; anything else is no refusal. Implements: DLV-006
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(TYPE_PREFIX)?;
        Self::ALL.iter().copied().find(|problem| problem.name() == name)
    }
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// URN of a registered problem type.
    #[serde(rename = "type")]
    #[schema(
        pattern = "^urn:cme:problem:v[0-9]+:[a-z-]+$",
        example = "urn:cme:problem:v1:sequence-conflict"
    )]
    pub kind: String,
    /// One sentence, always the same for a type.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened here, without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// RFC 6901 pointer to the member at fault, never its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The ledger's newest entry here; null when no such ledger is held.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present_or_null")]
    #[schema(value_type = Option<HeadRef>)]
    pub head: Option<Option<HeadRef>>,
    /// Where the ledger stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub limit: Option<u64>,
}

/// Tells an absent `head` from one that is null.
mod present_or_null {
    use super::HeadRef;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::option_option,
        clippy::ref_option,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(super) fn serialize<S: Serializer>(
        head: &Option<Option<HeadRef>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        head.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "absent and null mean different things here")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<HeadRef>>, D::Error> {
        Option::<HeadRef>::deserialize(deserializer).map(Some)
    }
}

impl Problem {
    /// A problem of a registered type.
    pub fn new(kind: ProblemType) -> Self {
        Self {
            kind: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: None,
            pointer: None,
            head: None,
            stage: None,
            limit: None,
        }
    }

    /// The registered type, if it is one.
    pub fn registered(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.kind)
    }

    /// With a sentence on what happened. It must not hold personal data.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With a pointer to the member at fault.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// With the head held here, or the word that there is no ledger.
    #[must_use]
    pub fn head(mut self, head: Option<HeadRef>) -> Self {
        self.head = Some(head);
        self
    }

    /// With the ledger's stage.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    /// With the limit.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = u64::try_from(limit).ok();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_type_has_one_name_and_finds_itself_again() {
        let names: BTreeSet<_> = ProblemType::ALL.iter().map(|problem| problem.name()).collect();
        assert_eq!(names.len(), ProblemType::ALL.len());
        for problem in ProblemType::ALL {
            assert_eq!(ProblemType::from_uri(&problem.uri()), Some(*problem));
        }
        assert_eq!(ProblemType::from_uri("about:blank"), None);
        assert_eq!(ProblemType::from_uri("urn:cme:problem:v1:nonsense"), None);
    }

    #[test]
    fn a_null_head_is_told_from_an_absent_one() {
        let absent = Problem::new(ProblemType::Malformed);
        let null = Problem::new(ProblemType::SequenceGap).head(None);
        let absent_text = serde_json::to_string(&absent).unwrap();
        let null_text = serde_json::to_string(&null).unwrap();
        assert!(!absent_text.contains("head"));
        assert!(null_text.contains(r#""head":null"#));
        assert_eq!(serde_json::from_str::<Problem>(&absent_text).unwrap(), absent);
        assert_eq!(serde_json::from_str::<Problem>(&null_text).unwrap(), null);
    }

    #[test]
    fn the_table_is_the_one_of_the_text() {
        let text = include_str!("../text/09-transport.md");
        let written: BTreeSet<(String, u16, String)> = text
            .lines()
            .filter_map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                let [name, status, _, class] = cells[..] else { return None };
                Some((name.trim_matches('`').to_owned(), status.parse().ok()?, class.replace(' ', "-")))
            })
            .collect();
        let coded = ProblemType::ALL.iter().map(|problem| {
            let class = serde_json::to_value(problem.next_step()).unwrap();
            (problem.name().to_owned(), problem.status(), class.as_str().unwrap().to_owned())
        });
        assert_eq!(coded.collect::<BTreeSet<_>>(), written);
    }

    #[test]
    fn no_server_fault_or_overload_is_final() {
        for problem in
            ProblemType::ALL.iter().filter(|problem| problem.status() >= 500 || problem.status() == 429)
        {
            assert_eq!(problem.next_step(), NextStep::Retry, "{problem:?}");
        }
    }
}
