//! Families and their children, as they truly are.

use super::lists::{self, Community};
use super::random::Random;
use crate::child::{PartialDate, Sex};

/// A child as it truly is.
pub(super) struct Person {
    pub(super) community: Community,
    pub(super) given: String,
    pub(super) middle: Option<String>,
    pub(super) family: String,
    pub(super) former_family: Option<String>,
    pub(super) known_as: Option<String>,
    pub(super) born: PartialDate,
    pub(super) sex: Sex,
    pub(super) upn: Option<String>,
    /// A number that the present one replaced.
    pub(super) former_upn: Option<String>,
    /// A number that was given for a time.
    pub(super) temporary_upn: String,
    pub(super) nhs_number: Option<String>,
    pub(super) postcode: String,
    pub(super) former_postcode: Option<String>,
    /// The same for children of one family.
    pub(super) household: u64,
    pub(super) registered: bool,
    /// Place of the twin.
    pub(super) twin: Option<usize>,
    /// The twin's number, which is sometimes written down for this child's.
    pub(super) twins_upn: Option<String>,
}

/// Years of birth of children of school age in the school year 2026.
const BORN_FIRST: u16 = 2008;
const BORN_LAST: u16 = 2022;

/// A family, before its children.
struct Household {
    community: Community,
    family: String,
    postcode: String,
    former_postcode: Option<String>,
    number: u64,
    registered: bool,
}

/// About so many children who are in the register, and some more.
pub(super) fn population(children: usize, random: &mut Random) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::with_capacity(children + children / 20);
    let mut registered = 0;
    while registered < children {
        let first = people.len();
        household(&mut people, random);
        registered += people[first..].iter().filter(|person| person.registered).count();
    }
    people
}

fn household(people: &mut Vec<Person>, random: &mut Random) {
    let community = lists::community(random);
    let one = lists::surname(community, random);
    let double = random.happens(if community.name == "portuguese" { 6_000 } else { 500 });
    let family = if double {
        let two = lists::surname(community, random);
        format!("{one}{}{two}", if random.happens(6_000) { "-" } else { " " })
    } else {
        one.to_owned()
    };
    let home = Household {
        community,
        family,
        postcode: lists::postcode(random),
        former_postcode: random.happens(4_000).then(|| lists::postcode(random)),
        number: random.next(),
        registered: !random.happens(200),
    };
    let births = [1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4][random.below(12)];
    let first = people.len();
    let mut year =
        BORN_FIRST + u16::try_from(random.below(usize::from(BORN_LAST - BORN_FIRST) + 1)).unwrap_or(0);
    for _ in 0..births {
        birth(&home, year, first, people, random);
        year += 1 + u16::try_from(random.below(4)).unwrap_or(0);
        if year > BORN_LAST {
            break;
        }
    }
}

fn birth(home: &Household, year: u16, eldest: usize, people: &mut Vec<Person>, random: &mut Random) {
    let born = birthday(home.community, year, random);
    let place = people.len();
    let mut first = child(home, born, None, place, random);
    let taken = |people: &[Person], given: &str| {
        people[eldest..].iter().any(|sibling| lists::is_one_name(&sibling.given, given))
    };
    while taken(people, &first.given) {
        first = child(home, born, None, place, random);
    }
    if !random.happens(155) {
        people.push(first);
        return;
    }
    let mut second = child(home, born, Some(&first), place + 1, random);
    while taken(people, &second.given) || lists::is_one_name(&first.given, &second.given) {
        second = child(home, born, Some(&first), place + 1, random);
    }
    let mut first = Person { twin: Some(place + 1), ..first };
    second.twin = Some(place);
    (first.twins_upn, second.twins_upn) = (second.upn.clone(), first.upn.clone());
    // Of some twins only one is known here.
    second.registered = first.registered && !random.happens(1_000);
    people.push(first);
    people.push(second);
}

fn birthday(community: Community, year: u16, random: &mut Random) -> PartialDate {
    // Where no date is documented, authorities write the first of January.
    let undocumented = community.respelt && random.happens(100);
    let month = if undocumented { 1 } else { 1 + random.below(12) };
    let day = if undocumented {
        1
    } else {
        1 + random.below([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1])
    };
    let small = |number: usize| u8::try_from(number).ok();
    PartialDate::new(year, small(month), small(day)).expect("a day of a month")
}

fn child(
    home: &Household,
    born: PartialDate,
    twin: Option<&Person>,
    place: usize,
    random: &mut Random,
) -> Person {
    let community = home.community;
    let sex = match twin {
        Some(twin) if random.happens(6_500) => twin.sex,
        _ if random.happens(5_100) => Sex::Male,
        _ => Sex::Female,
    };
    let name = |random: &mut Random| lists::forename(community, sex, born.year(), random).to_owned();
    let mut given = name(random);
    if let Some(twin) = twin {
        given = twins_name(&given, twin, sex, random);
    }
    let may_be_second = !given.contains('-') && !lists::is_mohammed(&given);
    if community.name == "muslim" && sex == Sex::Male && may_be_second && random.happens(1_500) {
        // A first name that brothers share, told apart by the second.
        given = format!("Muhammad {given}");
    }
    let of_twin = |name: &String| twin.is_some_and(|twin| *name == twin.given);
    let middle = random.happens(6_500).then(|| name(random)).filter(|name| !of_twin(name) && *name != given);
    let other_family = twin.is_none() && random.happens(700);
    let family = twin.map_or_else(
        || if other_family { lists::surname(community, random).to_owned() } else { home.family.clone() },
        |twin| twin.family.clone(),
    );
    let known_as = random.happens(800).then(|| lists::other_form(&given, random)).flatten();
    let former_family = twin.map_or_else(
        || random.happens(500).then(|| lists::general_surname(random).to_owned()),
        |twin| twin.former_family.clone(),
    );
    Person {
        community,
        given,
        middle,
        family,
        former_family,
        known_as,
        born,
        sex,
        upn: (!random.happens(200)).then(|| upn(place * 2)),
        former_upn: random.happens(400).then(|| upn(place * 2 + 1)),
        temporary_upn: temporary_upn(place),
        nhs_number: random.happens(9_800).then(|| nhs_number(place)),
        postcode: home.postcode.clone(),
        former_postcode: home.former_postcode.clone(),
        household: home.number,
        registered: home.registered && !random.happens(50),
        twin: None,
        twins_upn: None,
    }
}

