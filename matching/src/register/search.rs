//! From a query to the children who may be meant, and to an answer.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::Register;
use crate::answer::{Answer, CANDIDATES_MAX, Candidate, ChildId, Decision, FieldWeight, Reason};
use crate::blocking::{self, Kind, Stage};
use crate::child::Child;
use crate::compare::{Comparer, Comparison, Counts, Sharers};
use crate::decision::{Standing, decide, identifier_agrees, is_person};
use crate::index::{Key, Row};
use crate::names::number;
use crate::probe::Probe;
use crate::rows::Stored;
use crate::weights::{Field, Level, narrow};

/// Rows that one key brings unasked. Those of a heavier key come only if they agree in a second fact, so that
/// which of them come does not depend on where they stand.
const ROWS_OF_KEY_MAX: usize = 2_000;

/// Rows with which a key of the last stage is no longer asked: whoever agrees in a second fact has come before.
const ROWS_OF_LAST_KEY_MAX: usize = 500;

/// Rows of one key that are looked at, rows of heavy keys that a query looks at in all, and rows after which it
/// asks for no further key. They end what a register of children who are all alike would cost, or a query that
/// bears everybody's name; no other comes near.
const ROWS_SCANNED_MAX: usize = 50_000;
const ROWS_SCANNED_OF_QUERY_MAX: usize = 1_000_000;
const ROWS_OF_QUERY_MAX: usize = 20_000;

/// The stages, each with the evidence of the first candidate that makes it needless. Whoever comes by the date
/// alone lacks a name and weighs some 12 bits less than what the second one asks for, so no decision changes.
const STAGES: [(Stage, f32); 4] =
    [(Stage::First, f32::INFINITY), (Stage::Names, f32::INFINITY), (Stage::Date, 12.0), (Stage::Last, 0.0)];

/// Rows that are fetched from memory together.
const ROWS_AT_ONCE: usize = 64;

/// Candidates that are weighed again once it is known how many children bear their full name.
const WEIGHED_AGAIN_MAX: usize = 2 * CANDIDATES_MAX;

/// Children whose identifier was asked for that are kept, however little they weigh.
const IDENTIFIED_MAX: usize = 4;

/// A child of the register beside the query.
#[derive(Clone)]
pub(super) struct Weighed {
    row: Row,
    pub(super) id: u64,
    pub(super) comparison: Comparison,
    weight: f32,
}

impl Weighed {
    /// Heavier first; of two that weigh the same always the same first, wherever they stand in the register.
    fn order(&self, other: &Self) -> Ordering {
        other.weight.total_cmp(&self.weight).then(self.id.cmp(&other.id))
    }
}

/// The first so many in their order.
struct Heaviest {
    held: Vec<Weighed>,
    count: usize,
}

impl Heaviest {
    fn new(count: usize) -> Self {
        Self { held: Vec::with_capacity(count + 1), count }
    }

    fn offer(&mut self, weighed: &Weighed) {
        let full = self.held.len() == self.count;
        if full && self.held.last().is_some_and(|last| last.weight > weighed.weight) {
            return;
        }
        let place = self.held.partition_point(|held| held.order(weighed).is_lt());
        self.held.insert(place, weighed.clone());
        self.held.truncate(self.count);
    }
}

/// The heaviest candidates so far, and those of them whose identifier agrees.
struct Best {
    all: Heaviest,
    identified: Heaviest,
}

impl Best {
    fn weight(&self) -> f32 {
        self.all.held.first().map_or(f32::NEG_INFINITY, |first| first.weight)
    }
}

impl Register {
    /// Whether the register knows the child.
    pub fn find(&self, query: &Child) -> Answer {
        self.find_without(query, &BTreeSet::new())
    }

