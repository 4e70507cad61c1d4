//! What an authority knows of a peer's memory: whether the two may change the ledgers that they share.
//!
//! A server that was restored has forgotten receipts that it gave. Until it has read what its peer holds, a
//! place that it gives to a new entry may be taken already: that would be a fork. [`Pair`] keeps the peer's
//! side and ours apart; [`Pair::standing`] tells whether anything may be appended, [`difference`] what two
//! copies of a ledger lack.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::entry::HeadRef;

/// One authority's knowledge of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// Own incarnation under which this authority last held everything that the peer's heads named.
    own: u64,
    /// Highest incarnation that the peer was seen under; 0 when it was never seen.
    seen: u64,
    /// The peer's incarnation under which its heads were last read to their end.
    read: u64,
    /// How often a head of the peer contradicted an earlier one, or this authority's copy.
    doubts: u64,
    /// How many of those were settled by a later reconciliation.
    settled: u64,
}

/// Whether a pair's ledgers may be appended to, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing stands in the way.
    Level,
    /// This authority was restored and has not reconciled with the peer since.
    Restored,
    /// The peer was restored and its heads have not been read since.
    PeerRestored,
    /// A head of the peer went back, or names another header than this copy has.
    Suspended,
}

impl Standing {
    /// Whether this authority may append proposals and entries of its own, and send proposals. Deliveries are
    /// taken and sent whatever the standing.
    ///
    /// Implements: RCV-010
    pub const fn may_append(self) -> bool {
        matches!(self, Self::Level)
    }

    /// The standing's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Restored => "restored",
            Self::PeerRestored => "peer-restored",
            Self::Suspended => "suspended",
        }
    }
}

/// What an incarnation that a peer shows says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Lower than one seen before: whoever speaks has been replaced.
    Stale,
    /// As before.
    Same,
    /// Higher than before, or the first: the pair as it is known now.
    Raised(Pair),
}

impl Default for Pair {
    fn default() -> Self {
        Self { own: 1, seen: 0, read: 0, doubts: 0, settled: 0 }
    }
}

impl Pair {
    /// A pair as it was stored.
    pub const fn stored(own: u64, (seen, read): (u64, u64), (doubts, settled): (u64, u64)) -> Self {
        Self { own, seen, read, doubts, settled }
    }

    /// Own incarnation of the last reconciliation.
    pub const fn own(&self) -> u64 {
        self.own
    }

    /// Highest incarnation that the peer was seen under.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// The peer's incarnation under which its heads were last read to their end.
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// Contradictions so far, and how many of them are settled.
    pub const fn doubts(&self) -> (u64, u64) {
        (self.doubts, self.settled)
    }

    /// Whether the pair's ledgers may be appended to, by an authority whose incarnation is `own`.
    ///
    /// Implements: RCV-003, RCV-008, RCV-009
    pub const fn standing(&self, own: u64) -> Standing {
        if self.own < own {
            Standing::Restored
        } else if self.read < self.seen {
            Standing::PeerRestored
        } else if self.settled < self.doubts {
            Standing::Suspended
        } else {
            Standing::Level
        }
    }

    /// Judges an incarnation that the peer shows now. Implements: RCV-002, RCV-003
    ///
    /// A peer that is seen for the first time has nothing to be read anew.
    pub const fn hear(mut self, incarnation: u64) -> Heard {
        if incarnation < self.seen {
            return Heard::Stale;
        }
        if incarnation == self.seen {
            return Heard::Same;
        }
        if self.seen == 0 {
            self.read = incarnation;
        }
        self.seen = incarnation;
        Heard::Raised(self)
    }

    /// A head of the peer contradicts what it said before, or this copy. Implements: RCV-009
    #[must_use]
    pub const fn doubted(mut self) -> Self {
        self.doubts += 1;
        self
    }

    /// The peer's heads were read to their end under its incarnation `read`, and this authority, at `own`,
    /// holds each ledger that they name as far as they name it, or as forked. When the peer holds all that
    /// this authority does too, `settled` is the number of doubts that there were when the heads were read.
    ///
    /// Implements: RCV-008
    #[must_use]
    pub fn reconciled(mut self, own: u64, read: u64, settled: Option<u64>) -> Self {
        self.own = self.own.max(own);
        self.read = self.read.max(read);
        self.settled = self.settled.max(settled.unwrap_or(0).min(self.doubts));
        self
    }
}

/// What two copies of one ledger lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Both end with the same entry.
    None,
    /// The peer holds more.
    LackedHere,
    /// This authority holds more: the peer lacks the entries from this place on.
    LackedThere {
        /// The first place that the peer lacks.
        from: u64,
    },
    /// The two hold different entries at one place.
    Contradiction,
}

