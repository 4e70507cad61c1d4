//! What could happen now.

use cme_spec::entry::EntryType;
use cme_spec::example;
use cme_spec::ledger::Stage;

use super::{AUTHORITIES, World};
use crate::audit::Copy;
use crate::op::{Chances, Op};

/// A number of a deployment or an authority, as operations name it.
fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("a handful")
}

/// Whether officers in a simulation go so far: in each transfer they correct, ask, answer and reopen once.
fn is_worth_it(copy: &Copy, kind: EntryType) -> bool {
    use EntryType::{Correct, RequestInformation, Retract, SupplyInformation};
    !matches!(kind, Correct | RequestInformation | Retract | SupplyInformation)
        || copy.entries.iter().all(|entry| entry.kind != kind)
}

impl World {
    /// What could happen now.
    pub(crate) fn chances(&self) -> Chances {
        let lying = self.network.lying();
        let mut chances = Chances {
            deployments: self.deployments.len() as u64,
            homes: AUTHORITIES.into_iter().map(|code| byte(self.place_of(example::code(code)))).collect(),
            requests: lying.iter().any(|lying| !lying.answered),
            answers: lying.iter().any(|lying| lying.answered),
            waiters: lying.iter().any(|lying| lying.awaited),
            undecided: self.undecided(),
            ..Chances::default()
        };
        chances.mends.extend(self.cut.iter().map(|(a, b)| Op::Join { a: byte(*a), b: byte(*b) }));
        for deployment in &self.deployments {
            let books = || deployment.codes.iter().filter_map(|code| self.audit.0.get(code));
            let (at, faults) = (byte(deployment.number), &deployment.faults);
            chances.mends.extend(faults.is_full().then_some(Op::Full { at, on: false }));
            chances.mends.extend(faults.is_slow().then_some(Op::Slow { at, seconds: 0 }));
            let now = deployment.clock.milliseconds();
            let mut letters = books().flat_map(|books| &books.letters);
            if deployment.running.is_none() {
                chances.mends.push(Op::Start { at });
                continue;
            }
            if letters.any(|letter| !letter.dead && letter.next_at <= now) {
                chances.sends.push(at);
            }
            if books().any(|books| !books.copies.is_empty()) {
                chances.holds.push(at);
            }
        }
        for (number, code) in AUTHORITIES.into_iter().map(example::code).enumerate() {
            if self.officers_node(code).is_some() {
                let worth_it = self.decisions(code).filter(|(copy, kind)| is_worth_it(copy, *kind));
                chances.decides.extend(worth_it.map(|(_, kind)| (byte(number), kind)));
            }
            let dead =
                self.audit.0.get(&code).is_some_and(|books| books.letters.iter().any(|letter| letter.dead));
            if dead {
                chances.resolves.push(byte(number));
            }
        }
        chances
    }

    fn undecided(&self) -> usize {
        let open = [Stage::Offered, Stage::Acknowledged, Stage::Declined, Stage::Contested];
        let ledgers = self.audit.copies().filter(|copy| copy.is_sequencers());
        let proposals = self.audit.0.values().flat_map(|books| &books.proposals);
        ledgers.filter(|copy| open.contains(&copy.ledger.stage())).count()
            + proposals.filter(|proposal| proposal.kind == EntryType::Offer).count()
    }
}
