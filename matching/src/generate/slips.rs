//! How a child is written down: mistakes, gaps, and other names.
//!
//! Rates are in ten thousand, for the register and for whoever asks. They are invented; each is stated once,
//! in [`RATES`].

use super::lists;
use super::people::Person;
use super::random::Random;
use crate::child::{Child, PartialDate, Sex};

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Register = 0,
    Asker = 1,
}

/// In ten thousand, by who writes.
struct Rates {
    nickname: [usize; 2],
    given_slip: [usize; 2],
    family_slip: [usize; 2],
    /// Of names that have several spellings.
    respelt: [usize; 2],
    given_missing: [usize; 2],
    given_initial: [usize; 2],
    /// The middle name is the one in use.
    middle_for_given: [usize; 2],
    middle_missing: [usize; 2],
    middle_initial: [usize; 2],
    /// Of double names.
    half_a_double: [usize; 2],
    /// Of given names of two words.
    half_a_given: [usize; 2],
    /// Of those who had another family name.
    former_for_family: [usize; 2],
    former_noted: [usize; 2],
    known_as_noted: [usize; 2],
    swapped_names: [usize; 2],
    swapped_date: [usize; 2],
    date_slip: [usize; 2],
    date_partial: [usize; 2],
    date_missing: [usize; 2],
    sex_missing: [usize; 2],
    sex_wrong: [usize; 2],
    upn_missing: [usize; 2],
    /// Of those who had another number.
    upn_former: [usize; 2],
    upn_former_noted: [usize; 2],
    upn_temporary: [usize; 2],
    upn_slip: [usize; 2],
    /// Of twins.
    upn_of_twin: [usize; 2],
    nhs_missing: [usize; 2],
    nhs_slip: [usize; 2],
    postcode_missing: [usize; 2],
    postcode_slip: [usize; 2],
    /// Of those who moved.
    postcode_former: [usize; 2],
}

const RATES: Rates = Rates {
    nickname: [120, 600],
    given_slip: [60, 300],
    family_slip: [60, 300],
    respelt: [300, 1_500],
    given_missing: [5, 60],
    given_initial: [10, 60],
    middle_for_given: [30, 120],
    middle_missing: [3_000, 6_000],
    middle_initial: [800, 800],
    half_a_double: [600, 3_500],
    half_a_given: [100, 1_000],
    former_for_family: [500, 3_000],
    former_noted: [5_000, 3_000],
    known_as_noted: [5_000, 3_000],
    swapped_names: [10, 100],
    swapped_date: [15, 150],
    date_slip: [25, 150],
    date_partial: [5, 150],
    date_missing: [3, 60],
    sex_missing: [20, 600],
    sex_wrong: [10, 40],
    upn_missing: [300, 2_500],
    upn_former: [800, 2_500],
    upn_former_noted: [6_000, 3_000],
    upn_temporary: [120, 250],
    upn_slip: [20, 80],
    upn_of_twin: [5, 25],
    nhs_missing: [4_000, 6_000],
    nhs_slip: [30, 250],
    postcode_missing: [200, 1_500],
    postcode_slip: [30, 120],
    postcode_former: [1_500, 6_000],
};

/// What one hand writes of a child.
pub(super) fn written(person: &Person, hand: Hand, random: &mut Random) -> Child {
    let at = hand as usize;
    let mut child = Child::default();
    names(person, at, &mut child, random);
    child.date_of_birth = date(person.born, at, random);
    let other_sex = if person.sex == Sex::Male { Sex::Female } else { Sex::Male };
    child.sex = match () {
        () if random.happens(RATES.sex_missing[at]) => None,
        () if random.happens(RATES.sex_wrong[at]) => Some(other_sex),
        () => Some(person.sex),
    };
    numbers(person, at, &mut child, random);
    if !random.happens(RATES.postcode_missing[at]) {
        // A register learns of a move for all children of a family at once.
        let mut of_family = Random::new(person.household ^ at as u64);
        let luck = if hand == Hand::Register { &mut of_family } else { &mut *random };
        let moves = luck.happens(RATES.postcode_former[at]);
        let moved = person.former_postcode.as_ref().filter(|_| moves);
        let postcode = moved.unwrap_or(&person.postcode).clone();
        child.postcode =
            Some(if random.happens(RATES.postcode_slip[at]) { slip(&postcode, random) } else { postcode });
    }
    child
}