/// What a peer's head says beside one's own copy, of which `header_at` gives the header's digest at a place.
pub fn difference(
    ours: Option<HeadRef>,
    theirs: Option<HeadRef>,
    header_at: impl FnOnce(u64) -> Option<Digest>,
) -> Difference {
    match (ours, theirs) {
        (None, None) => Difference::None,
        (None, Some(_)) => Difference::LackedHere,
        (Some(_), None) => Difference::LackedThere { from: 0 },
        (Some(ours), Some(theirs)) if ours.sequence < theirs.sequence => Difference::LackedHere,
        (Some(_), Some(theirs)) if header_at(theirs.sequence) != Some(theirs.header_digest) => {
            Difference::Contradiction
        }
        (Some(ours), Some(theirs)) if ours.sequence == theirs.sequence => Difference::None,
        (Some(_), Some(theirs)) => Difference::LackedThere { from: theirs.sequence + 1 },
    }
}

/// Whether a head shows that the peer has forgotten entries: it ends before a place that the peer signed for
/// earlier, in a head or, as the sequencer, in a receipt. `signed_for` is that place as it was known before
/// the head was asked for, so that two answers that cross each other are no contradiction.
///
/// Implements: RCV-009
pub fn went_back(signed_for: Option<u64>, theirs: HeadRef) -> bool {
    signed_for.is_some_and(|place| theirs.sequence < place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(heard: Heard) -> Pair {
        match heard {
            Heard::Raised(pair) => pair,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_peer_seen_for_the_first_time_is_level_whatever_its_incarnation() {
        let pair = raised(Pair::default().hear(7));
        assert_eq!(pair.standing(1), Standing::Level);
        assert_eq!(pair.hear(7), Heard::Same);
        assert_eq!(pair.hear(6), Heard::Stale);
    }

    #[test]
    fn a_peer_that_was_restored_is_read_before_anything_is_appended() {
        let pair = raised(raised(Pair::default().hear(1)).hear(2));
        assert_eq!(pair.standing(1), Standing::PeerRestored);
        assert_eq!(pair.reconciled(1, 1, None).standing(1), Standing::PeerRestored, "what was read is older");
        assert_eq!(pair.reconciled(1, 2, None).standing(1), Standing::Level);
    }

    #[test]
    fn a_restored_authority_reconciles_first_even_with_a_peer_that_it_does_not_remember() {
        assert_eq!(Pair::default().standing(2), Standing::Restored);
        let pair = raised(Pair::default().hear(1)).reconciled(2, 1, None);
        assert_eq!(pair.standing(2), Standing::Level);
        assert_eq!(pair.standing(3), Standing::Restored, "restored once more");
    }

    #[test]
    fn a_doubt_is_settled_only_by_heads_that_were_read_after_it() {
        let pair = raised(Pair::default().hear(1)).doubted();
        assert_eq!(pair.standing(1), Standing::Suspended);
        let later = pair.doubted();
        assert_eq!(later.reconciled(1, 1, Some(1)).standing(1), Standing::Suspended);
        assert_eq!(
            later.reconciled(1, 1, None).standing(1),
            Standing::Suspended,
            "the peer still lacks some"
        );
        assert_eq!(later.reconciled(1, 1, Some(2)).standing(1), Standing::Level);
        let ahead = pair.reconciled(1, 1, Some(9)).doubted();
        assert_eq!(ahead.standing(1), Standing::Suspended, "no doubt is settled before it is there");
    }

    #[test]
    fn only_a_level_pair_may_append() {
        let standings = [Standing::Level, Standing::Restored, Standing::PeerRestored, Standing::Suspended];
        assert_eq!(standings.map(Standing::may_append), [true, false, false, false]);
        assert_eq!(
            standings.map(Standing::name).map(|name| format!("\"{name}\"")),
            standings.map(|standing| serde_json::to_string(&standing).unwrap())
        );
    }

    #[test]
    fn copies_are_compared_by_the_header_at_the_peers_place() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let copy = [digest("offer"), digest("acknowledge"), digest("accept")];
        let head = |sequence: u64, header_digest| Some(HeadRef { sequence, header_digest });
        let ours = head(2, copy[2]);
        let told = |theirs| difference(ours, theirs, |at| copy.get(usize::try_from(at).unwrap()).copied());
        assert_eq!(told(head(2, copy[2])), Difference::None);
        assert_eq!(told(head(3, digest("outcome"))), Difference::LackedHere);
        assert_eq!(told(head(1, copy[1])), Difference::LackedThere { from: 2 });
        assert_eq!(told(None), Difference::LackedThere { from: 0 });
        assert_eq!(told(head(2, digest("decline"))), Difference::Contradiction);
        assert_eq!(told(head(0, digest("another offer"))), Difference::Contradiction);
        assert_eq!(difference(None, head(0, copy[0]), |_| None), Difference::LackedHere);
        assert_eq!(difference(None, None, |_| None), Difference::None);
    }

    #[test]
    fn a_head_before_a_place_that_was_signed_for_went_back() {
        let head = |sequence| HeadRef { sequence, header_digest: Digest::of(b"") };
        assert!(went_back(Some(4), head(2)));
        assert!(!went_back(Some(4), head(4)) && !went_back(Some(4), head(5)) && !went_back(None, head(0)));
    }
}