fn twins_name(drawn: &str, twin: &Person, sex: Sex, random: &mut Random) -> String {
    if sex == twin.sex && random.happens(1_000) {
        // "Jayden and Hayden".
        return lists::rhyme(&twin.given, sex, random).unwrap_or(drawn).to_owned();
    }
    let mut given = drawn.to_owned();
    if random.happens(1_500) {
        // "Ella and Emma".
        for _ in 0..50 {
            if given.chars().next() == twin.given.chars().next() {
                break;
            }
            lists::forename(twin.community, sex, twin.born.year(), random).clone_into(&mut given);
        }
    }
    given
}

const CHECK_LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

/// Numbers of the establishment 0000, which no school has; neighbours for neighbours.
fn upn(place: usize) -> String {
    let (serial, rest) = (place % 1_000, place / 1_000);
    with_letter(&format!("{:03}0000{:02}{serial:03}", 200 + rest / 100 % 800, rest % 100))
}

fn temporary_upn(place: usize) -> String {
    let (serial, rest) = (place % 100, place / 100);
    let letter = char::from(CHECK_LETTERS[place % 23]);
    with_letter(&format!("{:03}0000{:02}{serial:02}{letter}", 200 + rest / 100 % 800, rest % 100))
}

fn with_letter(rest: &str) -> String {
    let value = |sign: u8| match CHECK_LETTERS.iter().position(|&letter| letter == sign) {
        Some(index) => index,
        None => usize::from(sign - b'0'),
    };
    let sum: usize = rest.bytes().enumerate().map(|(index, sign)| (index + 2) * value(sign)).sum();
    format!("{}{rest}", char::from(CHECK_LETTERS[sum % 23]))
}

/// Numbers that begin with 999, as test numbers do. They have their check digit where there is one, and another last
/// digit once the range is used up.
fn nhs_number(place: usize) -> String {
    const RANGE: usize = 1_000_000;
    // Scattered, so that neighbours have nothing in common; the factor is prime to the range.
    let digits = format!("999{:06}", place % RANGE * 654_321 % RANGE);
    let last = (check_digit(&digits).unwrap_or(0) + place / RANGE) % 10;
    format!("{digits}{last}")
}

/// The last digit that the nine before it ask for; none where no number is issued.
fn check_digit(digits: &str) -> Option<usize> {
    let sum: usize =
        digits.bytes().enumerate().map(|(index, digit)| (10 - index) * usize::from(digit - b'0')).sum();
    match 11 - sum % 11 {
        10 => None,
        11 => Some(0),
        check => Some(check),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_twins_siblings_and_namesakes_of_all_communities() {
        let people = population(50_000, &mut Random::new(1));
        let twins = people.iter().filter(|person| person.twin.is_some()).count();
        assert!((1_000..2_200).contains(&twins), "{twins}");
        for (place, person) in people.iter().enumerate() {
            if let Some(twin) = person.twin.map(|twin| &people[twin]) {
                assert_eq!(twin.twin, Some(place));
                assert!(!lists::is_one_name(&twin.given, &person.given));
                assert!(
                    (&twin.family, twin.born, &twin.postcode)
                        == (&person.family, person.born, &person.postcode)
                );
                assert!(twin.upn.is_none() || twin.upn != person.upn);
            }
        }
        let unknown = people.iter().filter(|person| !person.registered).count();
        assert!((800..2_500).contains(&unknown), "{unknown}");
        let communities: std::collections::HashSet<_> =
            people.iter().map(|person| person.community.name).collect();
        assert_eq!(communities.len(), 10);
    }

    #[test]
    fn numbers_are_formed_and_each_is_given_once() {
        let numbers: std::collections::HashSet<String> = (0..100_000).map(upn).collect();
        assert_eq!(numbers.len(), 100_000);
        assert!(numbers.iter().all(|upn| upn.len() == 13 && &upn[4..8] == "0000"));
        let places = || (0..100_000).chain(1_000_000..1_100_000);
        let numbers: std::collections::HashSet<String> = places().map(nhs_number).collect();
        assert_eq!(numbers.len(), 200_000);
        assert!(numbers.iter().all(|number| number.len() == 10 && number.starts_with("999")));
        let checked =
            |number: &str| check_digit(&number[..9]).is_none_or(|digit| number.ends_with(&digit.to_string()));
        assert!((0..100_000).all(|place| checked(&nhs_number(place))));
        assert_eq!(upn(1_001), with_letter("200000001001"));
    }
}