fn names(person: &Person, at: usize, child: &mut Child, random: &mut Random) {
    let mut given = person.given.clone();
    let mut middle = person.middle.clone();
    if let Some(name) = middle.take_if(|_| random.happens(RATES.middle_for_given[at])) {
        given = name;
    }
    if random.happens(RATES.nickname[at]) {
        let known = person.known_as.clone().filter(|_| random.happens(5_000));
        given = known.or_else(|| lists::other_form(&given, random)).unwrap_or(given);
    }
    if let Some(end) = given.find(['-', ' ']).filter(|_| random.happens(RATES.half_a_given[at])) {
        given.truncate(end);
    }
    let respelt = |name: String, random: &mut Random| {
        let varies = person.community.respelt && random.happens(RATES.respelt[at]);
        if varies { respell(&name, random) } else { name }
    };
    given = respelt(given, random);
    if random.happens(RATES.given_slip[at]) {
        given = slip(&given, random);
    }
    let mut family = person.family.clone();
    let former = person.former_family.as_ref();
    let mut noted = former.cloned();
    if let Some(name) = former.filter(|_| random.happens(RATES.former_for_family[at])) {
        noted = Some(std::mem::replace(&mut family, name.clone()));
    }
    if let Some(middle) = family.find(['-', ' ']).filter(|_| random.happens(RATES.half_a_double[at])) {
        family =
            if random.happens(5_000) { family[..middle].to_owned() } else { family.split_off(middle + 1) };
    }
    family = respelt(family, random);
    if random.happens(RATES.family_slip[at]) {
        family = slip(&family, random);
    }
    if random.happens(RATES.given_initial[at]) {
        given.truncate(given.chars().next().map_or(0, char::len_utf8));
    }
    middle = middle.map(|name| respelt(name, random));
    if random.happens(RATES.given_slip[at]) {
        middle = middle.map(|name| slip(&name, random));
    }
    if random.happens(RATES.middle_missing[at]) {
        middle = None;
    } else if random.happens(RATES.middle_initial[at]) {
        middle = middle.map(|name| name.chars().take(1).collect());
    }
    if random.happens(RATES.swapped_names[at]) {
        std::mem::swap(&mut given, &mut family);
    }
    if random.happens(1_000) {
        family = family.to_uppercase();
    }
    child.given_name = Some(given).filter(|_| !random.happens(RATES.given_missing[at]));
    child.middle_names = middle;
    child.family_name = Some(family);
    child.former_family_names.extend(noted.filter(|_| random.happens(RATES.former_noted[at])));
    child.also_known_as.extend(person.known_as.clone().filter(|_| random.happens(RATES.known_as_noted[at])));
}

fn numbers(person: &Person, at: usize, child: &mut Child, random: &mut Random) {
    child.upn.clone_from(&person.upn);
    if let Some(former) = &person.former_upn {
        if random.happens(RATES.upn_former[at]) {
            child.upn = Some(former.clone());
        } else if random.happens(RATES.upn_former_noted[at]) {
            child.former_upns.push(former.clone());
        }
    }
    if let Some(number) = person.twins_upn.as_ref().filter(|_| random.happens(RATES.upn_of_twin[at])) {
        child.upn = Some(number.clone());
    }
    if random.happens(RATES.upn_temporary[at]) {
        child.upn = Some(person.temporary_upn.clone());
    }
    child.upn.take_if(|_| random.happens(RATES.upn_missing[at]));
    if random.happens(RATES.upn_slip[at]) {
        child.upn = child.upn.take().map(|upn| slip_of_digit(&upn, random));
    }
    child.nhs_number = person.nhs_number.clone().filter(|_| !random.happens(RATES.nhs_missing[at]));
    if random.happens(RATES.nhs_slip[at]) {
        child.nhs_number = child.nhs_number.take().map(|number| exchanged(&number, random));
    }
}

