//! Dates of birth beside each other.

use crate::blocking::exchanged;
use crate::child::PartialDate;
use crate::weights::Level;

/// How far two dates of birth agree.
pub(super) fn level(one: Option<PartialDate>, other: Option<PartialDate>) -> Level {
    let (Some(one), Some(other)) = (one, other) else { return Level::Missing };
    let (Some(month), Some(other_month)) = (one.month(), other.month()) else {
        return if one.year() == other.year() { Level::Year } else { Level::Different };
    };
    let (Some(day), Some(other_day)) = (one.day(), other.day()) else {
        let agree = one.year() == other.year() && month == other_month;
        return if agree { Level::YearAndMonth } else { Level::Different };
    };
    if one == other {
        return Level::Exact;
    }
    if exchanged(one) == Some((other.year(), other_month, other_day)) {
        return Level::Swapped;
    }
    let near = match (one.year() == other.year(), month == other_month, day == other_day) {
        (true, true, false) => slip(u16::from(day), u16::from(other_day)),
        (true, false, true) => slip(u16::from(month), u16::from(other_month)),
        (false, true, true) => slip(one.year(), other.year()),
        _ => false,
    };
    if near { Level::Near } else { Level::Different }
}

/// Whether one number is a slip away from the other: the next one, one digit changed, or two exchanged.
fn slip(one: u16, other: u16) -> bool {
    let digits = |number: u16| [number / 1000, number / 100 % 10, number / 10 % 10, number % 10];
    let (left, right) = (digits(one), digits(other));
    let changed = left.iter().zip(&right).filter(|(left, right)| left != right).count();
    let exchanged = changed == 2 && left[2] == right[3] && left[3] == right[2];
    one.abs_diff(other) == 1 || changed == 1 || exchanged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_as_far_as_both_are_known() {
        for (one, other, expected) in [
            ("2014-03-02", "2014-03-02", Level::Exact),
            ("2014-03-02", "2014-02-03", Level::Swapped),
            ("2014-03-02", "2014-03-12", Level::Near),
            ("2014-03-02", "2014-04-02", Level::Near),
            ("2014-03-02", "2015-03-02", Level::Near),
            ("2014-03-02", "2041-03-02", Level::Near),
            ("2014-03-21", "2014-03-12", Level::Near),
            ("2014-03-02", "2014-03-25", Level::Different),
            ("2014-03-02", "2015-04-02", Level::Different),
            ("2014-03", "2014-03-02", Level::YearAndMonth),
            ("2014-04", "2014-03-02", Level::Different),
            ("2014", "2014-03-02", Level::Year),
            ("2014-03-02", "2015", Level::Different),
        ] {
            let (first, second) = (one.parse().ok(), other.parse().ok());
            assert_eq!(level(first, second), expected, "{one} and {other}");
            assert_eq!(level(second, first), expected, "{other} and {one}");
        }
        assert_eq!(level(None, "2014".parse().ok()), Level::Missing);
    }
}
