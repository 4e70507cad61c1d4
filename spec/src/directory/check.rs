//! What makes an issue acceptable: alone, and after the one before it.

use std::collections::BTreeSet;

use super::{Authority, Availability, Directory, FORMAT, Key};
use crate::canonical::{Json, ShapeError};
use crate::envelope::{Envelope, Signed};
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::signature::{KeyId, PublicKey};

/// Why a directory issue is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A member is missing or not of its form.
    #[error("not a directory: {0}")]
    Shape(#[from] ShapeError),
    /// `format` is not the one this version reads.
    #[error("not a directory of format {FORMAT}")]
    Format,
    /// No issue is held to which this one could be added.
    #[error("no issue is held yet")]
    Empty,
    /// The signature is not by a root key that is trusted.
    #[error("the directory's signature does not hold under a trusted root key")]
    Signature,
    /// Older than the issue that is held.
    #[error("issue {issue} is older than the one held ({held})")]
    Older {
        /// The number offered.
        issue: u64,
        /// The number held.
        held: u64,
    },
    /// Another issue with a number that is held already: the directory was signed twice.
    #[error("a different issue {issue} is already held")]
    Forked {
        /// The number.
        issue: u64,
    },
    /// An issue in between is missing.
    #[error("issue {issue} does not follow issue {held}: get the issues between them first")]
    Gap {
        /// The number offered.
        issue: u64,
        /// The number held.
        held: u64,
    },
    /// `previous` is not the digest of the issue held.
    #[error("issue {issue} does not name the issue before it")]
    Chain {
        /// The number offered.
        issue: u64,
    },
    /// `expiresAt` is not after `issuedAt`, or `issuedAt` is before the previous issue's.
    #[error("issuedAt and expiresAt are not in order")]
    Times,
    /// No root key is named, so no issue could follow.
    #[error("no root key")]
    NoRootKey,
    /// An authority stands twice.
    #[error("authority {0} stands twice")]
    AuthorityTwice(AuthorityCode),
    /// An authority or a key that the issue before had is gone.
    #[error("authority {0} or one of its keys was removed; they are only ever ended, retired or revoked")]
    Removed(AuthorityCode),
    /// A key changed, or a retirement, revocation or end was taken back.
    #[error("a key or end of authority {0} changed in a way that is not allowed")]
    Rewritten(AuthorityCode),
    /// A key's name is not its thumbprint, or one name stands for two authorities.
    #[error("a key of authority {0} is not named by its thumbprint, or stands twice")]
    KeyName(AuthorityCode),
    /// A client pin is claimed by two authorities, so a caller could not be told apart.
    #[error("a client pin of authority {0} is another authority's too")]
    PinShared(AuthorityCode),
    /// Ended without exactly one residuary successor that stands in the directory, or followed without an end.
    #[error("authority {0} needs an end and exactly one residuary successor in the directory, or neither")]
    Residuary(AuthorityCode),
    /// An authority that answers lacks its URL, pins or keys.
    #[error("authority {0} is connected but lacks an https base URL, a pin or a key")]
    Unreachable(AuthorityCode),
    /// A number of days is zero.
    #[error("a clock of the policy is zero")]
    Policy,
}

/// An issue that stands on its own, signed by `root` or, without one, by a root key that it names itself.
pub(super) fn trusted(json: &Json, root: Option<&PublicKey>) -> Result<Signed<Directory>, DirectoryError> {
    let envelope: Envelope<Directory> = Envelope::read(json)?;
    let keys = match root {
        Some(root) => std::slice::from_ref(root),
        None => &envelope.content().root_keys[..],
    };
    let key = named(keys, envelope.key()).ok_or(DirectoryError::Signature)?;
    let issue = envelope.verify(&key).map_err(|_| DirectoryError::Signature)?;
    stands(issue.content())?;
    Ok(issue)
}

