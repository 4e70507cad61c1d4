//! What happens on the network and between it and the servers.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use cme_client::transport::{Request, TransportError};
use cme_spec::digest::Digest;
use cme_spec::directory::Directory;
use cme_spec::example;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;
use futures_util::FutureExt as _;

use super::World;
use crate::deployment::Running;
use crate::network::{Lying, Number};

/// Milliseconds that a sender waits for a whole answer, as `cme_client` does.
const PATIENCE_MS: i64 = 30_000;
/// Messages that one exchange takes at most.
const EXCHANGE_STEPS_MAX: usize = 24;

/// The pin that the directory has for an authority's calls.
fn pin_of(directory: &Directory, code: AuthorityCode) -> Digest {
    directory.authority(code).expect("every party is in the directory").client_pins[0]
}

fn picked<T: Clone>(from: &[T], pick: u8) -> Option<T> {
    let index = usize::from(pick).checked_rem(from.len())?;
    from.get(index).cloned()
}

impl World {
    pub(super) async fn send(&mut self, place: usize) -> String {
        let Some(Running { worker, .. }) = &mut self.deployments[place].running else {
            return "down".to_owned();
        };
        let started = worker.start_due(1).await;
        self.settle(place).await;
        match started {
            Ok(0) => "nothing is due".to_owned(),
            Ok(_) => self.newest(place),
            Err(error) => error.to_string(),
        }
    }

    pub(super) async fn pull(&mut self, place: usize, pick: u8) -> String {
        let codes = self.deployments[place].codes.clone();
        let held = self.audit.copies().map(|copy| copy.key);
        let held: Vec<_> = held.filter(|key| codes.contains(&key.hosted)).collect();
        let Some(Running { node, worker, .. }) = &mut self.deployments[place].running else {
            return "down".to_owned();
        };
        let asked = node.pull_asked().now_or_never().flatten();
        let Some(key) = asked.or_else(|| picked(&held, pick)) else { return "nothing to fetch".to_owned() };
        worker.start_pull(key);
        self.settle(place).await;
        self.newest(place)
    }

    pub(super) async fn reconcile(&mut self, place: usize) -> String {
        let Some(Running { rounds, .. }) = &mut self.deployments[place].running else {
            return "down".to_owned();
        };
        let started = rounds.start_due(1).await;
        self.settle(place).await;
        match started {
            Ok(0) => "no pair is due".to_owned(),
            Ok(_) => self.newest(place),
            Err(error) => error.to_string(),
        }
    }

    /// Sends a letter and carries whatever it leads to, until nothing of it is under way.
    pub(super) async fn exchange(&mut self, place: usize) -> String {
        let before: Vec<Number> = self.network.lying().iter().map(|lying| lying.number).collect();
        let mut told = self.send(place).await;
        for _ in 0..EXCHANGE_STEPS_MAX {
            let new = |lying: &Lying| lying.from == place && lying.awaited && !before.contains(&lying.number);
            let Some(next) = self.network.lying().into_iter().find(new) else { break };
            let _ = write!(told, "; {}", self.step(&next).await);
            told += &self.bury_the_dead().await;
        }
        told
    }

    pub(super) async fn carry(&mut self, pick: u8) -> String {
        match picked(&self.network.lying(), pick) {
            Some(lying) => self.step(&lying).await,
            None => "nothing lies on the network".to_owned(),
        }
    }

    pub(super) async fn lose(&mut self, pick: u8, answered: bool) -> String {
        let Some(lying) = self.one_of(pick, |lying| lying.answered == answered) else {
            return "nothing to lose".to_owned();
        };
        self.history.note_fault(if answered { "answer lost" } else { "request lost" });
        self.network.lose(lying.number, TransportError::Broken);
        self.settle(lying.from).await;
        self.describe(&lying)
    }

    pub(super) fn repeat(&mut self, pick: u8) -> String {
        let Some(lying) = self.one_of(pick, |lying| !lying.answered) else {
            return "nothing to repeat".to_owned();
        };
        self.history.note_fault("request repeated");
        self.network.repeat(lying.number);
        self.describe(&lying)
    }

