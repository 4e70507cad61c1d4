//! The directory: who the authorities are, where they answer, which keys and certificates are theirs, and
//! the clocks they agreed on. A signed JSON document in numbered, chained issues.

mod check;
mod keys;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use self::check::DirectoryError;
pub use self::keys::{KeyError, KeyStanding};
use crate::canonical::Json;
use crate::codes::ClockClass;
use crate::digest::Digest;
use crate::envelope::{Document, Envelope, Signed};
use crate::ids::{AuthorityCode, GssCode, text as strict};
use crate::instant::Instant;
use crate::signature::{KeyId, PublicKey};

/// The `format` of a directory document.
pub const FORMAT: &str = "cme-directory/1";

/// One issue of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// `cme-directory/1`.
    pub format: String,
    /// Number of this issue, from 1.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub issue: u64,
    /// Digest of the issue before; null for the first.
    #[serde(deserialize_with = "crate::text::present_or_null")]
    #[schema(required)]
    pub previous: Option<Digest>,
    /// When this issue was signed.
    pub issued_at: Instant,
    /// Until when it is to be used without a newer one.
    pub expires_at: Instant,
    /// Days after expiry in which existing peers go on.
    #[schema(maximum = 366)]
    pub grace_days: u16,
    /// Everyone, ended authorities too.
    pub authorities: Vec<Authority>,
    /// The agreed clocks and limits.
    pub policy: Policy,
    /// Who decides when two authorities can't.
    pub arbiter: Contact,
    /// Keys that may sign the next issue.
    pub root_keys: Vec<PublicKey>,
}

impl Document for Directory {
    const MEMBER: &'static str = "directory";
    const TYP: &'static str = "cme-directory";
}

/// One authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// Three-digit DfE code.
    pub code: AuthorityCode,
    /// ONS code; it can change under a stable DfE code.
    pub gss: GssCode,
    /// Name, for people.
    pub name: String,
    /// First day.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// Last day, once it is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::deserialize_date_option"
    )]
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_to: Option<Date>,
    /// Who follows it once it has ended; exactly one is residuary. Left out while it goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::text::list_or_null")]
    pub successors: Vec<Successor>,
    /// Who runs its server: the council, a shared service or a vendor.
    pub operator: String,
    /// Where its server answers; absent for a contact-only entry. Paths of this protocol are added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^https://", example = "https://cme.council.example/373")]
    pub base_url: Option<String>,
    /// SPKI SHA-256 digests of the certificates its server shows.
    #[serde(default)]
    #[schema(required)]
    pub server_pins: Vec<Digest>,
    /// SPKI SHA-256 digests of the certificates it calls with; each belongs to one authority only.
    #[serde(default)]
    #[schema(required)]
    pub client_pins: Vec<Digest>,
    /// Signing keys, old ones too.
    #[serde(default)]
    #[schema(required)]
    pub keys: Vec<Key>,
    /// The team that handles children missing education.
    pub team: Contact,
    /// Who is told when a clock runs out.
    pub escalation: Contact,
    /// Profiles it takes part in.
    #[serde(default)]
    #[schema(required)]
    pub profiles: Vec<String>,
    /// Whether it answers.
    pub availability: Availability,
}

impl Authority {
    /// Holds when the authority exists on that day.
    pub fn is_live_on(&self, day: Date) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
}

/// An authority that follows another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Successor {
    /// Its code.
    pub code: AuthorityCode,
    /// Whether it inherits every ledger and signing right.
    pub residuary: bool,
}

/// Whether an authority answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    /// It answers.
    Available,
    /// It is down for long; offers to it may be superseded.
    Unavailable,
    /// It is not connected: telephone or write.
    ContactOnly,
}

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The key's name.
    pub kid: KeyId,
    /// The key.
    pub public_key: PublicKey,
    /// From when it may sign.
    pub valid_from: Instant,
    /// From when it no longer signs; what it signed before stays good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Instant>,
    /// From when it may be in other hands; what it signed before counts only if the other party's receipt is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Instant>,
}

/// How to reach people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// A team or a role.
    pub name: String,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
}

/// Working days for each clock class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassDays {
    /// Days in the standard class.
    #[schema(minimum = 1, maximum = 250)]
    pub standard: u16,
    /// Days in the urgent class.
    #[schema(minimum = 1, maximum = 250)]
    pub urgent: u16,
}

impl ClassDays {
    /// The days of that class.
    pub const fn of(&self, class: ClockClass) -> u16 {
        match class {
            ClockClass::Standard => self.standard,
            ClockClass::Urgent => self.urgent,
        }
    }
}

/// The clocks the authorities agreed on. They are policy of the network, not law.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// From the offer to its acknowledgement.
    pub acknowledge_working_days: ClassDays,
    /// From the offer, or the contest, to the decision.
    pub decide_working_days: ClassDays,
    /// From one sign of work on an accepted case to the next.
    #[schema(minimum = 1, maximum = 250)]
    pub review_working_days: u16,
    /// For the originating authority to act after decline, uphold, redirect or withdraw.
    #[serde(rename = "originActWorkingDays")]
    #[schema(minimum = 1, maximum = 250)]
    pub origin_act_working_days: u16,
    /// How far `createdAt` may lie ahead of the receiving server's clock, in seconds.
    #[schema(maximum = 86_400)]
    pub clock_skew_seconds_max: u32,
    /// Bank holidays of England and Wales.
    #[serde(deserialize_with = "strict::deserialize_dates")]
    #[schema(value_type = Vec<String>)]
    pub bank_holidays: Vec<Date>,
    /// The last day up to which the bank holidays are known; no deadline is computed past it.
    #[serde(deserialize_with = "strict::deserialize_date")]
    #[schema(value_type = String, format = Date)]
    pub holidays_through: Date,
}