    /// The same as if these children were not there: none of them is a candidate, nor do they stand in another's
    /// way. They still count where it is told how rare a value is.
    pub fn find_without(&self, query: &Child, left_out: &BTreeSet<ChildId>) -> Answer {
        let register_bits = self.register_bits();
        let best = self.best(query, CANDIDATES_MAX, left_out);
        let (decision, reason) = best.first().map_or((Decision::NoMatch, Reason::Weight), |first| {
            decide(&self.standing(first, &best[1..], register_bits), self.table.thresholds)
        });
        let candidates = best.iter().map(candidate).collect();
        Answer { decision, reason, register_bits, candidates }
    }

    /// The candidates that weigh most, heaviest first.
    pub(super) fn best(&self, query: &Child, count: usize, left_out: &BTreeSet<ChildId>) -> Vec<Weighed> {
        let probe = Probe::new(query, &self.names);
        let keys = blocking::probe_keys(&probe);
        let counts =
            Counts { children: number(self.len()), having: &self.having, sharers: self.sharers(&keys) };
        let comparer = Comparer::new(&probe, &self.names, &self.table, counts);
        let mut best =
            Best { all: Heaviest::new(WEIGHED_AGAIN_MAX), identified: Heaviest::new(IDENTIFIED_MAX) };
        let (mut compared, mut scanned): (Vec<Row>, usize) = (Vec::new(), 0);
        let mut by_names: Vec<Row> = Vec::new();
        for (stage, settled_bits) in STAGES {
            if best.weight() >= self.register_bits() + settled_bits {
                break;
            }
            let rows_max = ROWS_OF_QUERY_MAX.saturating_sub(compared.len());
            let mut rows = self.gather(stage, &keys, &probe, rows_max, &mut scanned);
            rows.retain(|row| !left_out.contains(&ChildId(self.row(*row).id)));
            if stage == Stage::Names {
                by_names.clone_from(&rows);
            }
            rows.retain(|row| compared.binary_search(row).is_err());
            self.offer(&rows, &comparer, &mut best);
            compared.append(&mut rows);
            compared.sort_unstable();
        }
        let Best { all: Heaviest { held: mut found, .. }, identified: Heaviest { held: identified, .. } } =
            best;
        found.sort_by(Weighed::order);
        for held in &mut found {
            self.adjust_full_name(held, &by_names, &comparer);
        }
        found.sort_by(Weighed::order);
        found.truncate(count);
        for kept in identified {
            if found.iter().all(|held| held.row != kept.row) {
                make_room(&mut found, count);
                found.push(kept);
            }
        }
        found
    }

    fn offer(&self, rows: &[Row], comparer: &Comparer<'_>, best: &mut Best) {
        let mut copies: Vec<(Row, Stored)> = Vec::with_capacity(ROWS_AT_ONCE);
        for rows in rows.chunks(ROWS_AT_ONCE) {
            // Copied first, so that the processor waits for the memory of all of them at once.
            copies.clear();
            copies.extend(rows.iter().map(|&row| (row, *self.row(row))));
            for &(row, ref held) in &copies {
                let comparison = comparer.compare(held, self.extras_of(row));
                let weighed = Weighed { row, id: held.id, comparison, weight: comparison.weight() };
                if identifier_agrees(&comparison) {
                    best.identified.offer(&weighed);
                }
                best.all.offer(&weighed);
            }
        }
    }

    fn adjust_full_name(&self, held: &mut Weighed, by_names: &[Row], comparer: &Comparer<'_>) {
        let comparison = &mut held.comparison;
        let name_agrees = |field| {
            matches!(
                comparison.level(field),
                Level::Exact | Level::Nickname | Level::Sound | Level::Variant | Level::Part
            )
        };
        if !name_agrees(Field::GivenName) || !name_agrees(Field::FamilyName) {
            return;
        }
        let own = self.row(held.row);
        let joined = |phrase| self.names.phrase(phrase).joined;
        let (given, family) = (joined(own.given), joined(own.family));
        let bears = |other: &&Row| {
            let other = self.row(**other);
            joined(other.given) == given && joined(other.family) == family
        };
        let bits = comparer.full_name_bits(own, number(by_names.iter().filter(bears).count()));
        comparison.bits[Field::FullName as usize] = bits;
        if bits < 0.0 {
            comparison.levels[Field::FullName as usize] = Level::Common;
        }
        held.weight = comparison.weight();
    }

