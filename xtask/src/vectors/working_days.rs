//! Deadlines in English working days, and the clocks of whole ledgers.

use cme_spec::entry::EntryType as E;
use cme_spec::example::{self, Story, instant};
use cme_spec::instant::Instant;
use cme_spec::ledger::due::due;
use cme_spec::working_days::{CalendarError, WorkingDays, london_date};
use serde_json::{Value, json};

use super::{accept, joined, reject, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`kind` deadline: so many working days from an instant, by the bank holidays of this file. The deadline ends at `expiresAt`, the first instant of the London day after `dueOn`; past `holidaysThrough` there is none. \
clocks: the deadlines that run at the newest of `entries` under the policy of ledgers/directory.json.";

const SOURCE: &str = "section 7.1";

/// Name, instant, working days.
const DEADLINES: [(&str, &str, u32); 22] = [
    ("a Tuesday, five days", "2026-11-24T09:30:01.25Z", 5),
    ("over Christmas and New Year", "2026-12-23T12:00:00Z", 5),
    ("on Christmas Day", "2026-12-25T12:00:00Z", 1),
    ("a summer night that is the next day in London", "2026-07-10T23:30:00Z", 1),
    ("the last instant of a London summer day", "2026-07-09T22:59:59.999999999Z", 1),
    ("the first instant of a London summer day", "2026-07-09T23:00:00Z", 1),
    ("the last instant of a winter day", "2026-01-08T23:59:59.999999999Z", 1),
    ("zero days", "2026-11-24T09:30:00Z", 0),
    ("zero days from a Sunday", "2026-11-22T09:30:00Z", 0),
    ("from a Friday", "2026-11-20T09:30:00Z", 1),
    ("from a Saturday", "2026-11-21T09:30:00Z", 1),
    ("from a Sunday", "2026-11-22T09:30:00Z", 1),
    ("over Easter 2027", "2027-03-25T10:00:00Z", 1),
    ("over Easter 2027 and the change of the clocks", "2027-03-24T10:00:00Z", 3),
    ("over the early May holiday", "2027-04-30T10:00:00Z", 1),
    ("over the change to summer time", "2026-03-27T12:00:00Z", 1),
    ("over the change to winter time", "2026-10-23T12:00:00Z", 1),
    ("in the hour that comes twice", "2026-10-25T00:30:00Z", 1),
    ("a Christmas Day on a Saturday", "2027-12-24T12:00:00Z", 1),
    ("a New Year's Day on a Saturday", "2027-12-31T12:00:00Z", 1),
    ("the twenty days of a review", "2026-12-01T09:00:00Z", 20),
    ("the last day of which the holidays are known", "2028-12-28T12:00:00Z", 1),
];

pub(super) fn file() -> TextFile {
    let calendar = WorkingDays::england_and_wales();
    let mut cases: Vec<Value> =
        DEADLINES.iter().map(|(name, at, days)| deadline(calendar, name, instant(at), *days)).collect();
    for (name, at, days) in [
        ("one day past the known holidays", "2028-12-29T12:00:00Z", 1),
        ("beginning past the known holidays", "2029-01-02T12:00:00Z", 0),
        ("far past the known holidays", "2026-11-24T12:00:00Z", 2_000),
    ] {
        cases.push(deadline(calendar, name, instant(at), days));
    }
    cases.extend(clocks());
    let holidays: Vec<_> = calendar.holidays().collect();
    let shared = json!({
        "source": "GOV.UK bank holidays of England and Wales, 2024 to 2028",
        "bankHolidays": holidays,
        "holidaysThrough": calendar.through(),
    });
    vectors("working-days.json", ABOUT, shared, cases)
}

fn deadline(calendar: &WorkingDays, name: &str, at: Instant, days: u32) -> Value {
    let london = london_date(at.timestamp());
    let asked = json!({ "source": SOURCE, "kind": "deadline", "receivedAt": at, "londonDate": london, "workingDays": days });
    match calendar.deadline(at.timestamp(), days) {
        Ok(deadline) => {
            let expires_at = Instant::new(deadline.expires_at);
            accept(name, joined(asked, json!({ "dueOn": deadline.due, "expiresAt": expires_at })))
        }
        Err(CalendarError::PastHolidays { .. }) => {
            reject(name, joined(asked, json!({ "reason": "past-holidays" })))
        }
        Err(CalendarError::OutOfRange) => reject(name, joined(asked, json!({ "reason": "out-of-range" }))),
    }
}

fn clocks() -> Vec<Value> {
    let directory = example::directory();
    let stories: [(&str, &[E]); 12] = [
        ("offered", &[E::Offer]),
        ("acknowledged", &[E::Offer, E::Acknowledge]),
        ("a question pauses nothing", &[E::Offer, E::RequestInformation, E::SupplyInformation]),
        ("declined", &[E::Offer, E::Decline]),
        ("contested: the decision begins anew", &[E::Offer, E::Decline, E::Contest]),
        ("accepted", &[E::Offer, E::Accept]),
        ("accepted, with a sign of work", &[E::Offer, E::Accept, E::RequestInformation]),
        ("upheld", &[E::Offer, E::Decline, E::Contest, E::Uphold]),
        ("redirected", &[E::Offer, E::Redirect]),
        ("withdrawn", &[E::Offer, E::Withdraw]),
        ("settled", &[E::Offer, E::Accept, E::Outcome]),
        ("retracted", &[E::Offer, E::Accept, E::Outcome, E::Retract]),
    ];
    let case = |(name, kinds): (&str, &[E])| {
        let story = Story::of(1, kinds);
        let running = due(story.ledger(), |issue| (issue == directory.issue).then_some(&directory.policy));
        let running = running.expect("the holidays are known");
        let entries: Vec<Value> = story.entries().iter().map(|entry| entry.to_json().into_value()).collect();
        let members =
            json!({ "source": "section 7.2", "kind": "clocks", "due": running, "entries": entries });
        accept(&format!("clocks: {name}"), members)
    };
    stories.map(case).into()
}
