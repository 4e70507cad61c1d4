//! What the reference peer states of a child (section 12).

use jiff::civil::{Date, Weekday};

use crate::instant::read_date;
use crate::json::Json;

use super::office::Stop;
use super::{Fault, Peer};

/// The first day of each band but the first, by days.
const BANDS: [(i32, &str); 7] = [
    (364, "over-52-weeks"),
    (182, "26-to-52-weeks"),
    (84, "12-to-26-weeks"),
    (56, "8-to-12-weeks"),
    (28, "4-to-8-weeks"),
    (14, "2-to-4-weeks"),
    (0, "less-than-2-weeks"),
];

impl Peer {
    /// What follows from facts on a day.
    pub(super) fn facts(&self, wish: &Json) -> Result<Vec<(&'static str, Json)>, Stop> {
        let date = |path: &str| wish.text_at(path).and_then(read_date);
        let on = date("/on").ok_or(Stop::Failed("there is no day"))?;
        let mut told = Vec::new();
        if let Some(born) = date("/dateOfBirth") {
            told.push(("schoolAge", self.school_age(born, on).into()));
        }
        if let Some(facts) = wish.member("facts") {
            let rule = self.cme_rule(facts, on);
            told.push(("status", if rule == 7 { "cme" } else { "not-cme" }.into()));
            if !self.is(Fault::NamesNoRule) {
                told.push(("rule", rule.into()));
            }
        }
        if wish.member("cmeSince").is_some() {
            told.push(("band", self.band(date("/cmeSince"), on).into()));
        }
        Ok(told)
    }

    fn school_age(&self, born: Date, on: Date) -> &'static str {
        let fifth = years_after(born, 5);
        let prescribed = [(3, 31), (8, 31), (12, 31)];
        let days = prescribed.iter().filter_map(|(month, day)| Date::new(fifth.year(), *month, *day).ok());
        let begins = days.filter(|day| *day >= fifth).min().unwrap_or(fifth);
        let begins = if self.is(Fault::CountsFromTheBirthday) { fifth } else { begins };
        let last = years_after(born, 16);
        let year = if last.month() >= 9 { last.year() + 1 } else { last.year() };
        let june = Date::new(year, 6, 30).unwrap_or(last);
        let back = (june.weekday().to_monday_zero_offset() - Weekday::Friday.to_monday_zero_offset() + 7) % 7;
        let ends = june.checked_sub(jiff::Span::new().days(i64::from(back))).unwrap_or(june);
        if on < begins {
            "below"
        } else if on > ends {
            "over"
        } else {
            "within"
        }
    }

    /// The rule of section 12.2 that fits first.
    fn cme_rule(&self, facts: &Json, on: Date) -> i64 {
        let fact = |name: &str| facts.text_at(&format!("/{name}")).unwrap_or_default();
        let born = read_date(fact("dateOfBirth"));
        let registered = fact("schoolRegistration") == "registered" && !self.is(Fault::AsksForAttendance);
        let known = fact("whereabouts") == "known" || self.is(Fault::TakesUnknownForElsewhere);
        match fact("educationOtherwise") {
            _ if born.is_none_or(|born| self.school_age(born, on) != "within") => 1,
            _ if registered => 2,
            "home-education-suitable" => 3,
            "home-education-not-yet-assessed" => 4,
            "other-provision-suitable" => 5,
            _ if known && fact("areaResidence") == "not-resident" => 6,
            _ => 7,
        }
    }

    fn band(&self, since: Option<Date>, on: Date) -> &'static str {
        let days = since.and_then(|since| since.until(on).ok()).map(|span| span.get_days());
        let days = days.map(|days| if self.is(Fault::CountsInMonths) { days / 30 * 28 } else { days });
        let band = days.and_then(|days| BANDS.iter().find(|(first, _)| *first <= days));
        band.map_or("unknown", |(_, band)| band)
    }
}

fn years_after(day: Date, years: i64) -> Date {
    day.checked_add(jiff::Span::new().years(years)).unwrap_or(day)
}
