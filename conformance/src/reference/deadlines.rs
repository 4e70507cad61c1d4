//! Deadlines of section 7.2, as the reference peer shows them.

use jiff::civil::{Date, Weekday};

use crate::instant;
use crate::json::Json;

use super::ledger::Held;
use super::{Fault, Peer};

impl Peer {
    /// The running deadlines of a ledger, and the names of those that can't be computed.
    pub(super) fn deadlines(&self, held: &Held) -> (Vec<Json>, Vec<Json>) {
        let directory = self.directory();
        let policy = directory.at("/directory/policy").cloned().unwrap_or(Json::Null);
        let class = held.header(0).text_at("/clockClass").unwrap_or("standard").to_owned();
        let last = |kinds: &[&str]| {
            let kind =
                |entry: &&Json| entry.text_at("/header/type").is_some_and(|kind| kinds.contains(&kind));
            held.entries.iter().rfind(kind)
        };
        let days = |name: &str| {
            let member = policy.integer_at(&format!("/{name}"));
            member.or_else(|| policy.integer_at(&format!("/{name}/{class}"))).unwrap_or_default()
        };
        let review = || {
            let by = |entry: &&Json| {
                entry.text_at("/header/author") == Some(&held.receiving)
                    && entry.text_at("/header/type") != Some("outcome")
            };
            held.entries.iter().rfind(by)
        };
        let mut running: Vec<(&str, Option<&Json>, i64)> = Vec::new();
        match held.stage {
            "offered" => {
                running.push(("acknowledge", last(&["offer"]), days("acknowledgeWorkingDays")));
                running.push(("decide", last(&["offer"]), days("decideWorkingDays")));
            }
            "acknowledged" => running.push(("decide", last(&["offer"]), days("decideWorkingDays"))),
            "contested" => running.push(("decide", last(&["contest"]), days("decideWorkingDays"))),
            "declined" | "upheld" | "redirected" | "withdrawn" => {
                let kinds = ["decline", "uphold", "redirect", "withdraw"];
                running.push(("originating-acts", last(&kinds), days("originActWorkingDays")));
            }
            "accepted" => running.push(("review", review(), days("reviewWorkingDays"))),
            _ => {}
        }
        if self.is(Fault::ForgetsADeadline) {
            running.retain(|(name, ..)| *name != "decide");
        }
        let (mut deadlines, mut open) = (Vec::new(), Vec::new());
        for (name, entry, days) in running {
            match self.ends(entry, days, &policy) {
                Some((due, ends)) => deadlines.push(Json::object([
                    ("deadline", name.into()),
                    ("dueOn", due.to_string().into()),
                    ("ends", ends.into()),
                ])),
                None => open.push(name.into()),
            }
        }
        (deadlines, open)
    }

    /// Last day and end of a deadline that starts at the sequencer's receipt for an entry (CLK-001 to 003).
    fn ends(&self, entry: Option<&Json>, days: i64, policy: &Json) -> Option<(Date, String)> {
        let path = if self.is(Fault::CountsFromCreation) {
            "/header/createdAt"
        } else {
            "/receipts/0/receipt/receivedAt"
        };
        let start = instant::read(entry?.text_at(path)?)?;
        let zone = instant::london();
        let mut day = start.to_zoned(zone.clone()).date();
        let mut left = days;
        while left > 0 {
            day = day.tomorrow().ok()?;
            let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            let holiday = policy.member("bankHolidays").map(Json::items).unwrap_or_default();
            let holiday = holiday.contains(&day.to_string().into());
            if (!weekend && !holiday) || self.is(Fault::CountsEveryDay) {
                left -= 1;
            }
        }
        let through = policy.text_at("/holidaysThrough").and_then(instant::read_date)?;
        if day > through && !self.is(Fault::ComputesAnyDeadline) {
            return None;
        }
        let ends = day.tomorrow().ok()?.to_zoned(zone).ok()?.timestamp();
        Some((day, instant::written(ends)))
    }
}