    fn standing<'a>(&self, first: &'a Weighed, others: &'a [Weighed], register_bits: f32) -> Standing<'a> {
        let another = || others.iter().filter(|other| !self.is_same_child(first.row, other.row));
        let rival = another().find(|other| !yields(&first.comparison, &other.comparison));
        Standing {
            first: &first.comparison,
            weight: first.weight,
            next_weight: rival.map(|other| other.weight),
            identifier_is_anothers: another().any(|other| identifier_agrees(&other.comparison)),
            person_is_another: another().any(|other| is_person(&other.comparison)),
            register_bits,
        }
    }

    /// Whether two rows are one child, known twice: one number, one date of birth and a given name that
    /// sounds the same. A number alone does not say it; twins are sometimes given one.
    fn is_same_child(&self, one: Row, other: Row) -> bool {
        let (one, other) = (self.row(one), self.row(other));
        let sound = |phrase| self.names.joined(phrase).sound;
        let numbered = (one.upn().is_some() && one.upn() == other.upn())
            || (one.nhs_number().is_some() && one.nhs_number() == other.nhs_number());
        numbered && one.date() == other.date() && sound(one.given) == sound(other.given)
    }

    /// What a register of this size has to be paid.
    fn register_bits(&self) -> f32 {
        narrow(f64::from(number(self.len().max(1))).log2())
    }

    /// How many children share the query's date of birth and its postcode.
    fn sharers(&self, keys: &[(Kind, Key)]) -> Sharers {
        let count = |wanted: Kind| {
            // Of two dates the first is the one that was asked for.
            let key = keys.iter().find(|(kind, _)| *kind == wanted);
            key.map_or(0, |(_, key)| number(self.index.rows(*key).take(ROWS_SCANNED_MAX).count()))
        };
        Sharers { date: count(Kind::Date), postcode: count(Kind::Postcode) }
    }

