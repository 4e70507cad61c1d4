//! The reference peer as a verifier of exports (section 14).

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::Detached;
use crate::stages::{self, ORIGINATING, RECEIVING};

use super::Fault;

/// What a verifier is given, and what it has found so far.
pub(super) struct Verifier<'a> {
    export: &'a Json,
    directory: &'a Json,
    fault: Option<Fault>,
    findings: Vec<Json>,
}

/// A ledger replayed.
struct Replayed {
    stage: &'static str,
    accepted: Option<usize>,
    disputed: Vec<i64>,
    /// Up to which entry bodies may be erased.
    closed_at: Option<usize>,
}

impl<'a> Verifier<'a> {
    /// The findings, or the proof.
    pub(super) fn verdict(export: &'a Json, directory: &'a Json, fault: Option<Fault>) -> (Vec<Json>, Json) {
        let mut verifier = Self { export, directory, fault, findings: Vec::new() };
        let proof = verifier.judge();
        let lenient = fault == Some(Fault::ProvesInSpiteOfFindings);
        let proof = if verifier.findings.is_empty() || lenient { proof } else { Json::Null };
        (verifier.findings, proof)
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn find(&mut self, sequence: Option<usize>, what: &str) {
        let overlooks = (what == "body-digest" && self.is(Fault::FindsNoBodies))
            || (what == "receipt" && self.is(Fault::FindsNoReceipts));
        if overlooks {
            return;
        }
        let mut finding = Json::object([("what", what.into())]);
        if let Some(sequence) = sequence {
            finding.set("/sequence", i64::try_from(sequence).unwrap_or_default());
        }
        self.findings.push(finding);
    }

    fn text(&self, path: &str) -> &'a str {
        self.export.text_at(path).unwrap_or_default()
    }

    fn judge(&mut self) -> Json {
        let named = ["transfer", "originating", "receiving", "exportedBy", "exportedAt", "entries", "forks"];
        let formed = named.iter().all(|name| self.export.member(name).is_some());
        if self.text("/format") != "cme-ledger/1" || !formed {
            self.find(None, "not an export");
            return Json::Null;
        }
        let all = self.export.member("entries").map(Json::items).unwrap_or_default();
        let entries: Vec<&Json> = all[..self.follows(all)].iter().collect();
        let replayed = self.replay(&entries);
        self.bodies(&entries, &replayed);
        self.heads(&entries, &replayed);
        self.proof(&entries, &replayed)
    }

    /// Step 2: how many entries follow each other from the first.
    fn follows(&mut self, entries: &[Json]) -> usize {
        let mut previous = None;
        for (at, entry) in entries.iter().enumerate() {
            let header = crate::draft::header_of(entry);
            let parties =
                (header.text_at("/author").unwrap_or(""), header.text_at("/recipient").unwrap_or(""));
            let (first, second) = (self.text("/originating"), self.text("/receiving"));
            let offer = header.text_at("/type") == Some("offer");
            let fits = header.integer_at("/sequence") == i64::try_from(at).ok()
                && header.text_at("/previous").map(str::to_owned) == previous
                && header.text_at("/transfer") == Some(self.text("/transfer"))
                && (parties == (first, second) || (parties == (second, first) && at > 0))
                && (at > 0 || offer);
            if !fits {
                self.find(Some(at), "chain");
                return at;
            }
            previous = Some(digest(&header));
        }
        if entries.is_empty() {
            self.find(Some(0), "chain");
        }
        entries.len()
    }

