//! What is told: a small document without personal data, and the same for people to read.

use cme_spec::codes::QueryPurpose;
use cme_spec::directory::Directory;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::{EntryId, Instant, QueryId, TransferId};
use cme_spec::ledger::due::Clock;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One message, as a webhook takes it. Stored as it is sent, so that each attempt is the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// Names the message; the same at each attempt.
    pub id: Uuid,
    /// What it is about.
    #[serde(flatten)]
    pub matter: Matter,
    /// Who is told.
    pub to: Recipient,
    /// The authority whose server tells.
    pub authority: Named,
    /// The transfer or query; absent in a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// When the server noted it.
    pub noted_at: Instant,
    /// The command that shows more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<String>,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "matter", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Matter {
    /// A clock has run out.
    Overdue {
        /// Which.
        clock: Clock,
        /// Its last day, in London.
        due_on: Date,
        /// Whose turn it is.
        turn: AuthorityCode,
        /// Which reminder this is; 0 for the first word.
        reminder: u32,
    },
    /// A decline was upheld: the originating authority stays responsible.
    Upheld,
    /// The sequencer signed two entries for one place.
    Forked,
    /// The peer refused a letter for good.
    LetterRefused {
        /// The entry or decision.
        letter: EntryId,
        /// Name of the problem.
        problem: String,
    },
    /// A delivery of the peer was refused here.
    DeliveryRefused {
        /// The entry's place.
        sequence: u64,
        /// Name of the problem.
        problem: String,
    },
    /// A person has to say whether a child who may be the one is.
    PossibleMatch,
    /// A child who was added or changed matches a query that stands.
    StandingMatch,
    /// Several authorities ask about one child.
    AskedByMany {
        /// How many within 30 days.
        authorities: usize,
    },
    /// A shielded child matches a query, which was answered as for a child who is not known.
    ShieldedMatch {
        /// Why the other authority asks, as it says.
        purpose: QueryPurpose,
    },
    /// A shielded child who was added or changed matches a query that stands.
    ShieldedStandingMatch,
    /// Several authorities ask about one shielded child.
    ShieldedAskedByMany {
        /// How many within 30 days.
        authorities: usize,
    },
    /// An operator tries the channels.
    Test,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipient {
    /// The escalation contact of the authority.
    Contact,
    /// The arbiter that the directory names.
    Arbiter,
    /// The officer who looks at queries.
    Officer,
    /// The officer for restricted children.
    RestrictedOfficer,
}

impl Recipient {
    /// The code, as in a list.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Arbiter => "arbiter",
            Self::Officer => "officer",
            Self::RestrictedOfficer => "restricted-officer",
        }
    }
}

/// An authority with its name, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// DfE code.
    pub code: AuthorityCode,
    /// Name.
    pub name: String,
}

impl Named {
    /// As the directory has it.
    pub fn of(directory: &Directory, code: AuthorityCode) -> Self {
        let record = directory.authority(code);
        Self { code, name: record.map_or_else(|| "authority".to_owned(), |record| record.name.clone()) }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.code)
    }
}

/// The transfer or query that a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// The query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryId>,
    /// The other party of the transfer, or who asks.
    pub peer: Named,
}

impl Word {
    /// One line.
    pub fn subject(&self) -> String {
        let what = match &self.matter {
            Matter::Overdue { clock, due_on, reminder: 0, .. } => {
                format!("overdue since {due_on}: {}", clock.code())
            }
            Matter::Overdue { clock, due_on, .. } => {
                format!("still overdue since {due_on}: {}", clock.code())
            }
            Matter::Upheld => "a decline was upheld".to_owned(),
            Matter::Forked => "a transfer is forked".to_owned(),
            Matter::LetterRefused { .. } => "an entry was refused for good".to_owned(),
            Matter::DeliveryRefused { .. } => "a delivery was refused here".to_owned(),
            Matter::PossibleMatch => "a query waits for your answer".to_owned(),
            Matter::StandingMatch => "a standing query has a match".to_owned(),
            Matter::AskedByMany { authorities } | Matter::ShieldedAskedByMany { authorities } => {
                format!("{authorities} authorities ask about one child")
            }
            Matter::ShieldedMatch { .. } | Matter::ShieldedStandingMatch => {
                "a query that you have to see".to_owned()
            }
            Matter::Test => return format!("CME: test message of {}", self.authority),
        };
        let with = self.about.as_ref().map_or_else(String::new, |about| {
            let relation = if about.query.is_some() { "by" } else { "with" };
            format!(", {relation} {}", about.peer)
        });
        format!("CME: {what}{with}")
    }