    /// The rows that the keys of a stage bring, each once and in order; no further key is asked once there are
    /// so many.
    fn gather(
        &self,
        stage: Stage,
        keys: &[(Kind, Key)],
        probe: &Probe,
        rows_max: usize,
        scanned: &mut usize,
    ) -> Vec<Row> {
        let mut rows = Vec::new();
        for &(_, key) in keys.iter().filter(|(kind, _)| kind.stage() == stage) {
            if rows.len() >= rows_max || *scanned >= ROWS_SCANNED_OF_QUERY_MAX {
                break;
            }
            let before = rows.len();
            if stage == Stage::Last {
                rows.extend(self.index.rows(key).take(ROWS_OF_LAST_KEY_MAX + 1));
                if rows.len() - before > ROWS_OF_LAST_KEY_MAX {
                    rows.truncate(before);
                }
                continue;
            }
            rows.extend(self.index.rows(key).take(ROWS_SCANNED_MAX));
            if rows.len() - before > ROWS_OF_KEY_MAX {
                let heavy: Vec<Row> = rows.drain(before..).collect();
                *scanned += heavy.len();
                rows.extend(heavy.into_iter().filter(|&row| self.agrees_twice(row, probe)));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Whether a child agrees with a query in two of given name, family name, date of birth and postcode.
    fn agrees_twice(&self, row: Row, probe: &Probe) -> bool {
        let held = self.row(row);
        let sound = |phrase| {
            let sound = self.names.joined(phrase).sound;
            probe.tokens.iter().any(|asked| asked.token.sound == sound)
        };
        let date = held.date().zip(probe.date).is_some_and(|(one, other)| {
            one == other
                || blocking::exchanged(one)
                    == Some((other.year(), other.month().unwrap_or(0), other.day().unwrap_or(0)))
        });
        let postcode = held.postcode().is_some() && held.postcode() == probe.postcode;
        let facts = [sound(held.given), sound(held.family), date, postcode];
        facts.into_iter().filter(|&agrees| agrees).count() >= 2
    }
}

/// The last candidate goes whose identifier does not agree, unless it is the first of all.
fn make_room(found: &mut Vec<Weighed>, count: usize) {
    let yields = |held: &Weighed| !identifier_agrees(&held.comparison);
    let last = found.iter().skip(1).rposition(yields);
    if let Some(last) = last.filter(|_| found.len() >= count) {
        found.remove(last + 1);
    }
}

/// Whether a child's given name is so near the one asked for that it weighs as the same with a slip in it,
/// while the first candidate bears the very one: twins called Hayden and Jayden.
fn yields(first: &Comparison, other: &Comparison) -> bool {
    first.level(Field::GivenName) == Level::Exact
        && matches!(other.level(Field::GivenName), Level::Near | Level::Lookalike)
}

fn candidate(held: &Weighed) -> Candidate {
    let field = |field: Field| FieldWeight {
        field,
        level: held.comparison.level(field),
        bits: held.comparison.bits[field as usize],
    };
    Candidate {
        id: ChildId(held.id),
        weight: held.weight,
        fields: Field::ALL.into_iter().map(field).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::weights::Weights;

    fn alike(place: u64) -> Child {
        Child {
            given_name: Some("John".to_owned()),
            family_name: Some("Smith".to_owned()),
            date_of_birth: "2015-01-01".parse().ok(),
            // Another letter for each neighbour, as check letters are: no number is a slip away from another.
            upn: Some(format!("{}{:011}1", char::from(b'A' + (place % 23) as u8), 80_100_000_000 + place)),
            ..Child::default()
        }
    }

    /// The rows that all keys of a query bring.
    fn rows(register: &Register, query: &Child) -> Vec<Row> {
        let probe = Probe::new(query, &register.names);
        let keys = blocking::probe_keys(&probe);
        let stages = STAGES.iter().map(|(stage, _)| *stage);
        let rows = stages.flat_map(|stage| register.gather(stage, &keys, &probe, ROWS_OF_QUERY_MAX, &mut 0));
        let rows: std::collections::BTreeSet<Row> = rows.collect();
        rows.into_iter().collect()
    }

    #[test]
    fn a_register_prints_nothing_of_its_children() {
        let register = register_of_namesakes(3);
        assert_eq!(format!("{register:?}"), "Register(3 children)");
    }

    /// A register in which every name, date and pair of them is one heavy key.
    fn register_of_namesakes(count: u64) -> Register {
        let children = (0..count).map(|place| (ChildId(place), Cow::Owned(alike(place))));
        Register::build(&Weights::shipped(), children).unwrap()
    }

    #[test]
    fn a_child_who_is_left_out_stands_in_nobody_s_way() {
        let mut register = Register::new(&Weights::shipped()).unwrap();
        let twin = |given: &str| Child {
            given_name: Some(given.to_owned()),
            family_name: Some("Testcase".to_owned()),
            date_of_birth: "2015-01-01".parse().ok(),
            postcode: Some("S1 2HH".to_owned()),
            sex: Some(crate::child::Sex::Female),
            ..Child::default()
        };
        for (id, given) in [(7, "Zebedee"), (8, "Zebedee"), (9, "Amina")] {
            register.insert(ChildId(id), &twin(given));
        }
        for other in 100..400_u64 {
            let born = format!("2013-{:02}-{:02}", other % 12 + 1, other % 28 + 1);
            let other_child = Child {
                given_name: Some(format!("Given{other}")),
                family_name: Some(format!("Family{other}")),
                date_of_birth: born.parse().ok(),
                ..Child::default()
            };
            register.insert(ChildId(other), &other_child);
        }
        let left_out = |ids: &[u64]| ids.iter().copied().map(ChildId).collect::<BTreeSet<_>>();
        let asked = twin("Zebedee");
        assert_eq!(register.find(&asked).reason, Reason::AnotherAsLikely);
        assert_eq!(register.find_without(&asked, &left_out(&[])), register.find(&asked));
        let answer = register.find_without(&asked, &left_out(&[7]));
        assert_eq!((answer.decision, answer.candidates[0].id), (Decision::Match, ChildId(8)));
        let answer = register.find_without(&asked, &left_out(&[7, 8]));
        assert!(answer.candidates.iter().all(|candidate| candidate.id.0 > 8), "{answer:?}");
    }

    #[test]
    fn a_child_known_twice_is_told_from_a_twin() {
        let mut register = Register::new(&Weights::shipped()).unwrap();
        let known = |given: &str, family: &str, born: &str, upn: Option<&str>| Child {
            given_name: Some(given.to_owned()),
            family_name: Some(family.to_owned()),
            date_of_birth: born.parse().ok(),
            upn: upn.map(str::to_owned),
            ..Child::default()
        };
        let upn = "Q801000005001";
        let others = [
            known("Amina", "Other", "2015-01-02", None),
            known("Amina", "Testcase", "2015-01", None),
            known("Zoe", "Testcase", "2010-09-09", Some(upn)),
            known("Zoe", "Testcase", "2015-01-02", None),
            known("Amina", "Testcase", "2012-07-09", None),
            Child { given_name: None, ..known("", "Testcase", "2015-01-02", None) },
        ];
        for (id, other) in (1..).zip(&others) {
            register.insert(ChildId(id), other);
        }
        let amina = known("Amina", "Testcase", "2015-01-02", Some(upn));
        let same: Vec<u64> = (1..=7).filter(|id| register.may_be_one(&amina, ChildId(*id))).collect();
        assert_eq!(
            same,
            [1, 2, 3],
            "a new family name, half a date, one number; no twin, nobody without a name"
        );
    }

    #[test]
    fn a_register_of_namesakes_costs_a_bounded_number_of_comparisons() {
        let count = ROWS_SCANNED_MAX as u64 + 1_000;
        let register = register_of_namesakes(count);
        let asked = Child { upn: None, ..alike(0) };
        assert!(rows(&register, &asked).len() <= ROWS_SCANNED_MAX);
        let answer = register.find(&asked);
        assert_eq!(answer.decision, Decision::NoMatch, "one in so many is nobody");
        assert_eq!(answer.candidates.len(), CANDIDATES_MAX);
        // A number finds its child, wherever it stands.
        for place in [0, 777, count - 1] {
            let answer = register.find(&alike(place));
            assert_eq!((answer.decision, answer.candidates[0].id), (Decision::Match, ChildId(place)));
        }
    }

    #[test]
    fn a_key_of_the_last_stage_that_many_share_is_not_asked() {
        let named = |given: &str| Child {
            given_name: Some(given.to_owned()),
            family_name: Some("Testcase".to_owned()),
            ..Child::default()
        };
        let mut register = Register::new(&Weights::shipped()).unwrap();
        let count = ROWS_OF_LAST_KEY_MAX as u64;
        (0..count).for_each(|place| register.insert(ChildId(place), &named("Anna")));
        // A family name and an initial.
        assert_eq!(rows(&register, &named("Agatha")).len(), ROWS_OF_LAST_KEY_MAX);
        register.insert(ChildId(count), &named("Anna"));
        assert!(rows(&register, &named("Agatha")).is_empty());
    }

    #[test]
    fn a_heavy_key_brings_whoever_agrees_in_a_second_fact_and_nobody_else() {
        let mut register = register_of_namesakes(ROWS_OF_KEY_MAX as u64 + 1);
        let born = |given: &str, family: &str| Child {
            given_name: Some(given.to_owned()),
            family_name: Some(family.to_owned()),
            date_of_birth: "2015-01-01".parse().ok(),
            ..Child::default()
        };
        register.insert(ChildId(1_000_000), &born("Zebedee", "Testcase"));
        assert_eq!(rows(&register, &born("Zebedee", "Otherwise")).len(), 1);
        assert!(
            rows(&register, &born("Otherwise", "Unknown")).is_empty(),
            "the date alone is too common here"
        );
    }
}
