//! Deadlines and clocks.

use cme_spec::directory::Archive;
use cme_spec::instant::Instant;
use cme_spec::ledger::due::due;
use cme_spec::working_days::{CalendarError, WorkingDays, london_date};
use jiff::civil::Date;
use serde_json::{Value, json as value};

use super::entries::ledger_of;
use super::{document, each_case, json, name, str_of};

#[test]
fn deadlines_and_clocks_are_those_published() {
    let file = document("working-days.json");
    let holidays: Vec<Date> = serde_json::from_value(file["bankHolidays"].clone()).unwrap();
    let calendar = WorkingDays::new(holidays, str_of(&file, "holidaysThrough").parse().unwrap());
    let archive = Archive::start(&json(&document("ledgers/directory.json")), None).unwrap();
    each_case("working-days.json", 30, 3, |case, take| match str_of(case, "kind") {
        "deadline" => deadline(&calendar, case, take),
        "clocks" => {
            let ledger = ledger_of(case["entries"].as_array().unwrap());
            let running = due(&ledger, |issue| archive.issue(issue).map(|issue| &issue.policy)).unwrap();
            assert_eq!(value!(running), case["due"], "{}", name(case));
        }
        other => panic!("kind {other}"),
    });
}

fn deadline(calendar: &WorkingDays, case: &Value, take: bool) {
    let at: Instant = str_of(case, "receivedAt").parse().unwrap();
    let days = u32::try_from(case["workingDays"].as_u64().unwrap()).unwrap();
    assert_eq!(london_date(at.timestamp()).to_string(), str_of(case, "londonDate"), "{}", name(case));
    match calendar.deadline(at.timestamp(), days) {
        Ok(deadline) => {
            assert!(take, "{}", name(case));
            assert_eq!(deadline.due.to_string(), str_of(case, "dueOn"), "{}", name(case));
            let expires_at: Instant = str_of(case, "expiresAt").parse().unwrap();
            assert_eq!(deadline.expires_at, expires_at.timestamp(), "{}", name(case));
        }
        Err(CalendarError::PastHolidays { .. }) => {
            assert_eq!((take, str_of(case, "reason")), (false, "past-holidays"), "{}", name(case));
        }
        Err(CalendarError::OutOfRange) => panic!("{}: out of range", name(case)),
    }
}