fn date(born: PartialDate, at: usize, random: &mut Random) -> Option<PartialDate> {
    let (year, month, day) = (born.year(), born.month().unwrap_or(1), born.day().unwrap_or(1));
    if random.happens(RATES.date_missing[at]) {
        return None;
    }
    if random.happens(RATES.date_partial[at]) {
        return PartialDate::new(year, Some(month).filter(|_| random.happens(6_000)), None).ok();
    }
    if random.happens(RATES.swapped_date[at]) && day <= 12 {
        return PartialDate::new(year, Some(day), Some(month)).ok();
    }
    if random.happens(RATES.date_slip[at]) {
        let other_day = 1 + u8::try_from(random.below(28)).unwrap_or(0);
        let other_month = 1 + u8::try_from(random.below(12)).unwrap_or(0);
        let changed = match random.below(3) {
            0 => PartialDate::new(year, Some(month), Some(other_day)),
            1 => PartialDate::new(year, Some(other_month), Some(day.min(28))),
            _ if random.happens(5_000) => PartialDate::new(year + 1, Some(month), Some(day)),
            _ => PartialDate::new(year - 1, Some(month), Some(day)),
        };
        return changed.ok();
    }
    Some(born)
}

/// A slip of the hand: a letter too few, too many, another one, or two exchanged.
fn slip(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 2 {
        return text.to_owned();
    }
    let letter = char::from(b'a' + u8::try_from(random.below(26)).unwrap_or(0));
    // The first letter is seldom mistaken.
    let first = usize::from(random.happens(9_000));
    let place = first + random.below(letters.len() - first);
    match random.below(4) {
        0 => drop(letters.remove(place)),
        1 => letters.insert(place, letter),
        2 => letters[place] = letter,
        _ => letters.swap(place, (place + 1).min(text.chars().count() - 1)),
    }
    letters.into_iter().collect()
}

fn slip_of_digit(upn: &str, random: &mut Random) -> String {
    let mut signs = upn.as_bytes().to_vec();
    let place = 1 + random.below(signs.len() - 2);
    signs[place] = b'0' + (signs[place] - b'0' + 1 + u8::try_from(random.below(9)).unwrap_or(0)) % 10;
    String::from_utf8(signs).expect("digits")
}

fn exchanged(number: &str, random: &mut Random) -> String {
    let mut digits = number.as_bytes().to_vec();
    let place = random.below(digits.len() - 1);
    digits.swap(place, place + 1);
    String::from_utf8(digits).expect("digits")
}

/// Spellings of one sound in different languages and habits.
const SPELLINGS: [(&str, &str); 30] = [
    ("kh", "h"),
    ("kh", "k"),
    ("w", "v"),
    ("v", "w"),
    ("ou", "u"),
    ("u", "ou"),
    ("ee", "i"),
    ("i", "ee"),
    ("y", "i"),
    ("ss", "s"),
    ("mm", "m"),
    ("sh", "sz"),
    ("sh", "ch"),
    ("cz", "ch"),
    ("j", "dj"),
    ("oo", "u"),
    ("ai", "ei"),
    ("ei", "ai"),
    ("aa", "a"),
    ("th", "t"),
    ("q", "k"),
    ("c", "k"),
    ("x", "ks"),
    ("ks", "x"),
    ("e", "a"),
    ("a", "e"),
    ("u", "o"),
    ("o", "u"),
    ("dh", "d"),
    ("ph", "f"),
];

fn respell(name: &str, random: &mut Random) -> String {
    if let Some(rest) = lists::MOHAMMED.iter().find_map(|form| name.strip_prefix(form)) {
        return format!("{}{rest}", random.pick(&lists::MOHAMMED));
    }
    let small = name.to_lowercase();
    let fitting: Vec<_> = SPELLINGS.iter().filter(|(from, _)| small.contains(from)).collect();
    if fitting.is_empty() {
        return name.to_owned();
    }
    let (from, to) = random.pick(&fitting);
    lists::capital(&small.replacen(from, to, 1))
}
