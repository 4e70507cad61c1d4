//! Times as the text writes them.

use jiff::{SignedDuration, Timestamp};

/// The time now, in milliseconds.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The time that many seconds from now; before now where negative.
pub(crate) fn in_seconds(seconds: i64) -> Timestamp {
    now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// A time in the written form of section 1.
pub(crate) fn written(at: Timestamp) -> String {
    at.to_string()
}

/// The London date that many days from today.
pub(crate) fn date(days: i64) -> String {
    in_seconds(days * 86_400).to_zoned(london()).date().to_string()
}

/// The time zone of working days, by its rule of today: what the machine knows of time zones is not asked.
pub(crate) fn london() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap_or(jiff::tz::TimeZone::UTC)
}

/// Reads a time of the written form: `YYYY-MM-DDTHH:MM:SS[.f]Z`, no other.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    if bytes.len() < 20 || !text.is_ascii() || !text.ends_with('Z') {
        return None;
    }
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let shaped = marks.iter().all(|(at, mark)| bytes[*at] == *mark)
        && [0..4, 5..7, 8..10, 11..13, 14..16, 17..19].into_iter().all(digits)
        && &text[17..19] != "60";
    let fraction = &text[19..text.len() - 1];
    let fraction_fits = fraction.is_empty()
        || (fraction.starts_with('.')
            && (2..=10).contains(&fraction.len())
            && fraction[1..].bytes().all(|byte| byte.is_ascii_digit()));
    if shaped && fraction_fits { text.parse().ok() } else { None }
}

/// Reads a date of the written form.
pub(crate) fn read_date(text: &str) -> Option<jiff::civil::Date> {
    if text.len() == 10 && text.is_ascii() { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn london_keeps_summer_time() {
        let at = |text: &str| read(text).unwrap().to_zoned(london()).datetime().to_string();
        assert_eq!(at("2026-07-10T23:30:00Z"), "2026-07-11T00:30:00");
        assert_eq!(at("2026-12-23T23:30:00Z"), "2026-12-23T23:30:00");
    }

    #[test]
    fn reads_the_written_form_alone() {
        for good in ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.25Z", "2026-11-24T09:30:00.123456789Z"] {
            assert!(read(good).is_some(), "{good}");
        }
        assert_eq!(read("2026-11-24T09:30:00Z"), read("2026-11-24T09:30:00.000Z"));
        for bad in [
            "2026-11-24T09:30:00+00:00",
            "2026-11-24t09:30:00Z",
            "2026-11-24 09:30:00Z",
            "2026-11-24T09:30Z",
            "2026-11-24T09:30:60Z",
            "2026-02-30T09:30:00Z",
            "2026-11-24T09:30:00.Z",
            "2026-11-24T09:30:00.1234567890Z",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert!(read(&written(now())).is_some());
    }
}
