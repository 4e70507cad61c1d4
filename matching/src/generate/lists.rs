//! Names, weighted, by community and cohort (`data/generate`, sources in `data/README.md`).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::random::Random;
use crate::child::Sex;

const FORENAMES: &str = include_str!("../../data/generate/forenames.txt");
const SURNAMES: &str = include_str!("../../data/generate/surnames.txt");
const VARIANTS: &str = include_str!("../../data/generate/forename_variants.txt");
const NICKNAMES: &str = include_str!("../../data/nicknames.txt");

/// Letters of postcode areas that no place has, and how many districts and sectors there are in each: so many that
/// few families share a postcode.
const AREA_FIRST: &[u8] = b"VXZ";
const AREA_SECOND: &[u8] = b"ABCDFGHJKLMNPQRSTUVW";
const DISTRICTS: usize = 9;
const SECTORS: usize = 3;

/// The first year of each column of counts after the first, which begins in 2006.
const BANDS: [u16; 4] = [2010, 2014, 2018, 2022];

/// Where a family's names come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Community {
    pub(super) name: &'static str,
    /// Families, in ten thousand.
    families: usize,
    /// Given names that are taken from the general list, in ten thousand.
    general_given: usize,
    /// Whether names are written in another script or language at home, so that spellings vary.
    pub(super) respelt: bool,
}

/// Invented shares, of the order of the 2021 census.
const COMMUNITIES: [Community; 10] = [
    Community { name: "general", families: 7_250, general_given: 0, respelt: false },
    Community { name: "muslim", families: 1_200, general_given: 300, respelt: true },
    Community { name: "indian", families: 480, general_given: 4_500, respelt: true },
    Community { name: "african", families: 380, general_given: 10_000, respelt: false },
    Community { name: "polish", families: 230, general_given: 4_000, respelt: true },
    Community { name: "romanian", families: 160, general_given: 3_500, respelt: true },
    Community { name: "chinese", families: 110, general_given: 7_000, respelt: true },
    Community { name: "turkish", families: 80, general_given: 1_500, respelt: true },
    Community { name: "ukrainian", families: 60, general_given: 500, respelt: true },
    Community { name: "portuguese", families: 50, general_given: 4_000, respelt: true },
];

/// Names that many bear.
pub(super) const COMMONEST_GIVEN: [&str; 12] = [
    "Muhammad", "Oliver", "Olivia", "George", "Amelia", "Harry", "Jack", "Isla", "Ava", "Noah", "Ali",
    "William",
];
pub(super) const COMMONEST_FAMILY: [&str; 12] = [
    "Smith", "Jones", "Khan", "Ali", "Ahmed", "Hussain", "Patel", "Singh", "Williams", "Taylor", "Brown",
    "Begum",
];

/// Names with cumulative weights.
#[derive(Default)]
struct Weighted {
    names: Vec<&'static str>,
    sums: Vec<u64>,
}

impl Weighted {
    fn add(&mut self, name: &'static str, weight: u64) {
        if weight > 0 {
            self.names.push(name);
            self.sums.push(self.sums.last().unwrap_or(&0) + weight);
        }
    }

    fn draw(&self, random: &mut Random) -> &'static str {
        let total = self.sums.last().copied().unwrap_or(1);
        let at = random.next() % total;
        self.names[self.sums.partition_point(|&sum| sum <= at)]
    }
}

struct Lists {
    forenames: HashMap<(&'static str, bool, usize), Weighted>,
    surnames: HashMap<&'static str, Weighted>,
    /// Other forms of a forename, nicknames and spellings, in small letters.
    forms: HashMap<&'static str, Vec<&'static str>>,
    /// Other spellings of a forename, in small letters.
    spellings: HashMap<&'static str, Vec<&'static str>>,
    /// Forenames that rhyme: of one sex, with the same last four letters.
    rhymes: HashMap<(bool, &'static str), Vec<&'static str>>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(Lists::read);

impl Lists {
    fn read() -> Self {
        let mut lists = Self {
            forenames: HashMap::new(),
            surnames: HashMap::new(),
            forms: HashMap::new(),
            spellings: HashMap::new(),
            rhymes: HashMap::new(),
        };
        for (heading, fields) in sections(FORENAMES) {
            let (Some((community, sex)), [name, counts @ ..]) = (heading.split_once(' '), &fields[..]) else {
                continue;
            };
            let female = sex == "F";
            for (band, count) in counts.iter().enumerate() {
                let list = lists.forenames.entry((community, female, band)).or_default();
                list.add(name, count.parse().unwrap_or(0));
            }
            if let Some(end) = name.len().checked_sub(4).and_then(|start| name.get(start..)) {
                lists.rhymes.entry((female, end)).or_default().push(name);
            }
        }
        for (community, fields) in sections(SURNAMES) {
            if let [name, weight] = fields[..] {
                lists.surnames.entry(community).or_default().add(name, weight.parse().unwrap_or(0));
            }
        }
        let forms = |line: &'static str| line.split_once(',').map(|(name, forms)| (name, forms.split(',')));
        for (name, forms) in NICKNAMES.lines().chain(VARIANTS.lines()).filter_map(forms) {
            lists.forms.entry(name).or_default().extend(forms);
        }
        for (name, forms) in VARIANTS.lines().filter_map(forms) {
            lists.spellings.entry(name).or_default().extend(forms);
        }
        lists
    }
}

/// Lines of fields, each with the heading that it stands under.
fn sections(text: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let mut heading = "";
    text.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            heading = name;
            return None;
        }
        Some((heading, line.split(',').collect()))
    })
}

