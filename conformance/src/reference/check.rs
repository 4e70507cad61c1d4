//! Steps 2 to 6 of section 9.4.

use std::sync::Arc;

use crate::encoding::digest;
use crate::instant;
use crate::json::Json;
use crate::jws::{Detached, SignatureError, reduced};
use crate::wire::Request;

use super::{ENTRY_BYTES_MAX, Fault, Outcome, Peer, Refusal, body, form};

/// Types that version 1.0 knows.
const TYPES: [&str; 13] = [
    "offer",
    "acknowledge",
    "request-information",
    "supply-information",
    "accept",
    "decline",
    "contest",
    "uphold",
    "redirect",
    "withdraw",
    "outcome",
    "retract",
    "correct",
];

/// How long a fault looks for a child.
const THOUGHT: std::time::Duration = std::time::Duration::from_millis(400);

impl Peer {
    /// Puts an entry.
    pub(super) fn put(self: &Arc<Self>, caller: &str, path: (&str, &str), request: &Request) -> Outcome {
        let entry = self.content(request)?;
        let header = crate::draft::header_of(&entry);
        self.shape(&entry, &header)?;
        let party = self.party(caller, &header);
        let checks: [&dyn Fn() -> Result<(), Refusal>; 5] = [
            &|| known(&header),
            &|| path_fits(path, &header),
            &|| self.parties(caller, &header),
            &|| self.body(&entry, &header),
            &|| self.signature(&entry, &header),
        ];
        let order: &[usize] = match self.fault {
            Some(Fault::ChecksTypeLate) => &[1, 2, 0, 3, 4],
            Some(Fault::ChecksPathLate) => &[0, 2, 1, 3, 4],
            _ => &[0, 1, 2, 3, 4],
        };
        if self.is(Fault::ChecksPlaceFirst) {
            self.place_alone(&party, &header)?;
        }
        order.iter().try_for_each(|step| checks[*step]())?;
        let child = entry.at("/body/child").and_then(|child| self.knows(child));
        if self.is(Fault::ThinksOfTheKnown) && child.is_some() {
            std::thread::sleep(THOUGHT);
        }
        if self.is(Fault::RefusesTheShielded) && child == Some(true) {
            return Err(Refusal::new("not-a-party"));
        }
        let (status, mut answer) = self.judge(&party, &entry, &header)?;
        if self.is(Fault::TellsOfTheKnown) && child == Some(false) {
            answer.set("/known", true);
        }
        Ok((status, answer))
    }

    /// The party for which a caller writes: itself, or the authority that it follows (section 8.4).
    fn party(&self, caller: &str, header: &Json) -> String {
        let codes = ["/author", "/recipient"].map(|path| header.text_at(path).unwrap_or_default());
        let followed = codes.iter().find(|code| self.follows(caller, code));
        (*followed.unwrap_or(&caller)).to_owned()
    }

