//! One child of the register, in 48 bytes.

use crate::child::{Child, PartialDate, Sex};
use crate::identifier::{NhsNumber, Postcode, Upn};
use crate::names::{Names, PhraseId, Role};
use crate::probe::{former_upns, other_names};
use crate::weights::{FIELDS, Field};

/// What a register holds of one child; what few children have is in [`Extras`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: u64,
    upn: u64,
    nhs_number: u64,
    postcode: u64,
    pub(crate) given: PhraseId,
    pub(crate) middle: PhraseId,
    pub(crate) family: PhraseId,
    /// Year in 11 bits, month in 4, day in 5, sex in 2, nought where missing; and whether there are extras.
    date_and_sex: u32,
}

/// Set in [`Stored::date_and_sex`] if the child has [`Extras`].
const HAS_EXTRAS: u32 = 1 << 31;

/// Former and other names and numbers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) given: Vec<PhraseId>,
    pub(crate) family: Vec<PhraseId>,
    pub(crate) former_upns: Vec<Upn>,
}

impl Stored {
    /// The row of a child, whose names are put in and counted.
    pub(crate) fn new(id: u64, child: &Child, names: &mut Names) -> (Self, Option<Box<Extras>>) {
        let mut phrase = |name: &Option<String>| name.as_deref().map_or(0, |name| names.phrase_id(name));
        let (given, middle) = (phrase(&child.given_name), phrase(&child.middle_names));
        let family = phrase(&child.family_name);
        let date = child.date_of_birth.map_or(0, |date| {
            u32::from(date.year()) << 11
                | u32::from(date.month().unwrap_or(0)) << 7
                | u32::from(date.day().unwrap_or(0)) << 2
        });
        let sex = match child.sex {
            None => 0,
            Some(Sex::Female) => 1,
            Some(Sex::Male) => 2,
        };
        let mut stored = Self {
            id,
            upn: child.upn.as_deref().and_then(Upn::read).map_or(0, Upn::number),
            nhs_number: child.nhs_number.as_deref().and_then(NhsNumber::read).map_or(0, NhsNumber::number),
            postcode: child.postcode.as_deref().and_then(Postcode::read).map_or(0, Postcode::number),
            given,
            middle,
            family,
            date_and_sex: date | sex,
        };
        let mut extras = Extras { former_upns: former_upns(child).collect(), ..Extras::default() };
        for (given, family) in other_names(child) {
            extras.given.extend(Some(names.phrase_id(&given)).filter(|&id| id > 0));
            extras.family.extend(Some(names.phrase_id(&family)).filter(|&id| id > 0));
        }
        stored.count(names, true);
        let extras = (extras != Extras::default()).then(|| Box::new(extras));
        if extras.is_some() {
            stored.date_and_sex |= HAS_EXTRAS;
        }
        (stored, extras)
    }

    /// Counts the child among those who bear its names, or takes it out of the count.
    pub(crate) fn count(&self, names: &mut Names, borne: bool) {
        names.count(self.given, Role::Given, borne);
        names.count(self.family, Role::Family, borne);
        names.count(self.middle, Role::Middle, borne);
    }

    pub(crate) fn upn(&self) -> Option<Upn> {
        Upn::from_number(self.upn)
    }

    pub(crate) fn nhs_number(&self) -> Option<NhsNumber> {
        NhsNumber::from_number(self.nhs_number)
    }

    pub(crate) fn postcode(&self) -> Option<Postcode> {
        Postcode::from_number(self.postcode)
    }

    pub(crate) fn date(&self) -> Option<PartialDate> {
        let part = |shift: u32, bits: u32| {
            let value = (self.date_and_sex >> shift) & ((1 << bits) - 1);
            u8::try_from(value).ok().filter(|&value| value > 0)
        };
        let year = u16::try_from((self.date_and_sex & !HAS_EXTRAS) >> 11).unwrap_or(0);
        PartialDate::new(year, part(7, 4), part(2, 5)).ok()
    }

    pub(crate) const fn has_extras(&self) -> bool {
        self.date_and_sex & HAS_EXTRAS != 0
    }

    pub(crate) const fn sex(&self) -> Option<Sex> {
        match self.date_and_sex & 3 {
            1 => Some(Sex::Female),
            2 => Some(Sex::Male),
            _ => None,
        }
    }
}

/// How many children have a value at all, by field: how rare a value is, is told among them alone.
#[derive(Default)]
pub(crate) struct Having([u32; FIELDS]);

impl Having {
    /// Counts the child, or takes it out of the count.
    pub(crate) fn count(&mut self, row: &Stored, held: bool) {
        let has = [
            (Field::GivenName, row.given > 0),
            (Field::MiddleNames, row.middle > 0),
            (Field::FamilyName, row.family > 0),
            (Field::DateOfBirth, row.date().is_some()),
            (Field::Postcode, row.postcode().is_some()),
        ];
        for (field, _) in has.into_iter().filter(|(_, has)| *has) {
            let count = &mut self.0[field as usize];
            *count = if held { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// Of a field whose values have a rarity.
    pub(crate) const fn of(&self, field: Field) -> u32 {
        self.0[field as usize]
    }
}

impl Extras {
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + 4 * (self.given.capacity() + self.family.capacity())
            + 8 * self.former_upns.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small_and_gives_back_what_was_put_in() {
        assert_eq!(size_of::<Stored>(), 48);
        let mut names = Names::default();
        for (date, sex) in [("2014-12-31", Some(Sex::Male)), ("2099-01", Some(Sex::Female)), ("1900", None)] {
            let date = date.parse().unwrap();
            let child = Child {
                date_of_birth: Some(date),
                sex,
                upn: Some("H83000000012T".to_owned()),
                nhs_number: Some("9990000018".to_owned()),
                postcode: Some("XX1 2AB".to_owned()),
                ..Child::default()
            };
            let (row, extras) = Stored::new(7, &child, &mut names);
            assert_eq!((row.date(), row.sex()), (Some(date), sex));
            assert_eq!(row.upn(), Upn::read("H83000000012T"));
            assert_eq!(row.nhs_number(), NhsNumber::read("9990000018"));
            assert_eq!(row.postcode(), Postcode::read("XX12AB"));
            assert!(extras.is_none());
        }
        let (row, _) = Stored::new(8, &Child::default(), &mut names);
        assert_eq!((row.date(), row.sex(), row.upn(), row.nhs_number()), (None, None, None, None));
    }
}
