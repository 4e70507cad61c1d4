//! Keys under which a child is found.
//!
//! Each key is met by few children even of a large register, because it joins two facts or is one that is
//! rare by itself. Together they find a child as long as any two facts hold: a whole date of birth, both
//! names, a name and the year, a name and the day, a postcode, an identifier. Names count by their sound, so
//! a spelling does not lose a child, and each part of a double name counts.

use crate::child::PartialDate;
use crate::index::Key;
use crate::names::{Names, PhraseId};
use crate::phonetic::Sound;
use crate::probe::{Probe, ProbeName};
use crate::rows::{Extras, Stored};

/// Sounds of one name that make keys.
const SOUNDS_MAX: usize = 6;

/// Nicknames of a query's name that make keys.
const NICKNAMES_MAX: usize = 16;

/// What a key joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Upn,
    /// The digits in any order, so that a transposed number is found.
    NhsNumber,
    Date,
    /// A given and a family name, in either order.
    Names,
    FamilyAndYear,
    /// Month and day in either order.
    FamilyAndDay,
    FamilyAndInitial,
    GivenAndMonth,
    GivenAndInitial,
    Postcode,
}

/// When a key is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// At once: it brings few children who are not meant.
    First,
    /// At once too, and apart from the others, because who bears both names is counted.
    Names,
    /// When no candidate so far is far ahead of whoever could agree in the date and little else.
    Date,
    /// When no candidate so far is as likely as not: it brings many children who have little else in common.
    Last,
}

impl Kind {
    /// When a key of this kind is asked.
    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Names => Stage::Names,
            Self::Date => Stage::Date,
            Self::FamilyAndYear | Self::FamilyAndInitial | Self::GivenAndInitial => Stage::Last,
            _ => Stage::First,
        }
    }
}

/// What keys are made of.
#[derive(Default)]
struct Facts {
    given: Vec<Sound>,
    /// Found with a family name alone.
    middle: Vec<Sound>,
    family: Vec<Sound>,
    given_initials: Vec<u8>,
    family_initials: Vec<u8>,
}

impl Facts {
    fn keys(&self, date: Option<PartialDate>, mut give: impl FnMut(Kind, u64, u64)) {
        for &family in &self.family {
            for &given in self.given.iter().chain(&self.middle) {
                let (one, two) = (family.number().min(given.number()), family.number().max(given.number()));
                give(Kind::Names, one, two);
            }
            for &initial in &self.given_initials {
                give(Kind::FamilyAndInitial, family.number(), u64::from(initial));
            }
        }
        for &given in &self.given {
            for &initial in &self.family_initials {
                give(Kind::GivenAndInitial, given.number(), u64::from(initial));
            }
        }
        let Some(date) = date else { return };
        for &family in &self.family {
            give(Kind::FamilyAndYear, family.number(), u64::from(date.year()));
        }
        let Some(month) = date.month() else { return };
        for &given in &self.given {
            give(Kind::GivenAndMonth, given.number(), u64::from(date.year()) * 12 + u64::from(month));
        }
        let Some(day) = date.day() else { return };
        for &family in &self.family {
            let (one, two) = (month.min(day), month.max(day));
            give(Kind::FamilyAndDay, family.number(), u64::from(one) << 8 | u64::from(two));
        }
    }
}

fn whole(date: PartialDate) -> Option<u64> {
    Some(date_number(date.year(), date.month()?, date.day()?))
}

fn date_number(year: u16, month: u8, day: u8) -> u64 {
    u64::from(year) << 16 | u64::from(month) << 8 | u64::from(day)
}

fn add(sounds: &mut Vec<Sound>, sound: Sound, limit: usize) {
    if sound.number() > 0 && sounds.len() < limit && !sounds.contains(&sound) {
        sounds.push(sound);
    }
}

fn add_phrase(sounds: &mut Vec<Sound>, names: &Names, id: PhraseId) {
    let phrase = names.phrase(id);
    for &token in phrase.tokens {
        add(sounds, names.token(token).sound, SOUNDS_MAX);
    }
    add(sounds, names.token(phrase.joined).sound, SOUNDS_MAX);
}