/// The issue after `held`. Implements: DIR-001, DIR-005, DIR-006
pub(super) fn following(
    held: &Signed<Directory>,
    envelope: Envelope<Directory>,
) -> Result<Signed<Directory>, DirectoryError> {
    let (issue, before) = (envelope.content().issue, held.content());
    if issue < before.issue {
        return Err(DirectoryError::Older { issue, held: before.issue });
    }
    if issue != before.issue + 1 {
        return Err(DirectoryError::Gap { issue, held: before.issue });
    }
    let next = signed_by_root(before, envelope)?;
    if next.content().previous != Some(held.envelope().digest()) {
        return Err(DirectoryError::Chain { issue });
    }
    stands(next.content())?;
    keeps(before, next.content())?;
    Ok(next)
}

/// The issue, when one of the root keys that `before` names signed it.
pub(super) fn signed_by_root(
    before: &Directory,
    envelope: Envelope<Directory>,
) -> Result<Signed<Directory>, DirectoryError> {
    let key = named(&before.root_keys, envelope.key()).ok_or(DirectoryError::Signature)?;
    envelope.verify(&key).map_err(|_| DirectoryError::Signature)
}

fn named(keys: &[PublicKey], id: KeyId) -> Option<PublicKey> {
    keys.iter().find(|key| key.id() == id).cloned()
}

