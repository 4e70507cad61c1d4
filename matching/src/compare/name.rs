//! Names beside each other.

use super::Comparer;
use crate::names::{PhraseId, Role, Token, TokenId};
use crate::probe::ProbeName;
use crate::weights::Level;

/// A name of which the first letter alone is written is known to nobody as that letter.
const LETTERS_OF_INITIAL: usize = 1;

/// Letters that a token needs for one slip, and for two.
const LETTERS_FOR_ONE_SLIP: usize = 4;
const LETTERS_FOR_TWO_SLIPS: usize = 8;

/// Names that sound alike and are one have at most one slip, as it were, in so many letters.
const LETTERS_OF_SLIP_ALIKE: usize = 2;

/// Children who bear an established name, at least; and one more for so many children of the register, where
/// slips repeat themselves.
const ESTABLISHED_MIN: u32 = 3;
const CHILDREN_PER_ESTABLISHED: u32 = 500_000;

/// How far a name agrees, and how many children here have what agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameMatch {
    pub(super) level: Level,
    pub(super) children: u32,
}

impl NameMatch {
    pub(super) const MISSING: Self = Self { level: Level::Missing, children: 0 };

    /// Whether a former or another name may agree better.
    pub(super) const fn is_weak(self) -> bool {
        rank(self.level) < rank(Level::Near)
    }

    /// Whether it is the same name, in whatever spelling.
    pub(super) const fn is_strong(self) -> bool {
        !self.is_weak()
    }

    pub(super) const fn at(self, level: Level) -> Self {
        Self { level, children: self.children }
    }

    pub(super) const fn better(self, other: Self) -> Self {
        if rank(other.level) > rank(self.level) { other } else { self }
    }

    /// This, unless another name agrees.
    pub(super) const fn or_other(self, other: Self) -> Self {
        if other.is_strong() { other.at(Level::Other) } else { self }
    }
}

const fn rank(level: Level) -> u8 {
    match level {
        Level::Exact => 10,
        Level::Part => 9,
        Level::Nickname => 8,
        Level::Sound => 7,
        Level::Variant => 6,
        Level::Near => 5,
        Level::Initial => 4,
        Level::Lookalike => 3,
        Level::Different => 2,
        _ => 1,
    }
}

impl Comparer<'_> {
    /// How far a name of the query agrees with one of the register.
    pub(super) fn name(&self, asked: &ProbeName, phrase: PhraseId, role: Role) -> NameMatch {
        let names = self.names;
        let held = names.phrase(phrase);
        if asked.is_empty() || held.tokens.is_empty() {
            return NameMatch::MISSING;
        }
        let joined = self.token(asked.joined, held.joined, role);
        if joined.level == Level::Exact || (asked.tokens.len() == 1 && held.tokens.len() == 1) {
            return joined;
        }
        let parts = self.parts(asked, held.tokens, role);
        if joined.is_strong() { parts.better(joined) } else { parts }
    }

    /// Several tokens: each of the side that has fewer is looked for on the other.
    fn parts(&self, asked: &ProbeName, held: &[TokenId], role: Role) -> NameMatch {
        let mut worst = NameMatch { level: Level::Exact, children: u32::MAX };
        let mut best = NameMatch::MISSING;
        let fewer_asked = asked.tokens.len() <= held.len();
        let rounds = asked.tokens.len().min(held.len());
        for round in 0..rounds {
            let mut found = NameMatch::MISSING;
            let others = asked.tokens.len().max(held.len());
            for other in 0..others {
                let (place, token) = if fewer_asked {
                    (asked.tokens[round], held[other])
                } else {
                    (asked.tokens[other], held[round])
                };
                found = found.better(self.token(place, token, role));
            }
            best = best.better(found);
            if rank(found.level) < rank(worst.level) {
                worst = found.at(found.level);
            }
            worst.children = worst.children.min(found.children);
        }
        if worst.level == Level::Exact {
            // All of the shorter name, in whatever order.
            return worst.at(Level::Part);
        }
        if worst.is_strong() || best.is_weak() { worst } else { best.at(Level::Lookalike) }
    }

    fn token(&self, place: usize, id: TokenId, role: Role) -> NameMatch {
        let held = self.names.token(id);
        let asked = &self.probe.tokens[place];
        let children = held.children[role as usize];
        if asked.id == Some(id) && held.text.len() > LETTERS_OF_INITIAL {
            return NameMatch { level: Level::Exact, children };
        }
        let level = at_a_glance(&asked.token, held, role).unwrap_or_else(|| {
            let mut spelt = self.spelt.borrow_mut();
            let level = spelt.entry((place, id, role));
            *level.or_insert_with(|| spelling(&asked.token, held, role, self.established()))
        });
        // A rare spelling of a common name says no more than the common one.
        NameMatch { level, children: children.max(asked.token.children[role as usize]) }
    }

    fn established(&self) -> u32 {
        ESTABLISHED_MIN + self.counts.children / CHILDREN_PER_ESTABLISHED
    }
}

/// Letters that only one of the two has; a slip makes two of them at most.
const fn letters_apart(one: &Token, other: &Token) -> usize {
    (one.letters ^ other.letters).count_ones() as usize
}

/// Slips that leave a token of so many letters what it is.
const fn slips_max(letters: usize) -> usize {
    match letters {
        0..LETTERS_FOR_ONE_SLIP => 0,
        LETTERS_FOR_ONE_SLIP..LETTERS_FOR_TWO_SLIPS => 1,
        _ => 2,
    }
}

/// How far two different tokens agree, where that takes no look at their letters one by one.
fn at_a_glance(asked: &Token, held: &Token, role: Role) -> Option<Level> {
    let (one, other) = (&*asked.text, &*held.text);
    if one.len() == LETTERS_OF_INITIAL || other.len() == LETTERS_OF_INITIAL {
        return Some(if one.as_bytes()[0] == other.as_bytes()[0] {
            Level::Initial
        } else {
            Level::Different
        });
    }
    let stands = asked.listed.zip(held.listed).is_some_and(|(one, other)| one.stands_for(other));
    if role != Role::Family && stands {
        return Some(Level::Nickname);
    }
    let slips_max = slips_max(one.len().min(other.len()));
    let apart = asked.sound != held.sound
        && (one.len().abs_diff(other.len()) > slips_max || letters_apart(asked, held) > 2 * slips_max);
    apart.then_some(Level::Different)
}

/// How far two different tokens agree by their letters.
fn spelling(asked: &Token, held: &Token, role: Role, established: u32) -> Level {
    let (one, other) = (&*asked.text, &*held.text);
    let slips = strsim::osa_distance(one, other);
    let known = |token: &Token| {
        token.children[role as usize] >= established || (role != Role::Family && token.listed.is_some())
    };
    let both_known = known(asked) && known(held);
    if asked.sound == held.sound {
        return match (slips * LETTERS_OF_SLIP_ALIKE > one.len().max(other.len()), both_known) {
            (true, _) => Level::Different,
            (false, true) => Level::Variant,
            (false, false) => Level::Sound,
        };
    }
    match (slips > slips_max(one.len().min(other.len())), both_known) {
        (true, _) => Level::Different,
        (false, true) => Level::Lookalike,
        (false, false) => Level::Near,
    }
}
