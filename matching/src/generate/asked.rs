//! Whom a query asks for.

use super::lists;
use super::people::Person;
use super::random::Random;
use super::slips::{Hand, written};
use super::{Asked, Whom, id};
use crate::child::Child;

/// Asked for and not in the register, in ten thousand.
const UNKNOWN: usize = 1_500;

pub(super) fn queries(people: &[Person], count: usize, whom: Whom, random: &mut Random) -> Vec<Asked> {
    let twin_known = |person: &Person| person.twin.is_some_and(|twin| people[twin].registered);
    let fits = |person: &Person| match whom {
        Whom::Anyone => true,
        Whom::Twins => twin_known(person),
    };
    let places = |registered: bool| -> Vec<usize> {
        let all = people.iter().enumerate();
        let chosen = all.filter(|(_, person)| person.registered == registered && fits(person));
        chosen.map(|(place, _)| place).collect()
    };
    let (known, unknown) = (places(true), places(false));
    if known.is_empty() {
        return Vec::new();
    }
    let mut asked = Vec::with_capacity(count);
    for _ in 0..count {
        let mut own = random.split();
        let from = if own.happens(UNKNOWN) && !unknown.is_empty() { &unknown } else { &known };
        let place = *own.pick(from);
        let person = &people[place];
        asked.push(Asked {
            query: written(person, Hand::Asker, &mut own),
            truth: person.registered.then(|| id(place)),
            twin: person.twin.filter(|&twin| people[twin].registered).map(id),
        });
    }
    asked
}

pub(super) fn everybody(random: &mut Random) -> Asked {
    let mut some = |list: &[&str], count: usize| -> String {
        let names: Vec<&str> = (0..count).map(|_| *random.pick::<&str>(list)).collect();
        names.join(" ")
    };
    let (given, family) = (some(&lists::COMMONEST_GIVEN, 6), some(&lists::COMMONEST_FAMILY, 6));
    let query = Child {
        middle_names: Some(some(&lists::COMMONEST_GIVEN, 6)),
        former_family_names: (0..4).map(|_| some(&lists::COMMONEST_FAMILY, 6)).collect(),
        also_known_as: (0..4).map(|_| some(&lists::COMMONEST_GIVEN, 6)).collect(),
        given_name: Some(given),
        family_name: Some(family),
        ..Child::default()
    };
    Asked { query, truth: None, twin: None }
}