pub(super) fn community(random: &mut Random) -> Community {
    let mut at = random.below(COMMUNITIES.iter().map(|community| community.families).sum());
    for community in COMMUNITIES {
        if at < community.families {
            return community;
        }
        at -= community.families;
    }
    COMMUNITIES[0]
}

pub(super) fn forename(of: Community, sex: Sex, born: u16, random: &mut Random) -> &'static str {
    let general = random.happens(of.general_given);
    let band = BANDS.iter().filter(|&&first| born >= first).count();
    let key = |name| (name, sex == Sex::Female, band);
    let own = LISTS.forenames.get(&key(of.name)).filter(|_| !general);
    own.unwrap_or_else(|| &LISTS.forenames[&key("general")]).draw(random)
}

pub(super) fn surname(of: Community, random: &mut Random) -> &'static str {
    LISTS.surnames[of.name].draw(random)
}

pub(super) fn general_surname(random: &mut Random) -> &'static str {
    LISTS.surnames["general"].draw(random)
}

/// A postcode of no place.
pub(super) fn postcode(random: &mut Random) -> String {
    const LETTERS: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let mut letter = |letters: &[u8]| char::from(*random.pick(letters));
    let (area, unit) = ([letter(AREA_FIRST), letter(AREA_SECOND)], [letter(LETTERS), letter(LETTERS)]);
    let (district, sector) = (1 + random.below(DISTRICTS), 1 + random.below(SECTORS));
    format!("{}{}{district} {sector}{}{}", area[0], area[1], unit[0], unit[1])
}

/// Another form of a forename, a nickname for the most part.
pub(super) fn other_form(name: &str, random: &mut Random) -> Option<String> {
    let forms = LISTS.forms.get(name.to_lowercase().as_str())?;
    Some(capital(random.pick::<&str>(forms)))
}

/// A forename that rhymes with this one: the same end, another consonant to begin with.
pub(super) fn rhyme(name: &str, sex: Sex, random: &mut Random) -> Option<&'static str> {
    let end = name.get(name.len().checked_sub(4)?..)?;
    let rhymes = LISTS.rhymes.get(&(sex == Sex::Female, end))?;
    Some(*random.pick::<&str>(rhymes)).filter(|other| begins(other) != begins(name))
}

/// The first letter; all vowels are one, so that no name rhymes with another spelling of itself.
fn begins(name: &str) -> Option<char> {
    let first = name.chars().next()?.to_ascii_lowercase();
    Some(if "aeiouy".contains(first) { 'a' } else { first })
}

/// Whether two given names are one in two spellings, so that no parents give both to their children.
pub(super) fn is_one_name(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let words = |name: &'_ str| name.split(DIVIDES).count();
    let mut pairs = one.split(DIVIDES).zip(other.split(DIVIDES));
    words(&one) == words(&other) && pairs.all(|(one, other)| is_one_word(one, other))
}

const DIVIDES: [char; 2] = [' ', '-'];

fn is_one_word(one: &str, other: &str) -> bool {
    let listed =
        |name: &str, form: &str| LISTS.spellings.get(name).is_some_and(|forms| forms.contains(&form));
    one == other || listed(one, other) || listed(other, one) || (is_mohammed(one) && is_mohammed(other))
}

pub(super) fn is_mohammed(name: &str) -> bool {
    MOHAMMED.iter().any(|form| form.eq_ignore_ascii_case(name))
}

/// Spellings of the commonest name of all.
pub(super) const MOHAMMED: [&str; 6] = ["Mohammed", "Muhammad", "Mohammad", "Mohamed", "Muhammed", "Mohamad"];

pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
