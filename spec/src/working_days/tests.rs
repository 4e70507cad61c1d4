use super::*;
use jiff::civil::date;
use proptest::prelude::*;

fn calendar() -> &'static WorkingDays {
    WorkingDays::england_and_wales()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn knows_the_forty_bank_holidays_of_2024_to_2028() {
    assert_eq!(england_and_wales_bank_holidays().len(), 40);
    assert_eq!(calendar().through(), date(2028, 12, 31));
    assert!(england_and_wales_bank_holidays().iter().all(|day| !calendar().is_working_day(*day)));
}

#[test]
fn every_row_of_the_data_states_its_own_weekday() {
    for line in include_str!("../../data/bank_holidays.csv").lines().skip(1) {
        let fields = split_line(line).unwrap();
        let day: Date = fields[0].parse().unwrap();
        assert_eq!(day.strftime("%A").to_string(), fields[1]);
        assert_eq!(fields[4], "england-and-wales");
    }
}

#[test]
fn steps_over_easter() {
    // Maundy Thursday 2026, then Good Friday, the weekend and Easter Monday.
    assert_eq!(calendar().add(date(2026, 4, 2), 1), Ok(date(2026, 4, 7)));
    assert_eq!(calendar().add(date(2027, 3, 25), 1), Ok(date(2027, 3, 30)));
}

#[test]
fn steps_over_christmas_and_its_substitute_days() {
    // 2026: Christmas on a Friday, Boxing Day on a Saturday and so kept on Monday 28.
    assert_eq!(calendar().add(date(2026, 12, 24), 1), Ok(date(2026, 12, 29)));
    // 2027: Saturday and Sunday, kept on Monday 27 and Tuesday 28.
    assert_eq!(calendar().add(date(2027, 12, 24), 1), Ok(date(2027, 12, 29)));
    // New Year 2028: Saturday, kept on Monday 3.
    assert_eq!(calendar().add(date(2027, 12, 31), 1), Ok(date(2028, 1, 4)));
}

#[test]
fn the_day_one_starts_from_never_counts() {
    let saturday = date(2026, 11, 21);
    assert_eq!(calendar().add(saturday, 0), Ok(saturday));
    assert_eq!(calendar().add(saturday, 1), Ok(date(2026, 11, 23)));
    assert_eq!(calendar().add(date(2026, 11, 20), 1), Ok(date(2026, 11, 23)));
    assert_eq!(calendar().add(date(2026, 11, 23), 5), Ok(date(2026, 11, 30)));
}

#[test]
fn gives_no_date_past_the_known_holidays() {
    let past = Err(CalendarError::PastHolidays { through: date(2028, 12, 31) });
    assert_eq!(calendar().add(date(2028, 12, 28), 1), Ok(date(2028, 12, 29)));
    assert_eq!(calendar().add(date(2028, 12, 29), 1), past);
    assert_eq!(calendar().add(date(2029, 1, 1), 0), past);
    assert_eq!(calendar().add(date(2026, 1, 1), u32::MAX), past);
}

#[test]
fn an_instant_late_on_a_summer_evening_in_utc_is_the_next_london_day() {
    // 23:30 UTC on Thursday 2 July is 00:30 on Friday in London.
    assert_eq!(london_date(at("2026-07-02T23:30:00Z")), date(2026, 7, 3));
    let deadline = calendar().deadline(at("2026-07-02T23:30:00Z"), 1).unwrap();
    assert_eq!(deadline.due, date(2026, 7, 6));
    // In winter London is on UTC.
    assert_eq!(london_date(at("2026-01-08T23:30:00Z")), date(2026, 1, 8));
}

#[test]
fn a_deadline_expires_at_the_start_of_the_next_london_day() {
    let winter = calendar().deadline(at("2026-11-23T09:00:00Z"), 1).unwrap();
    assert_eq!(winter, Deadline { due: date(2026, 11, 24), expires_at: at("2026-11-25T00:00:00Z") });
    let summer = calendar().deadline(at("2026-07-06T09:00:00Z"), 1).unwrap();
    assert_eq!(summer, Deadline { due: date(2026, 7, 7), expires_at: at("2026-07-07T23:00:00Z") });
    assert!(!summer.is_over_at(at("2026-07-07T22:59:59.999999999Z")));
    assert!(summer.is_over_at(at("2026-07-07T23:00:00Z")));
}

#[test]
fn a_deadline_across_a_change_of_the_clocks_keeps_to_london_midnight() {
    // Clocks go forward on Sunday 29 March 2026 and back on Sunday 25 October 2026.
    let spring = calendar().deadline(at("2026-03-27T12:00:00Z"), 1).unwrap();
    assert_eq!(spring, Deadline { due: date(2026, 3, 30), expires_at: at("2026-03-30T23:00:00Z") });
    let autumn = calendar().deadline(at("2026-10-23T12:00:00Z"), 1).unwrap();
    assert_eq!(autumn, Deadline { due: date(2026, 10, 26), expires_at: at("2026-10-27T00:00:00Z") });
}

#[test]
fn holidays_after_the_last_known_day_are_of_no_effect() {
    let calendar = WorkingDays::new([date(2026, 1, 1), date(2027, 1, 1)], date(2026, 12, 31));
    assert_eq!(calendar.holidays().collect::<Vec<_>>(), [date(2026, 1, 1)]);
}

fn days() -> impl Strategy<Value = Date> {
    (0_i64..1700).prop_map(|offset| date(2024, 1, 1).checked_add(jiff::Span::new().days(offset)).unwrap())
}

proptest! {
    #[test]
    fn adding_twice_is_adding_the_sum(day in days(), one in 0_u32..25, other in 0_u32..25) {
        let calendar = calendar();
        prop_assert_eq!(
            calendar.add(day, one).and_then(|middle| calendar.add(middle, other)),
            calendar.add(day, one + other)
        );
    }

    #[test]
    fn a_later_start_never_falls_due_earlier(one in days(), other in days(), count in 0_u32..25) {
        let (earlier, later) = (one.min(other), one.max(other));
        if let (Ok(first), Ok(second)) = (calendar().add(earlier, count), calendar().add(later, count)) {
            prop_assert!(first <= second);
        }
    }

    #[test]
    fn what_falls_due_is_a_working_day_after_the_start(day in days(), count in 1_u32..25) {
        if let Ok(due) = calendar().add(day, count) {
            prop_assert!(due > day && calendar().is_working_day(due));
        }
    }

    #[test]
    fn the_last_instant_in_time_is_on_the_day_it_falls_due(second in 1_704_067_200_i64..1_840_000_000) {
        let received_at = Timestamp::from_second(second).unwrap();
        if let Ok(deadline) = calendar().deadline(received_at, 5) {
            let last = deadline.expires_at - jiff::SignedDuration::from_nanos(1);
            prop_assert_eq!(london_date(last), deadline.due);
            prop_assert_eq!(london_date(deadline.expires_at), deadline.due.tomorrow().unwrap());
        }
    }
}
