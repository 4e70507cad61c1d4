//! What the subject is made to do through its adapter.

use crate::adapter::AdapterError;
use crate::draft::bodies;
use crate::encoding::digest;
use crate::json::Json;

use super::{Court, Found, Miss, Played, Put};

/// A transfer that the subject has offered, and that the suite has receipted.
pub(crate) struct Offered {
    pub(crate) transfer: String,
    /// The offer as the subject sent it.
    pub(crate) entry: Json,
}

impl Court<'_> {
    /// What the adapter answers; nothing where the subject refuses.
    pub(crate) fn wish(&mut self, verb: &str, what: &str, members: Vec<(&str, Json)>) -> Found<Option<Json>> {
        let Some(adapter) = &self.bench.adapter else {
            return Err(Miss::Unexercised("there is no adapter".into()));
        };
        match adapter.ask(verb, what, members) {
            Ok(answer) => Ok(Some(answer)),
            Err(AdapterError::Refused(_)) => Ok(None),
            Err(error) => Err(Miss::Unexercised(format!("{verb} {what}: {error}"))),
        }
    }

    /// What the adapter answers, where the subject has no reason to refuse.
    pub(crate) fn made_to(&mut self, verb: &str, what: &str, members: Vec<(&str, Json)>) -> Found<Json> {
        let told = self.wish(verb, what, members)?;
        told.ok_or_else(|| Miss::Unexercised(format!("{verb} {what}: the subject refused")))
    }

    /// Lets the subject offer a child to that authority. Gives the transfer's name.
    pub(crate) fn trigger_offer(&mut self, to: &str, members: Vec<(&str, Json)>) -> Found<Option<String>> {
        let mut all = vec![("to", to.into()), ("body", wishes("offer")), ("clockClass", "standard".into())];
        for (name, value) in members {
            all.retain(|(held, _)| *held != name);
            all.push((name, value));
        }
        let told = self.wish("trigger", "offer", all)?;
        let named = |told: Json| {
            let transfer = told.text_at("/transfer").map(str::to_owned);
            transfer.ok_or_else(|| Miss::Unexercised("trigger offer: the answer names no transfer".into()))
        };
        told.map(named).transpose()
    }

    /// Lets the subject offer a child, where it has no reason to refuse, and waits for the offer.
    pub(crate) fn made_to_offer(&mut self, played: &Played) -> Found<Offered> {
        self.made_to_offer_with(played, Vec::new())
    }

    /// The same, with other members of the wish.
    pub(crate) fn made_to_offer_with(
        &mut self,
        played: &Played,
        members: Vec<(&str, Json)>,
    ) -> Found<Offered> {
        let refused = || Miss::Unexercised("trigger offer: the subject refused".into());
        let transfer = self.trigger_offer(&played.peer.code, members)?.ok_or_else(refused)?;
        let puts = self.puts(played, &transfer, 0, 1)?;
        let entry = puts.first().map_or(Json::Null, |put| put.entry.clone());
        Ok(Offered { transfer, entry })
    }

    /// The same, and waits until the suite has receipted the offer.
    pub(crate) fn offered_by_subject(&mut self, played: &Played) -> Found<Offered> {
        let offered = self.made_to_offer(played)?;
        let stored = |played: &Played| !played.entries(&offered.transfer).is_empty();
        if !played.wait(self.bench.waits.act, stored) {
            return Err(Miss::Unexercised("the subject's offer did not arrive".into()));
        }
        self.settled(played, &offered.transfer)?;
        Ok(offered)
    }

    /// Waits until the subject shows its copy of a ledger that it offered: it has taken the receipt in.
    pub(crate) fn settled(&mut self, played: &Played, transfer: &str) -> Found<Json> {
        let until = std::time::Instant::now() + self.bench.waits.act;
        let wanted = i64::try_from(played.entries(transfer).len()).unwrap_or_default() - 1;
        loop {
            let response = self.get(&played.peer, &format!("/v1/transfers/{transfer}/entries"))?;
            let page = Json::read(&response.content).unwrap_or(Json::Null);
            if response.status == 200 && page.integer_at("/head/head/sequence") >= Some(wanted) {
                return self.read_ledger(&played.peer, transfer);
            }
            if std::time::Instant::now() > until {
                let told = super::reply::told(&response);
                return Err(Miss::Unexercised(format!("the subject does not hold the ledger: {told}")));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Lets the subject decide something, where it has no reason to refuse.
    pub(crate) fn made_to_decide(&mut self, transfer: &str, kind: &str) -> Found<()> {
        let members = vec![("transfer", transfer.into()), ("type", kind.into()), ("body", wishes(kind))];
        self.made_to("trigger", "decide", members).map(|_| ())
    }

    /// The puts of a ledger's entry by the subject, once there are that many, or when the wait is over.
    pub(crate) fn puts(
        &mut self,
        played: &Played,
        transfer: &str,
        sequence: i64,
        count: usize,
    ) -> Found<Vec<Put>> {
        let of = |played: &Played| played.puts_of(transfer, sequence);
        if played.wait(self.bench.waits.act, |played| of(played).len() >= count) {
            return Ok(of(played));
        }
        let seen = of(played).len();
        Err(Miss::Unexercised(format!("entry {sequence} was sent {seen} times, and {count} are needed")))
    }

    /// What officers of the subject are shown of a transfer.
    pub(crate) fn shown(&mut self, transfer: &str) -> Found<Json> {
        self.made_to("observe", "transfer", vec![("transfer", transfer.into())])
    }

    /// A delivery by the suite, of an entry of a ledger that the subject offered, which has to be taken.
    pub(crate) fn delivered(&mut self, played: &Played, entry: &Json) -> Found<Json> {
        let response = self.put(&played.peer, entry)?;
        self.receipted(&response, entry, 201)
            .map_err(|actual| Miss::Unexercised(format!("a good delivery was not taken: {actual}")))
    }
}

impl Court<'_> {
    /// An offer by that authority which the subject has taken, held on both sides; gives the transfer's name.
    pub(crate) fn taken_by_subject(&mut self, played: &Played) -> Found<String> {
        let peer = played.peer.clone();
        let ledger = self.offered(&peer)?;
        for entry in &ledger.entries {
            played.store(&ledger.transfer, entry.clone());
        }
        Ok(ledger.transfer)
    }

    /// Waits until the subject answers again after it was started.
    pub(crate) fn awake(&mut self) -> Found<()> {
        let peer = self.peer()?;
        let until = std::time::Instant::now() + self.bench.waits.act;
        loop {
            self.connections.clear();
            match self.get(&peer, "/v1/capabilities") {
                Ok(response) if response.status == 200 => return Ok(()),
                _ if std::time::Instant::now() > until => {
                    return Err(Miss::Unexercised("the subject does not answer after its start".into()));
                }
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
    }
}

/// A body as a wish has it: without its salt, which the subject takes itself.
pub(crate) fn wishes(kind: &str) -> Json {
    let mut body = bodies::of(kind);
    body.remove("/salt");
    body
}

/// The digest of an entry's header.
pub(crate) fn header_digest(entry: &Json) -> String {
    digest(&crate::draft::header_of(entry))
}