    pub(super) fn content(&self, request: &Request) -> Result<Json, Refusal> {
        let media_type = request.field("Content-Type").unwrap_or_default().to_ascii_lowercase();
        if media_type.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refusal::new("media-type"));
        }
        let chunked = request.field("Transfer-Encoding").is_some();
        if chunked && self.is(Fault::RefusesChunks) {
            return Err(Refusal::new("internal"));
        }
        let limit = if self.is(Fault::RefusesLargeEntries) { ENTRY_BYTES_MAX / 2 } else { ENTRY_BYTES_MAX };
        if request.content.len() > limit && !self.is(Fault::TakesAnyLength) {
            return Err(
                Refusal::new("too-large").with("limit", i64::try_from(ENTRY_BYTES_MAX).unwrap_or_default())
            );
        }
        let entry = self.read(&request.content).ok_or(Refusal::new("malformed"))?;
        self.limits(&entry, 1)?;
        Ok(entry)
    }

    fn read(&self, bytes: &[u8]) -> Option<Json> {
        let mut bytes = bytes;
        if self.is(Fault::TakesByteOrderMarks) {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        if self.is(Fault::TakesTextAfterTheValue) {
            bytes = bytes.strip_suffix(b" {}").unwrap_or(bytes);
        }
        if self.is(Fault::ReadsLoosely) || self.is(Fault::TakesFractions) {
            let strict = Json::read(bytes);
            let duplicate = strict == Err(crate::json::ParseError::Duplicate);
            let number = strict == Err(crate::json::ParseError::Number);
            if (duplicate && self.is(Fault::ReadsLoosely)) || (number && self.is(Fault::TakesFractions)) {
                return serde_json::from_slice(bytes).ok().map(|value| loose(&value));
            }
        }
        Json::read(bytes).ok()
    }

    /// The limits of section 2.1.
    fn limits(&self, value: &Json, depth: usize) -> Result<(), Refusal> {
        let beyond = |limit: i64| Err(Refusal::new("limit-exceeded").with("limit", limit));
        let is_long = |text: &str| {
            let length = if self.is(Fault::CountsBytesOfStrings) { text.len() } else { text.chars().count() };
            length > 16_384 && !self.is(Fault::TakesLongStrings)
        };
        match value {
            Json::Array(_) | Json::Object(_) if depth > 16 && !self.is(Fault::TakesAnyDepth) => beyond(16),
            Json::Text(text) if is_long(text) => beyond(16_384),
            Json::Array(items) if items.len() > 256 && !self.is(Fault::TakesLongArrays) => beyond(256),
            Json::Object(members) if members.len() > 128 && !self.is(Fault::TakesWideObjects) => beyond(128),
            Json::Array(items) => items.iter().try_for_each(|item| self.limits(item, depth + 1)),
            Json::Object(members) => members.iter().try_for_each(|(name, value)| {
                if is_long(name) {
                    return beyond(16_384);
                }
                self.limits(value, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    /// ENT-001 and ENT-002, and the form of the signature.
    fn shape(&self, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let signature = entry.text_at("/signature").ok_or(Refusal::new("malformed"))?;
        if !self.is_header(header) || !self.are_receipts(entry) {
            return Err(Refusal::new("malformed"));
        }
        let erased = entry.member("erasedAt");
        let body = entry.member("body").filter(|body| **body != Json::Null);
        let erased_at_fits =
            erased.is_none_or(|at| matches!(at, Json::Text(at) if instant::read(at).is_some()));
        let beside = erased.is_some() && body.is_some() && !self.is(Fault::TakesErasedAtBesideBody);
        if !erased_at_fits || beside || !matches!(body, None | Some(Json::Object(_))) {
            return Err(Refusal::new("malformed"));
        }
        if body.is_none() && erased.is_none() && !self.is(Fault::TakesNoBody) {
            return Err(Refusal::new("body-missing"));
        }
        self.detached(signature).map(|_| ()).map_err(|_| Refusal::new("signature-invalid"))
    }

    fn is_header(&self, header: &Json) -> bool {
        let text = |name: &str| header.text_at(name).unwrap_or_default();
        let uuid = |name: &str| {
            let text = text(name);
            let text = if self.is(Fault::TakesCapitalsInUuids) {
                text.to_ascii_lowercase()
            } else {
                text.to_owned()
            };
            form::is_uuid(&text)
        };
        let time = |text: &str| {
            let utc = text.replace("+00:00", "Z");
            instant::read(if self.is(Fault::TakesAnyTimeZone) { &utc } else { text }).is_some()
        };
        let sequence = header.integer_at("/sequence").filter(|sequence| *sequence >= 0);
        let previous_fits = match (sequence, header.member("previous")) {
            (Some(0), Some(Json::Null)) => true,
            (Some(1..), Some(Json::Text(digest))) => form::is_digest(digest),
            _ => false,
        };
        let minor = text("/protocol").split_once('.').map(|(_, minor)| minor).unwrap_or_default();
        let protocol_fits = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
        let class = header.member("clockClass");
        let class_fits = matches!(text("/clockClass"), "standard" | "urgent")
            || (class.is_none() && self.is(Fault::MissesNoMember));
        let code = |name: &str| form::is_code(text(name));
        let epoch = header.integer_at("/responsibility/epoch").is_some_and(|epoch| epoch >= 1);
        uuid("/transfer")
            && uuid("/id")
            && uuid("/responsibility/id")
            && previous_fits
            && protocol_fits
            && class_fits
            && epoch
            && code("/author")
            && code("/recipient")
            && !text("/type").is_empty()
            && time(text("/createdAt"))
            && (form::is_digest(text("/bodyDigest"))
                || (self.is(Fault::TakesLooseBase64) && text("/bodyDigest").len() == 43))
            && form::links_fit(header)
    }

    fn are_receipts(&self, entry: &Json) -> bool {
        let Some(receipts) = entry.member("receipts") else { return true };
        let Json::Array(receipts) = receipts else { return false };
        let by = |receipt: &Json| receipt.text_at("/receipt/by").unwrap_or_default().to_owned();
        let twice = receipts.len() == 2 && by(&receipts[0]) == by(&receipts[1]);
        receipts.len() <= 2
            && (!twice || self.is(Fault::TakesTwoReceiptsOfOne))
            && receipts.iter().all(form::is_receipt)
    }

    fn parties(&self, caller: &str, header: &Json) -> Result<(), Refusal> {
        let parties = (header.text_at("/author"), header.text_at("/recipient"));
        let own = Some(self.role.code.as_str());
        let caller = self.party(caller, header);
        let caller = Some(caller.as_str());
        if parties == (caller, own) || parties == (own, caller) {
            Ok(())
        } else {
            Err(Refusal::new("not-a-party"))
        }
    }

    pub(super) fn body(&self, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let body = entry.member("body").filter(|body| **body != Json::Null);
        let delivered = entry.member("receipts").is_some_and(|receipts| !receipts.items().is_empty());
        let Some(body) = body else {
            let fits = (delivered && !self.is(Fault::RefusesErased)) || self.is(Fault::TakesNoBody);
            return if fits { Ok(()) } else { Err(Refusal::new("body-missing")) };
        };
        let digest = self.digest(body);
        if header.text_at("/bodyDigest") != Some(&digest)
            && !self.is(Fault::TakesOtherBodies)
            && !self.is(Fault::TakesLooseBase64)
        {
            return Err(Refusal::new("body-digest-mismatch"));
        }
        body::check(body, header, self.fault)
    }

    /// The digest of a value as received, or as a fault takes it.
    pub(super) fn digest(&self, value: &Json) -> String {
        match self.fault {
            Some(Fault::DigestsTypedValues) => digest(&form::known_alone(value)),
            Some(Fault::SortsByUtf8) => {
                crate::encoding::digest_of_bytes(form::sorted_by_utf8(value).as_bytes())
            }
            _ => digest(value),
        }
    }

    pub(super) fn signature(&self, entry: &Json, header: &Json) -> Result<(), Refusal> {
        let signature = entry.text_at("/signature").unwrap_or_default();
        let detached = self.detached(signature).map_err(|_| Refusal::new("signature-invalid"))?;
        let author = header.text_at("/author").unwrap_or_default();
        let key = self.key(author, &detached.kid).ok_or(Refusal::new("key-unknown"))?;
        // A delivery is judged at the time of the sequencer's receipt; step 9 looks at revocations again.
        let sequencer = header.text_at("/recipient").filter(|_| author == self.role.code).unwrap_or(author);
        let receipts = entry.member("receipts").map(Json::items).unwrap_or_default();
        let by = |receipt: &&Json| receipt.text_at("/receipt/by") == Some(sequencer);
        let received = receipts.iter().find(by).filter(|_| self.is_originating(header));
        let at = received.and_then(|receipt| receipt.text_at("/receipt/receivedAt"));
        self.lifetime(&key, at.and_then(instant::read).unwrap_or_else(instant::now))?;
        let public = key.text_at("/publicKey").unwrap_or_default();
        let verified = detached.verify(header, public);
        if verified.is_ok() || self.is(Fault::VerifiesNothing) {
            return Ok(());
        }
        let lowered = reduced(signature).and_then(|lowered| Detached::read(&lowered, "cme-entry").ok());
        match lowered.filter(|_| self.is(Fault::TakesHighS)) {
            Some(lowered) if lowered.verify(header, public).is_ok() => Ok(()),
            _ => Err(Refusal::new("signature-invalid")),
        }
    }

    /// Holds when the key is in its lifetime at that time (section 3.2).
    pub(super) fn lifetime(&self, key: &Json, at: jiff::Timestamp) -> Result<(), Refusal> {
        let time = |member: &str| key.text_at(member).and_then(instant::read);
        let begun = time("/validFrom").is_some_and(|from| from <= at) || self.is(Fault::TakesKeysToCome);
        let retired = time("/retiredAt").is_some_and(|end| end <= at) && !self.is(Fault::TakesRetiredKeys);
        let revoked = time("/revokedAt").is_some_and(|end| end <= at) && !self.is(Fault::TakesRevokedKeys);
        if begun && !retired && !revoked { Ok(()) } else { Err(Refusal::new("key-not-valid")) }
    }

    /// Whether this peer offered in the ledger of that header.
    fn is_originating(&self, header: &Json) -> bool {
        let other = |path: &str| header.text_at(path).filter(|code| *code != self.role.code);
        let party = other("/author").or_else(|| other("/recipient")).unwrap_or_default();
        let state = self.lock();
        state.ledgers.get(&self.key_of(party, header)).is_some_and(|held| held.originating == self.role.code)
    }

    /// A signature of the right form; of a form that a fault takes, put right.
    fn detached(&self, signature: &str) -> Result<Detached, SignatureError> {
        let strict = Detached::read(signature, "cme-entry");
        let lenient = match self.fault {
            Some(Fault::TakesAnyAlg) => Detached::read_with_alg(signature),
            Some(Fault::TakesAnyTyp) => Detached::read(signature, "cme-receipt"),
            Some(Fault::TakesUnknownHeaderMembers) => Detached::read_with_members(signature),
            _ => return strict,
        };
        strict.or(lenient)
    }

    /// A key of an authority by its name.
    pub(super) fn key(&self, code: &str, kid: &str) -> Option<Json> {
        let of = |authority: &Json| {
            let keys = authority.member("keys").map(Json::items).unwrap_or_default();
            keys.iter().find(|key| key.text_at("/kid") == Some(kid)).cloned()
        };
        if self.is(Fault::TakesAnybodysKey) {
            let directory = self.directory();
            let authorities = directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
            return authorities.iter().find_map(of);
        }
        let authority = self.authority(code)?;
        // A residuary successor's keys count too (DIR-010).
        of(&authority).or_else(|| of(&self.authority(&self.successor(&authority)?)?))
    }
}

fn known(header: &Json) -> Result<(), Refusal> {
    if !header.text_at("/protocol").is_some_and(|protocol| protocol.starts_with("1.")) {
        return Err(Refusal::new("protocol-unsupported"));
    }
    if header.text_at("/type").is_some_and(|kind| TYPES.contains(&kind)) {
        Ok(())
    } else {
        Err(Refusal::new("type-unknown"))
    }
}

fn path_fits((transfer, sequence): (&str, &str), header: &Json) -> Result<(), Refusal> {
    let held = header.integer_at("/sequence").unwrap_or_default().to_string();
    if header.text_at("/transfer") == Some(transfer) && held == sequence {
        Ok(())
    } else {
        Err(Refusal::new("path-mismatch"))
    }
}

/// What a lenient reader makes of a document.
fn loose(value: &serde_json::Value) -> Json {
    use serde_json::Value as V;
    match value {
        V::Null => Json::Null,
        V::Bool(value) => (*value).into(),
        V::Number(number) => number.as_i64().unwrap_or_default().into(),
        V::String(text) => Json::text(text.clone()),
        V::Array(items) => Json::Array(items.iter().map(loose).collect()),
        V::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), loose(value))).collect())
        }
    }
}