    /// All of it, for people.
    pub fn text(&self) -> String {
        let facts: Vec<_> = self.facts().iter().map(|(name, fact)| format!("{name:<13}{fact}")).collect();
        let facts = facts.join("\n");
        format!(
            "To the {} of {}.\n\n{}\n\n{facts}\n\n{}\n\
             It names no child, and neither should an answer by e-mail.\n",
            self.addressee(),
            self.authority,
            self.happened(),
            self.consequence()
        )
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(About { transfer, query, peer }) = &self.about {
            facts.extend(transfer.iter().map(|transfer| ("Transfer:", transfer.to_string())));
            facts.extend(query.iter().map(|query| ("Query:", query.to_string())));
            let who = if query.is_some() { "Asked by:" } else { "Other party:" };
            facts.push((who, peer.to_string()));
        }
        match &self.matter {
            Matter::Overdue { clock, due_on, turn, .. } => facts.extend([
                ("Clock:", clock.code().to_owned()),
                ("Last day:", due_on.to_string()),
                ("Whose turn:", self.party(*turn)),
            ]),
            Matter::LetterRefused { letter, problem } => {
                facts.extend([("Entry:", letter.to_string()), ("Refused as:", problem.clone())]);
            }
            Matter::DeliveryRefused { sequence, problem } => {
                facts.extend([("Sequence:", sequence.to_string()), ("Refused as:", problem.clone())]);
            }
            Matter::AskedByMany { authorities } | Matter::ShieldedAskedByMany { authorities } => {
                facts.push(("Authorities:", format!("{authorities} within 30 days")));
            }
            Matter::ShieldedMatch { purpose } => facts.push(("Purpose:", purpose.code().to_owned())),
            Matter::Upheld
            | Matter::Forked
            | Matter::PossibleMatch
            | Matter::StandingMatch
            | Matter::ShieldedStandingMatch
            | Matter::Test => {}
        }
        facts.extend(self.look.clone().map(|look| ("Look at it:", look)));
        facts.extend([("Noted:", self.noted_at.to_string()), ("Message:", self.id.to_string())]);
        facts
    }

    const fn addressee(&self) -> &'static str {
        match self.to {
            Recipient::Contact => "escalation contact",
            Recipient::Arbiter => "arbiter, on behalf",
            Recipient::Officer => "officer who answers queries",
            Recipient::RestrictedOfficer => "officer for restricted children",
        }
    }

    fn happened(&self) -> &'static str {
        match (&self.matter, self.to) {
            (Matter::Overdue { reminder: 0, .. }, _) => "A clock has run out.",
            (Matter::Overdue { .. }, _) => "A clock that ran out is still not met.",
            (Matter::Upheld, Recipient::Contact | Recipient::Officer | Recipient::RestrictedOfficer) => {
                "A decline was upheld after it was contested. The originating authority stays responsible for the \
                 child.\nRing the other authority's escalation contact and the arbiter; the directory names them."
            }
            (Matter::Upheld, Recipient::Arbiter) => {
                "Two authorities disagree on who acts for a child: a decline was upheld after it was contested.\n\
                 The originating authority stays responsible meanwhile. Ring both; the directory names their \
                 escalation contacts."
            }
            (Matter::Forked, _) => {
                "A transfer is forked: two entries of one place carry the receiving authority's signature, most \
                 likely after a restore.\nIt takes no more entries. Ring the other authority."
            }
            (Matter::LetterRefused { .. }, _) => {
                "The other authority's server refused an entry for good, or the transfer moved on before it came. \
                 An officer has to decide what becomes of it."
            }
            (Matter::DeliveryRefused { .. }, _) => {
                "A delivery of the other authority could not be taken here. The transfer stands still until somebody \
                 looks."
            }
            (Matter::PossibleMatch, _) => {
                "Another authority looks for a child who may be one that you know. It was told that a person will look."
            }
            (Matter::StandingMatch, _) => {
                "A child of your register may be the one that another authority looks for. It is told nothing until you \
                 release that. Make sure first that there is no reason to be silent."
            }
            (Matter::AskedByMany { .. } | Matter::ShieldedAskedByMany { .. }, _) => {
                "Several authorities have asked about one child of your register."
            }
            (Matter::ShieldedMatch { .. }, _) => {
                "Another authority asked about a child whose whereabouts must not be found out. It was answered as for \
                 a child who is not known. Judge who asks, and why; do not ask there."
            }
            (Matter::ShieldedStandingMatch, _) => {
                "Another authority looks for a child who may be one whose whereabouts must not be found out. It is told \
                 nothing."
            }
            (Matter::Test, _) => "An operator tries whether this message arrives. There is nothing to do.",
        }
    }

    const fn consequence(&self) -> &'static str {
        match self.matter {
            Matter::PossibleMatch
            | Matter::StandingMatch
            | Matter::AskedByMany { .. }
            | Matter::ShieldedMatch { .. }
            | Matter::ShieldedStandingMatch
            | Matter::ShieldedAskedByMany { .. } => "The asking authority is not told of this message.",
            _ => {
                "This message changes nothing: the transfer stands where it stood, and so does who is responsible."
            }
        }
    }

    /// The name of a party of the transfer.
    fn party(&self, code: AuthorityCode) -> String {
        let peer = self.about.as_ref().map(|about| &about.peer).filter(|peer| peer.code == code);
        let known = peer.or_else(|| Some(&self.authority).filter(|authority| authority.code == code));
        known.map_or_else(|| code.to_string(), Named::to_string)
    }
}