fn initials(sounds: &[Sound]) -> Vec<u8> {
    let mut initials: Vec<u8> = sounds.iter().map(|sound| sound.initial()).collect();
    initials.sort_unstable();
    initials.dedup();
    initials
}

/// The keys of a child of the register.
pub(crate) fn stored_keys(row: &Stored, extras: Option<&Extras>, names: &Names, mut give: impl FnMut(Key)) {
    let mut give = |kind: Kind, one, two| give(Key::of(kind as u8, one, two));
    let mut facts = Facts::default();
    add_phrase(&mut facts.given, names, row.given);
    add_phrase(&mut facts.family, names, row.family);
    for &phrase in extras.iter().flat_map(|extras| &extras.given) {
        add_phrase(&mut facts.given, names, phrase);
    }
    for &phrase in extras.iter().flat_map(|extras| &extras.family) {
        add_phrase(&mut facts.family, names, phrase);
    }
    add_phrase(&mut facts.middle, names, row.middle);
    facts.given_initials = initials(&facts.given);
    facts.family_initials = initials(&facts.family);
    facts.keys(row.date(), &mut give);
    if let Some(date) = row.date().and_then(whole) {
        give(Kind::Date, date, 0);
    }
    let former = extras.iter().flat_map(|extras| &extras.former_upns).copied();
    for upn in row.upn().into_iter().chain(former) {
        give(Kind::Upn, upn.number(), 0);
    }
    if let Some(number) = row.nhs_number() {
        give(Kind::NhsNumber, number.sorted_digits(), 0);
    }
    if let Some(postcode) = row.postcode() {
        give(Kind::Postcode, postcode.number(), 0);
    }
}

/// The keys under which a query looks, with nicknames and with day and month exchanged; the surest first.
pub(crate) fn probe_keys(probe: &Probe) -> Vec<(Kind, Key)> {
    let mut keys = Vec::new();
    let mut give = |kind: Kind, one, two| keys.push((kind, Key::of(kind as u8, one, two)));
    let mut facts = Facts::default();
    let sound = |sounds: &mut Vec<Sound>, name: &ProbeName| {
        name.all().for_each(|place| add(sounds, probe.tokens[place].token.sound, SOUNDS_MAX));
    };
    sound(&mut facts.given, &probe.given);
    probe.other_given.iter().for_each(|name| sound(&mut facts.given, name));
    sound(&mut facts.family, &probe.family);
    probe.other_family.iter().for_each(|name| sound(&mut facts.family, name));
    sound(&mut facts.middle, &probe.middle);
    let places = probe.given.tokens.iter().chain(probe.other_given.iter().flat_map(|name| &name.tokens));
    let listed = places.filter_map(|&place| probe.tokens[place].token.listed);
    for nickname in listed.flat_map(|listed| listed.related().take(NICKNAMES_MAX)) {
        add(&mut facts.given, Sound::of(nickname), SOUNDS_MAX + NICKNAMES_MAX);
    }
    facts.given_initials = initials(&facts.given);
    facts.family_initials = initials(&facts.family);
    for upn in probe.upn.iter().chain(&probe.former_upns) {
        give(Kind::Upn, upn.number(), 0);
    }
    if let Some(number) = probe.nhs_number {
        give(Kind::NhsNumber, number.sorted_digits(), 0);
    }
    if let Some(postcode) = probe.postcode {
        give(Kind::Postcode, postcode.number(), 0);
    }
    if let Some(date) = probe.date.and_then(whole) {
        give(Kind::Date, date, 0);
    }
    if let Some((year, month, day)) = probe.date.and_then(exchanged) {
        give(Kind::Date, date_number(year, month, day), 0);
    }
    facts.keys(probe.date, &mut give);
    keys
}

/// The date with its day as month and its month as day, where that is another date.
pub(crate) fn exchanged(date: PartialDate) -> Option<(u16, u8, u8)> {
    let (month, day) = (date.month()?, date.day()?);
    (day <= 12 && day != month).then_some((date.year(), day, month))
}