    /// The key of that name of an authority.
    fn key(&self, code: &str, kid: &str) -> Option<&'a Json> {
        let listed = self.directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
        let authority = listed.iter().find(|one| one.text_at("/code") == Some(code))?;
        let keys = authority.member("keys").map(Json::items).unwrap_or_default();
        keys.iter().find(|key| key.text_at("/kid") == Some(kid))
    }

    /// Whether a value is signed by a key of that authority that was in its lifetime, a revocation apart; the
    /// time of a revocation, where there is one.
    fn signed(
        &self,
        (code, typ): (&str, &str),
        value: &Json,
        signature: Option<&str>,
        at: Option<jiff::Timestamp>,
    ) -> Result<Option<jiff::Timestamp>, ()> {
        let detached = Detached::read(signature.unwrap_or_default(), typ).map_err(drop)?;
        let key = self.key(code, &detached.kid).ok_or(())?;
        let time = |path: &str| key.text_at(path).and_then(instant::read);
        let lives = time("/validFrom") <= at && time("/retiredAt").is_none_or(|end| at < Some(end));
        let verified = detached.verify(value, key.text_at("/publicKey").unwrap_or_default()).is_ok();
        if lives && verified { Ok(time("/revokedAt")) } else { Err(()) }
    }

    fn receipt<'b>(entry: &'b Json, by: &str) -> Option<&'b Json> {
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        receipts.iter().find(|receipt| receipt.text_at("/receipt/by") == Some(by))
    }

    fn received(entry: &Json, by: &str) -> Option<jiff::Timestamp> {
        Self::receipt(entry, by)?.text_at("/receipt/receivedAt").and_then(instant::read)
    }

    /// Steps 4 to 7.
    fn replay(&mut self, entries: &[&Json]) -> Replayed {
        let sequencer = self.text("/receiving").to_owned();
        let mut replayed =
            Replayed { stage: "offered", accepted: None, disputed: Vec::new(), closed_at: None };
        let (mut before, mut incarnation, mut anew) = (None, 0, false);
        for (at, entry) in entries.iter().enumerate() {
            let header = crate::draft::header_of(entry);
            let disputed = self.evidence(at, entry, &header);
            let received = Self::received(entry, &sequencer);
            let held =
                Self::receipt(entry, &sequencer).and_then(|one| one.integer_at("/receipt/incarnation"));
            if received < before || held.unwrap_or_default() < incarnation {
                self.find(Some(at), "receipt");
            }
            before = received;
            incarnation = held.unwrap_or_default();
            let kind = header.text_at("/type").unwrap_or_default().to_owned();
            let disputed = disputed && !self.is(Fault::CountsTheDisputed);
            let next = stages::next(replayed.stage, &kind, anew);
            let before_is_disputed = !replayed.disputed.is_empty();
            if at > 0 && (disputed || (next.is_none() && before_is_disputed)) {
                replayed.disputed.push(i64::try_from(at).unwrap_or_default());
                continue;
            }
            let by_receiver = header.text_at("/author") == Some(&sequencer);
            let foreign = if by_receiver { &ORIGINATING[..] } else { &RECEIVING[..] };
            match next.filter(|_| !foreign.contains(&kind.as_str())) {
                _ if at == 0 => {}
                None => self.find(Some(at), "replay"),
                Some(next) => replayed.stage = next,
            }
            anew |= kind == "acknowledge" && replayed.stage == "contested";
            if kind == "accept" {
                replayed.accepted = Some(at);
            }
            if matches!(replayed.stage, "upheld" | "redirected" | "withdrawn" | "settled") {
                replayed.closed_at = Some(at);
            }
        }
        replayed
    }

    /// Steps 4 to 6 of an entry: whether it is disputed.
    fn evidence(&mut self, at: usize, entry: &Json, header: &Json) -> bool {
        let (first, second) = (self.text("/originating").to_owned(), self.text("/receiving").to_owned());
        let author = header.text_at("/author").unwrap_or_default();
        let received = Self::received(entry, &second);
        let written = self.signed((author, "cme-entry"), header, entry.text_at("/signature"), received);
        let Ok(revoked) = written else {
            self.find(Some(at), "signature");
            return false;
        };
        let mut disputed = false;
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        for receipt in receipts {
            let content = receipt.member("receipt").cloned().unwrap_or(Json::Null);
            let by = content.text_at("/by").unwrap_or_default().to_owned();
            let time = content.text_at("/receivedAt").and_then(instant::read);
            let named = content.text_at("/headerDigest") == Some(&digest(header))
                && content.at("/entryId") == header.at("/id")
                && content.at("/sequence") == header.at("/sequence")
                && content.at("/transfer") == header.at("/transfer");
            let signed = self.signed((&by, "cme-receipt"), &content, receipt.text_at("/signature"), time);
            match signed.ok().filter(|_| named && (by == first || by == second)) {
                Some(Some(revoked)) if by == second && time >= Some(revoked) => disputed = true,
                Some(_) => {}
                None => self.find(Some(at), "receipt"),
            }
        }
        if received.is_none() {
            self.find(Some(at), "receipt");
        }
        let Some(revoked) = revoked else { return disputed };
        let other = if author == first { &second } else { &first };
        let vouched = Self::received(entry, other).is_some_and(|time| time < revoked);
        disputed || !vouched
    }

    /// Step 3.
    fn bodies(&mut self, entries: &[&Json], replayed: &Replayed) {
        let forked = !self.export.member("forks").map(Json::items).unwrap_or_default().is_empty();
        for (at, entry) in entries.iter().enumerate() {
            match entry.member("body").filter(|body| **body != Json::Null) {
                Some(body) if entry.text_at("/header/bodyDigest") != Some(&digest(body)) => {
                    self.find(Some(at), "body-digest");
                }
                Some(_) => {}
                None => {
                    let late = replayed.closed_at.is_none_or(|closed| at > closed) && !forked;
                    let refuses = self.is(Fault::WantsEveryBody);
                    if entry.text_at("/erasedAt").is_none() || late || refuses {
                        self.find(Some(at), "erasure");
                    }
                }
            }
        }
    }

    /// Step 8.
    fn heads(&mut self, entries: &[&Json], replayed: &Replayed) {
        let newest = entries.last().map_or(Json::Null, |entry| crate::draft::header_of(entry));
        let end = entries.len().saturating_sub(1);
        let own = self.export.member("head").cloned().unwrap_or(Json::Null);
        let by = self.text("/exportedBy").to_owned();
        if self.is(Fault::NeedsNoHead) {
            return;
        }
        if self.is_head(&own, &by) {
            let stage = replayed.disputed.is_empty() && own.text_at("/head/stage") != Some(replayed.stage);
            let other = own.text_at("/head/headerDigest") != Some(&digest(&newest));
            let short = own.integer_at("/head/sequence") > i64::try_from(end).ok();
            if short || other || stage {
                self.find(Some(if short { end + 1 } else { end }), "head");
            }
        } else {
            self.find(None, "head");
        }
        for head in self.export.member("peerHeads").map(Json::items).unwrap_or_default() {
            let by = head.text_at("/head/by").unwrap_or_default();
            let sequence = head.integer_at("/head/sequence").and_then(|at| usize::try_from(at).ok());
            if !self.is_head(head, by) {
                self.find(None, "head");
            } else if sequence > Some(end) && !self.is(Fault::IgnoresPeerHeads) {
                self.find(Some(end + 1), "missing");
            }
        }
    }

    fn is_head(&self, signed: &Json, by: &str) -> bool {
        let head = signed.member("head").cloned().unwrap_or(Json::Null);
        let time = head.text_at("/at").and_then(instant::read);
        let party = by == self.text("/originating") || by == self.text("/receiving");
        let named =
            head.text_at("/by") == Some(by) && head.text_at("/transfer") == Some(self.text("/transfer"));
        party && named && self.signed((by, "cme-head"), &head, signed.text_at("/signature"), time).is_ok()
    }

    /// Step 9: where branches part, and the earliest accept of any.
    fn forks(&mut self, entries: &[&Json]) -> (Vec<Json>, Option<String>) {
        let (mut forks, mut accepted) = (Vec::new(), None);
        for branch in self.export.member("forks").map(Json::items).unwrap_or_default() {
            let items = branch.member("entries").map(Json::items).unwrap_or_default();
            let Some(first) = items.first() else { continue };
            let at =
                first.integer_at("/header/sequence").and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
            let header = crate::draft::header_of(first);
            let vouched = Self::receipt(first, self.text("/receiving")).is_some()
                || header.text_at("/author") == Some(self.text("/receiving"));
            let parts = entries
                .get(at)
                .is_some_and(|other| digest(&crate::draft::header_of(other)) != digest(&header));
            if !vouched || !parts || self.evidence_fails(first, &header) {
                self.find(Some(at), "fork");
                continue;
            }
            self.branch(entries, items, at);
            forks.push(Json::object([("sequence", i64::try_from(at).unwrap_or_default().into())]));
            let accepts = items.iter().filter(|entry| entry.text_at("/header/type") == Some("accept"));
            accepted = accepted.or_else(|| {
                accepts.filter_map(|entry| entry.text_at("/header/createdAt")).map(str::to_owned).next()
            });
        }
        (forks, accepted)
    }

    /// Steps 2 to 4 of the entries of a branch that parts at `at`.
    fn branch(&mut self, entries: &[&Json], items: &[Json], at: usize) {
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        let mut previous = before.map(|entry| digest(&crate::draft::header_of(entry)));
        for (place, entry) in (at..).zip(items) {
            let header = crate::draft::header_of(entry);
            if header.integer_at("/sequence") != i64::try_from(place).ok()
                || header.text_at("/previous").map(str::to_owned) != previous
            {
                self.find(Some(place), "chain");
                return;
            }
            let body = entry.member("body").filter(|body| **body != Json::Null);
            if body.is_some_and(|body| header.text_at("/bodyDigest") != Some(&digest(body))) {
                self.find(Some(place), "body-digest");
            }
            let author = header.text_at("/author").unwrap_or_default();
            let made = header.text_at("/createdAt").and_then(instant::read);
            let at = Self::received(entry, self.text("/receiving")).or(made);
            if self.signed((author, "cme-entry"), &header, entry.text_at("/signature"), at).is_err() {
                self.find(Some(place), "signature");
            }
            previous = Some(digest(&header));
        }
    }

    fn evidence_fails(&mut self, entry: &Json, header: &Json) -> bool {
        let before = self.findings.len();
        self.evidence(0, entry, header);
        let failed = self.findings.len() > before;
        self.findings.truncate(before);
        failed
    }

    /// Section 14.3.
    fn proof(&mut self, entries: &[&Json], replayed: &Replayed) -> Json {
        let (forks, elsewhere) = self.forks(entries);
        let offer = entries.first().map_or(Json::Null, |entry| crate::draft::header_of(entry));
        let newest = entries.last().map_or(Json::Null, |entry| crate::draft::header_of(entry));
        let accept = replayed.accepted.and_then(|at| entries.get(at));
        let at = accept.and_then(|entry| entry.text_at("/header/createdAt")).map(str::to_owned).or(elsewhere);
        let known = accept.and_then(|entry| Self::receipt(entry, self.text("/originating")));
        let known = known.and_then(|receipt| receipt.text_at("/receipt/receivedAt"));
        let responsible = if at.is_some() { self.text("/receiving") } else { self.text("/originating") };
        let null = |text: Option<&str>| text.map_or(Json::Null, Json::from);
        let begun = offer.text_at("/createdAt");
        let span = |code: &str, from: Option<&str>, until: Option<&str>| {
            Json::object([("authority", code.into()), ("from", null(from)), ("until", null(until))])
        };
        let mut spans = vec![span(self.text("/originating"), begun, at.as_deref())];
        if at.is_some() {
            spans.push(span(self.text("/receiving"), at.as_deref(), None));
        }
        let erased =
            entries.iter().enumerate().filter(|(_, entry)| entry.member("body") == Some(&Json::Null));
        let erased: Vec<Json> = erased.map(|(at, _)| i64::try_from(at).unwrap_or_default().into()).collect();
        let disputed = replayed.disputed.iter().map(|at| Json::object([("sequence", (*at).into())]));
        let mut proof = Json::object([
            ("transfer", self.text("/transfer").into()),
            ("originating", self.text("/originating").into()),
            ("receiving", self.text("/receiving").into()),
            ("responsibility", offer.member("responsibility").cloned().unwrap_or(Json::Null)),
            ("stage", replayed.stage.into()),
            ("responsible", responsible.into()),
            ("spans", spans.into()),
            ("entries", i64::try_from(entries.len()).unwrap_or_default().into()),
            ("erased", erased.into()),
            ("disputed", disputed.collect::<Vec<_>>().into()),
            ("forks", forks.into()),
        ]);
        let head = Json::object([
            ("sequence", newest.member("sequence").cloned().unwrap_or(Json::Null)),
            ("headerDigest", digest(&newest).into()),
        ]);
        proof.set("/asOf", head);
        let passed = Json::object([("at", null(at.as_deref())), ("receivedByOriginating", null(known))]);
        proof.set("/passed", if at.is_some() { passed } else { Json::Null });
        if self.is(Fault::ProvesHalf) {
            proof.remove("/spans");
        }
        proof
    }
}
