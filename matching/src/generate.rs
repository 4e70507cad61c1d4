//! Invented children, with the truth about them: what a register holds of each, and what is asked.
//!
//! Families of several communities, with names by year of birth, twins, siblings, namesakes and moves. Each
//! child is written down twice, by a register and by whoever asks, and both make mistakes, the asker more.
//! The same seed makes the same children. No row is about a living person.

mod asked;
mod lists;
mod people;
mod random;
mod slips;

use crate::answer::ChildId;
use crate::child::Child;
use people::Person;
pub use random::Random;
use slips::Hand;

/// Invented children of whom most are in a register.
pub struct World {
    people: Vec<Person>,
    seed: u64,
}

/// Whom to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Anyone; 15 in 100 are not in the register.
    Anyone,
    /// One of twins; 15 in 100 are not in the register, while the other twin is.
    Twins,
}

/// A query and what is true of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked.
    pub query: Child,
    /// The child in the register, if it is there.
    pub truth: Option<ChildId>,
    /// A twin in the register.
    pub twin: Option<ChildId>,
}

impl World {
    /// About so many children in the register, and some more who are not.
    pub fn new(children: usize, seed: u64) -> Self {
        Self { people: people::population(children, &mut Random::new(seed)), seed }
    }

    /// What the register holds.
    pub fn register(&self) -> impl Iterator<Item = (ChildId, Child)> + '_ {
        let mut random = Random::new(self.seed ^ 0x5eed_0001);
        let registered = self.people.iter().enumerate().filter(|(_, person)| person.registered);
        registered.map(move |(place, person)| {
            let mut own = random.split();
            (id(place), slips::written(person, Hand::Register, &mut own))
        })
    }

    /// Queries that bear the commonest names of all, as many of each kind as a query may have, and no date: what
    /// costs most to answer. Nobody is meant.
    pub fn everybodys_names(count: usize) -> Vec<Asked> {
        let mut random = Random::new(0);
        (0..count).map(|_| asked::everybody(&mut random)).collect()
    }

    /// What is asked: so many queries.
    pub fn queries(&self, count: usize, whom: Whom, seed: u64) -> Vec<Asked> {
        asked::queries(&self.people, count, whom, &mut Random::new(seed))
    }
}

fn id(place: usize) -> ChildId {
    ChildId(place as u64)
}

impl Asked {
    /// The query without unique pupil numbers and NHS number.
    pub fn without_identifiers(&self) -> Child {
        let mut query = self.query.clone();
        query.upn = None;
        query.former_upns.clear();
        query.nhs_number = None;
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_one_world_and_another_makes_another() {
        let children = |seed| World::new(500, seed).register().map(|(_, child)| child).collect::<Vec<_>>();
        assert!(children(1) == children(1));
        assert!(children(1) != children(2));
    }

    #[test]
    fn fifteen_in_a_hundred_asked_for_are_not_in_the_register() {
        let world = World::new(20_000, 3);
        let held: std::collections::HashSet<ChildId> = world.register().map(|(id, _)| id).collect();
        for whom in [Whom::Anyone, Whom::Twins] {
            let asked = world.queries(2_000, whom, 4);
            let missing = asked.iter().filter(|asked| asked.truth.is_none()).count();
            assert!((250..350).contains(&missing), "{whom:?}: {missing}");
            for asked in &asked {
                assert!(asked.truth.is_none_or(|id| held.contains(&id)));
                assert!(asked.twin.is_none_or(|id| held.contains(&id)));
                assert!(asked.twin.is_some() || whom == Whom::Anyone || asked.truth.is_some());
            }
        }
    }
}