/// Rules of one issue alone. Implements: DIR-003
fn stands(issue: &Directory) -> Result<(), DirectoryError> {
    if issue.format != FORMAT {
        return Err(DirectoryError::Format);
    }
    if issue.expires_at <= issue.issued_at {
        return Err(DirectoryError::Times);
    }
    if (issue.issue == 1) != issue.previous.is_none() {
        return Err(DirectoryError::Chain { issue: issue.issue });
    }
    if issue.root_keys.is_empty() {
        return Err(DirectoryError::NoRootKey);
    }
    let policy = &issue.policy;
    let (acknowledge, decide) = (policy.acknowledge_working_days, policy.decide_working_days);
    let days = [acknowledge.standard, acknowledge.urgent, decide.standard, decide.urgent];
    if days.contains(&0) || policy.review_working_days == 0 || policy.origin_act_working_days == 0 {
        return Err(DirectoryError::Policy);
    }
    let (mut codes, mut pins, mut kids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for authority in &issue.authorities {
        let code = authority.code;
        if !codes.insert(code) {
            return Err(DirectoryError::AuthorityTwice(code));
        }
        if !authority.client_pins.iter().all(|pin| pins.insert(*pin)) {
            return Err(DirectoryError::PinShared(code));
        }
        if !authority.keys.iter().all(|key| key.kid == key.public_key.id() && kids.insert(key.kid)) {
            return Err(DirectoryError::KeyName(code));
        }
        if !is_reachable(authority) {
            return Err(DirectoryError::Unreachable(code));
        }
    }
    let unfollowed = |authority: &&Authority| {
        let residuary = authority.successors.iter().filter(|successor| successor.residuary).count();
        let known =
            authority.successors.iter().all(|next| next.code != authority.code && codes.contains(&next.code));
        let ends = authority.valid_to.is_some();
        residuary != usize::from(ends) || authority.successors.is_empty() == ends || !known
    };
    match issue.authorities.iter().find(unfollowed) {
        Some(authority) => Err(DirectoryError::Residuary(authority.code)),
        None => Ok(()),
    }
}

fn is_reachable(authority: &Authority) -> bool {
    let https =
        authority.base_url.as_ref().is_some_and(|url| url.starts_with("https://") && !url.ends_with('/'));
    let material = [authority.server_pins.len(), authority.client_pins.len(), authority.keys.len()];
    authority.availability == Availability::ContactOnly || (https && !material.contains(&0))
}

/// Rules between an issue and the next: things end, nothing vanishes. Implements: DIR-002, DIR-003
fn keeps(before: &Directory, next: &Directory) -> Result<(), DirectoryError> {
    if next.issued_at < before.issued_at {
        return Err(DirectoryError::Times);
    }
    for old in &before.authorities {
        let new = next.authority(old.code).ok_or(DirectoryError::Removed(old.code))?;
        if old.valid_to.is_some() && new.valid_to.is_none() {
            return Err(DirectoryError::Rewritten(old.code));
        }
        for key in &old.keys {
            let kept = new.keys.iter().find(|candidate| candidate.kid == key.kid);
            let kept = kept.ok_or(DirectoryError::Removed(old.code))?;
            if !only_ended(key, kept) {
                return Err(DirectoryError::Rewritten(old.code));
            }
        }
    }
    Ok(())
}

/// A retirement or revocation may be added or moved to an earlier time, never later and never taken back.
fn only_ended(old: &Key, new: &Key) -> bool {
    let kept =
        |old: Option<Instant>, new: Option<Instant>| old.is_none_or(|old| new.is_some_and(|new| new <= old));
    old.public_key == new.public_key
        && old.valid_from == new.valid_from
        && kept(old.retired_at, new.retired_at)
        && kept(old.revoked_at, new.revoked_at)
}

#[cfg(test)]
mod tests {
    use super::super::Successor;
    use super::*;
    use crate::example::{self, code};

    #[test]
    fn an_authority_ends_into_exactly_one_residuary_successor_or_goes_on_without_any() {
        let stands_with = |ends: bool, successors: &[(&str, bool)]| {
            let mut issue = example::directory();
            issue.authorities[2].valid_to = ends.then(|| jiff::civil::date(2027, 3, 31));
            issue.authorities[2].successors = successors
                .iter()
                .map(|(next, residuary)| Successor { code: code(next), residuary: *residuary })
                .collect();
            stands(&issue)
        };
        let refused = Err(DirectoryError::Residuary(code("383")));
        assert_eq!(stands_with(false, &[]), Ok(()));
        assert_eq!(stands_with(true, &[("373", true), ("330", false)]), Ok(()));
        assert_eq!(stands_with(true, &[]), refused);
        assert_eq!(stands_with(true, &[("373", true), ("330", true)]), refused);
        assert_eq!(stands_with(true, &[("383", true)]), refused);
        assert_eq!(stands_with(false, &[("373", true)]), refused);
        assert_eq!(stands_with(false, &[("373", false)]), refused);
    }

    #[test]
    fn an_authority_lives_on_its_last_london_day_and_no_longer() {
        let mut issue = example::directory();
        issue.authorities[0].valid_to = Some(jiff::civil::date(2027, 3, 31));
        let live = |at: &str| issue.is_live(code("373"), example::instant(at));
        assert!(live("2008-12-31T23:59:59Z") == live("2027-03-31T23:00:00Z"), "neither first nor last day");
        assert!(live("2009-01-01T00:00:00Z") && live("2027-03-31T22:59:59Z"), "summer time has begun");
        assert!(
            !live("2027-03-31T23:00:00Z")
                && !issue.is_live(code("301"), example::instant("2026-11-24T09:00:00Z"))
        );
    }

    #[test]
    fn dates_of_an_issue_have_one_spelling() {
        let json = example::signed_directory().to_json().into_value();
        for (place, wrong) in [
            ("/directory/authorities/0/validFrom", "20090101"),
            ("/directory/policy/holidaysThrough", "2028-12-31T00:00:00"),
            ("/directory/policy/bankHolidays/0", "20240101"),
        ] {
            let mut changed = json.clone();
            *changed.pointer_mut(place).unwrap() = serde_json::json!(wrong);
            let read = Envelope::<Directory>::read(&Json::from_typed(&changed).unwrap());
            assert!(read.is_err(), "{place}");
        }
    }

    #[test]
    fn an_end_of_a_key_moves_to_an_earlier_time_only() {
        let key = |retired: Option<&str>, revoked: Option<&str>| Key {
            retired_at: retired.map(example::instant),
            revoked_at: revoked.map(example::instant),
            ..example::directory().authorities[0].keys[0].clone()
        };
        let (early, late) = (Some("2027-01-01T00:00:00Z"), Some("2027-02-01T00:00:00Z"));
        for (old, new, kept) in [
            (None, early, true),
            (late, early, true),
            (early, early, true),
            (early, late, false),
            (early, None, false),
        ] {
            assert_eq!(only_ended(&key(old, None), &key(new, None)), kept, "retired {old:?} {new:?}");
            assert_eq!(only_ended(&key(None, old), &key(None, new)), kept, "revoked {old:?} {new:?}");
        }
    }
}