impl Policy {
    /// The agreed defaults with the given bank holidays.
    pub fn standard(bank_holidays: Vec<Date>, holidays_through: Date) -> Self {
        Self {
            acknowledge_working_days: ClassDays { standard: 5, urgent: 1 },
            decide_working_days: ClassDays { standard: 10, urgent: 3 },
            review_working_days: 20,
            origin_act_working_days: 5,
            clock_skew_seconds_max: 300,
            bank_holidays,
            holidays_through,
        }
    }
}

/// Whether an issue may still be worked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Not expired.
    Current,
    /// Expired, within the days of grace: everything goes on.
    Grace,
    /// Past the days of grace: existing ledgers go on, new peers are refused.
    Stale,
}

impl Directory {
    /// The authority of that code.
    pub fn authority(&self, code: AuthorityCode) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.code == code)
    }

    /// The authority that calls with a certificate of that SPKI digest. Implements: TRN-003
    pub fn caller(&self, pin: &Digest) -> Option<AuthorityCode> {
        let owner = self.authorities.iter().find(|authority| authority.client_pins.contains(pin));
        owner.map(|authority| authority.code)
    }

    /// Holds when the authority exists on the London day of `at`: the day on which an offer by or to it is
    /// first received. Implements: DIR-011
    pub fn is_live(&self, code: AuthorityCode, at: Instant) -> bool {
        let day = crate::working_days::london_date(at.timestamp());
        self.authority(code).is_some_and(|authority| authority.is_live_on(day))
    }

    /// Holds when `caller` is the party, or follows it as its residuary successor. Implements: DIR-010
    pub fn acts_for(&self, caller: AuthorityCode, party: AuthorityCode) -> bool {
        self.line(party).any(|authority| authority.code == caller)
    }

    /// The authority that answers for `party` today: itself, or the last residuary successor.
    pub fn answering(&self, party: AuthorityCode) -> Option<&Authority> {
        self.line(party).last()
    }

    /// The authority and its residuary successors, in order. Ends also when the data forms a ring.
    fn line(&self, party: AuthorityCode) -> impl Iterator<Item = &Authority> {
        let mut next = self.authority(party);
        let mut left = self.authorities.len();
        std::iter::from_fn(move || {
            let current = next.filter(|_| left > 0)?;
            left -= 1;
            let residuary = current.successors.iter().find(|successor| successor.residuary);
            next = residuary.and_then(|successor| self.authority(successor.code));
            Some(current)
        })
    }

    /// Whether a time that a peer tells lies further ahead than clocks may differ. Implements: RCP-010
    pub fn is_too_far_ahead(&self, told: Instant, now: Instant) -> bool {
        told > now.plus_seconds(i64::from(self.policy.clock_skew_seconds_max))
    }

    /// Whether the issue may be worked by at `now`.
    pub fn freshness(&self, now: Instant) -> Freshness {
        if now <= self.expires_at {
            Freshness::Current
        } else if now <= self.expires_at.plus_seconds(i64::from(self.grace_days) * 86_400) {
            Freshness::Grace
        } else {
            Freshness::Stale
        }
    }
}

/// Issues by number: what a verifier and a server keep.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    issues: BTreeMap<u64, Signed<Directory>>,
}

impl Archive {
    /// Starts with an issue that is trusted: its root key was compared by a person.
    ///
    /// Any issue can be the first one held; the ones before it are not needed to work. Implements: DIR-007
    pub fn start(json: &Json, root: Option<&PublicKey>) -> Result<Self, DirectoryError> {
        let issue = check::trusted(json, root)?;
        Ok(Self { issues: BTreeMap::from([(issue.content().issue, issue)]) })
    }

    /// Adds the issue that follows the newest. Implements: DIR-005, DIR-006
    ///
    /// An issue that is already held changes nothing; an older or forked one is refused.
    pub fn add(&mut self, json: &Json) -> Result<bool, DirectoryError> {
        let envelope: Envelope<Directory> = Envelope::read(json)?;
        let number = envelope.content().issue;
        if let Some(held) = self.issues.get(&number) {
            if held.envelope().digest() == envelope.digest() {
                return Ok(false);
            }
            let before = number.checked_sub(1).and_then(|before| self.issues.get(&before)).unwrap_or(held);
            check::signed_by_root(before.content(), envelope)?;
            return Err(DirectoryError::Forked { issue: number });
        }
        let newest = self.newest().ok_or(DirectoryError::Empty)?;
        let issue = check::following(newest, envelope)?;
        self.issues.insert(number, issue);
        Ok(true)
    }

    /// The newest issue.
    pub fn newest(&self) -> Option<&Signed<Directory>> {
        self.issues.last_key_value().map(|(_, issue)| issue)
    }

    /// The issue of that number.
    pub fn issue(&self, number: u64) -> Option<&Directory> {
        self.issues.get(&number).map(Signed::content)
    }
}