    pub(super) async fn give_up(&mut self, pick: u8) -> String {
        let Some(lying) = self.one_of(pick, |lying| lying.awaited) else {
            return "nobody waits".to_owned();
        };
        self.history.note_fault("sender gives up");
        self.network.give_up(lying.number);
        self.settle(lying.from).await;
        self.describe(&lying)
    }

    pub(super) async fn tear(&mut self, pick: u8) -> String {
        let Some(lying) = self.one_of(pick, |lying| !lying.answered) else {
            return "nothing to tear".to_owned();
        };
        let answer = match &self.deployments[self.called(&lying.request)].running {
            Some(Running { front, .. }) => {
                let pin = pin_of(&example::directory(), lying.request.caller);
                front.ask_half(pin, &lying.request).await
            }
            None => None,
        };
        self.history.note_fault("request torn");
        self.network.lose(lying.number, TransportError::Broken);
        self.settle(lying.from).await;
        format!("{} half: {:?}", self.describe(&lying), answer.map(|answer| answer.status))
    }

    pub(super) fn cut(&mut self, a: usize, b: usize, cut: bool) -> String {
        let pair = (a.min(b), a.max(b));
        if cut {
            self.cut.insert(pair)
        } else {
            self.cut.remove(&pair)
        };
        format!("{} and {}", pair.0, pair.1)
    }

    /// A request arrives and is answered, or an answer arrives.
    pub(super) async fn step(&mut self, lying: &Lying) -> String {
        let to = self.called(&lying.request);
        let pair = (lying.from.min(to), lying.from.max(to));
        let told = if self.cut.contains(&pair) {
            self.history.note_fault("partition");
            self.network.lose(lying.number, TransportError::NoConnection);
            "cut off".to_owned()
        } else if lying.answered {
            if self.network.lying().first().is_some_and(|oldest| oldest.number != lying.number) {
                self.history.note_fault("overtaken");
            }
            self.network.bring_back(lying.number);
            "answered".to_owned()
        } else {
            self.arrive(lying, to).await
        };
        self.settle(lying.from).await;
        format!("{} {told}", self.describe(lying))
    }

    async fn arrive(&mut self, lying: &Lying, to: usize) -> String {
        let Some(Running { front, .. }) = &self.deployments[to].running else {
            self.network.lose(lying.number, TransportError::NoConnection);
            return "finds nobody".to_owned();
        };
        let pin = pin_of(&example::directory(), lying.request.caller);
        let arrived = self.truth.load(Ordering::Relaxed);
        let answer = front.ask(pin, &lying.request).await;
        let took_ms = self.truth.load(Ordering::Relaxed) - arrived;
        // A machine that died meanwhile has said nothing.
        let Some(answer) = answer.filter(|_| !self.deployments[to].faults.is_dead()) else {
            self.network.lose(lying.number, TransportError::Broken);
            return "gets no answer".to_owned();
        };
        let told = self.history.note_answer(&answer);
        self.network.answer(lying.number, answer);
        if took_ms > PATIENCE_MS {
            self.history.note_fault("answer too late");
            self.network.give_up(lying.number);
            return format!("{told}, too late");
        }
        told
    }

    fn called(&self, request: &Request) -> usize {
        self.place_of(request.peer)
    }

    fn one_of(&self, pick: u8, wanted: impl Fn(&Lying) -> bool) -> Option<Lying> {
        let lying: Vec<_> = self.network.lying().into_iter().filter(|lying| wanted(lying)).collect();
        picked(&lying, pick)
    }

    fn newest(&mut self, place: usize) -> String {
        let newest = self.network.lying().into_iter().rfind(|lying| lying.from == place && lying.awaited);
        newest.map_or_else(|| "ended".to_owned(), |lying| self.describe(&lying))
    }

    /// `373 PUT T1/entries/0 330`.
    fn describe(&mut self, lying: &Lying) -> String {
        let Request { caller, peer, method, url, .. } = &lying.request;
        let rest = url.split("/v1/").nth(1).unwrap_or(url);
        let named = rest.strip_prefix("transfers/").and_then(|rest| rest.split_once('/'));
        let what = match named.and_then(|(id, rest)| Some((id.parse::<TransferId>().ok()?, rest))) {
            Some((transfer, rest)) => format!("{}/{rest}", self.history.name(transfer)),
            None => rest.to_owned(),
        };
        format!("{caller} {method} {what} {peer}")
    }
}
