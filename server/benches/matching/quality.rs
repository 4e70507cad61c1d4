//! Answers beside the truth.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use cme_matching::generate::Asked;
use cme_matching::{Answer, Child, Decision, Field};
use serde_json::{Value, json};

use crate::{Form, share};

/// Shares and times of a set of queries.
pub(crate) struct Quality {
    queries: usize,
    known: usize,
    found_among_ten: usize,
    matches: usize,
    right_matches: usize,
    possible: usize,
    twin_queries: usize,
    wrong_twin_matches: usize,
    /// Ascending.
    times: Vec<Duration>,
}

/// An answer and how long it took.
pub(crate) type Timed = (Answer, Duration);

/// Asks, one after the other on one thread.
pub(crate) fn answered(asked: &[Asked], form: Form, find: impl Fn(&Child) -> Answer) -> Vec<Timed> {
    let queries: Vec<Child> = asked.iter().map(form).collect();
    let timed = |query| {
        let begun = Instant::now();
        let answer = find(query);
        (answer, begun.elapsed())
    };
    queries.iter().map(timed).collect()
}

impl Quality {
    pub(crate) fn of(asked: &[Asked], answers: &[Timed]) -> Self {
        let mut quality = Self {
            queries: asked.len(),
            known: 0,
            found_among_ten: 0,
            matches: 0,
            right_matches: 0,
            possible: 0,
            twin_queries: 0,
            wrong_twin_matches: 0,
            times: answers.iter().map(|(_, time)| *time).collect(),
        };
        quality.times.sort_unstable();
        for (asked, (answer, _)) in asked.iter().zip(answers) {
            let first = answer.candidates.first().map(|candidate| candidate.id);
            let is_match = answer.decision == Decision::Match;
            quality.known += usize::from(asked.truth.is_some());
            let found = answer.candidates.iter().any(|candidate| Some(candidate.id) == asked.truth);
            quality.found_among_ten += usize::from(found);
            quality.matches += usize::from(is_match);
            quality.right_matches += usize::from(is_match && first == asked.truth);
            quality.possible += usize::from(answer.decision == Decision::Possible);
            quality.twin_queries += usize::from(asked.twin.is_some());
            quality.wrong_twin_matches +=
                usize::from(is_match && asked.twin.is_some() && first == asked.twin);
        }
        quality
    }

    fn recall_among_ten(&self) -> f64 {
        share(self.found_among_ten, self.known)
    }

    fn match_precision(&self) -> f64 {
        share(self.right_matches, self.matches)
    }

    fn match_recall(&self) -> f64 {
        share(self.right_matches, self.known)
    }

    fn percentile(&self, of_thousand: usize) -> Duration {
        let place = (self.times.len() * of_thousand / 1000).min(self.times.len().saturating_sub(1));
        self.times.get(place).copied().unwrap_or_default()
    }

    fn rate(&self) -> f64 {
        let total: Duration = self.times.iter().sum();
        share(self.times.len(), 1) / total.as_secs_f64()
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut report = json!({
            "queries": self.queries,
            "inRegister": self.known,
            "recallAmongTen": self.recall_among_ten(),
            "matchPrecision": self.match_precision(),
            "matchRecall": self.match_recall(),
            "wrongMatches": self.matches - self.right_matches,
            "possible": self.possible,
            "twinQueries": self.twin_queries,
            "wrongTwinMatches": self.wrong_twin_matches,
        });
        if let (Some(report), Value::Object(times)) = (report.as_object_mut(), self.times_to_json()) {
            report.extend(times);
        }
        report
    }

    pub(crate) fn times_to_json(&self) -> Value {
        json!({
            "perSecond": self.rate(),
            "p50Microseconds": self.percentile(500).as_micros(),
            "p99Microseconds": self.percentile(990).as_micros(),
            "maxMicroseconds": self.percentile(1000).as_micros(),
        })
    }

    pub(crate) fn times(&self) -> String {
        format!(
            "{:.0} a second, p50 {:?}, p99 {:?}, longest {:?}",
            self.rate(),
            self.percentile(500),
            self.percentile(990),
            self.percentile(1000)
        )
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} queries, {} in the register: among ten {:.4}, match precision {:.4} ({} wrong), match recall \
             {:.4}, {} possible; wrong twin {} of {}; {}",
            self.queries,
            self.known,
            self.recall_among_ten(),
            self.match_precision(),
            self.matches - self.right_matches,
            self.match_recall(),
            self.possible,
            self.wrong_twin_matches,
            self.twin_queries,
            self.times()
        )
    }
}

/// Shows some children who were not found, or were not a match, and the matches that were wrong.
pub(crate) fn print_misses(asked: &[Asked], answers: &[Timed], form: Form) {
    const SHOWN: usize = 12;
    let pairs = || asked.iter().zip(answers).map(|(asked, (answer, _))| (asked, answer));
    let first = |answer: &Answer| answer.candidates.first().map(|candidate| candidate.id);
    let is_match = |answer: &Answer| answer.decision == Decision::Match;
    let found = |asked: &Asked, answer: &Answer| {
        answer.candidates.iter().any(|candidate| Some(candidate.id) == asked.truth)
    };
    eprintln!("  wrong matches:");
    let wrong = pairs().filter(|(asked, answer)| is_match(answer) && first(answer) != asked.truth);
    wrong.take(SHOWN).for_each(|(asked, answer)| print(asked, answer, form));
    eprintln!("  not among ten:");
    let lost = pairs().filter(|(asked, answer)| asked.truth.is_some() && !found(asked, answer));
    lost.take(SHOWN).for_each(|(asked, answer)| print(asked, answer, form));
    eprintln!("  known and no match, by reason:");
    let mut reasons = BTreeMap::<String, usize>::new();
    let unsure = || pairs().filter(|(asked, answer)| asked.truth.is_some() && !is_match(answer));
    for (_, answer) in unsure() {
        let reason = format!("{:?} {:?} {}", answer.decision, answer.reason, given_level(answer));
        *reasons.entry(reason).or_default() += 1;
    }
    eprintln!("    {reasons:?}");
    unsure().take(SHOWN).for_each(|(asked, answer)| print(asked, answer, form));
}

fn print(asked: &Asked, answer: &Answer, form: Form) {
    let query = serde_json::to_string(&form(asked)).unwrap_or_default();
    eprintln!(
        "    {query}\n      truth {:?} twin {:?} {:?} {:?} register {:.1}",
        asked.truth, asked.twin, answer.decision, answer.reason, answer.register_bits
    );
    for candidate in answer.candidates.iter().take(2) {
        let weighing = candidate.fields.iter().filter(|held| held.bits != 0.0);
        let fields: Vec<String> =
            weighing.map(|held| format!("{:?} {:?} {:.1}", held.field, held.level, held.bits)).collect();
        eprintln!("      {:?} {:.1}: {}", candidate.id, candidate.weight, fields.join(", "));
    }
}

fn given_level(answer: &Answer) -> String {
    let fields = answer.candidates.first().map_or(&[][..], |first| &first.fields);
    let given = fields.iter().find(|held| held.field == Field::GivenName);
    given.map_or_else(String::new, |held| format!("{:?}", held.level))
}
