//! Bodies by the tables of section 4.4 and the rules beside them.

use crate::json::Json;

use super::body_forms::{self as forms, Form, Member};
use super::{Fault, Refusal, form};

/// Holds when the body has the form of the header's type.
pub(super) fn check(body: &Json, header: &Json, fault: Option<Fault>) -> Result<(), Refusal> {
    let kind = header.text_at("/type").unwrap_or_default();
    let reader = Reader { fault };
    let wrong = reader
        .members(body, forms::of(kind), "")
        .or_else(|| if kind == "offer" { offer_rule(body) } else { later_rule(body, header, fault) });
    match wrong {
        None => Ok(()),
        Some(wrong) => {
            let pointer =
                if reader.is(Fault::PointsNowhere) { Json::Null } else { wrong.pointer.clone().into() };
            let refusal = Refusal::new("body-invalid").with("pointer", pointer);
            Err(if reader.is(Fault::QuotesValues) {
                refusal.with("detail", format!("{} is {}", wrong.pointer, wrong.value))
            } else {
                refusal
            })
        }
    }
}

/// Holds when the body of a statement has the form of its kind (sections 15.1 and 17.1).
pub(super) fn check_statement(
    body: &Json,
    header: &Json,
    (query, fault): (bool, Option<Fault>),
) -> Result<(), Refusal> {
    let reader = Reader { fault };
    let wrong = if query {
        reader.value(body, &forms::QUERY, "").or_else(|| query_rule(body, header, fault))
    } else {
        reader.members(body, forms::NOTICE, "").or_else(|| notice_rule(body, header, fault))
    };
    let subject = if query { "/subject" } else { "/child" };
    let wrong = wrong.or_else(|| subject_rule(body, subject));
    let refused = wrong.map(|wrong| Refusal::new("body-invalid").with("pointer", wrong.pointer));
    let any = if query { Fault::TakesAnyQueryBody } else { Fault::TakesAnyNoticeBody };
    match refused.filter(|_| fault != Some(any)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Whether that is a list of legal bases.
pub(super) fn are_legal_bases(value: &Json) -> bool {
    let count = value.items().len();
    count <= 8 && Reader { fault: None }.value(value, &forms::LEGAL_BASES, "").is_none()
}

/// A member that is wrong.
struct Wrong {
    pointer: String,
    value: String,
}

impl Wrong {
    fn at(pointer: &str, value: Option<&Json>) -> Self {
        Self { pointer: pointer.to_owned(), value: value.map_or_else(String::new, Json::plain) }
    }
}

struct Reader {
    fault: Option<Fault>,
}

impl Reader {
    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The first member that is wrong.
    fn members(&self, value: &Json, members: &[Member], path: &str) -> Option<Wrong> {
        members.iter().find_map(|member| {
            let pointer = format!("{path}/{}", member.name);
            // A reader takes null for left out.
            let held = value.member(member.name);
            let held =
                if self.is(Fault::RefusesNulls) { held } else { held.filter(|held| **held != Json::Null) };
            match held {
                None if member.required && !self.is(Fault::TakesAnyRequired) => {
                    Some(Wrong::at(&pointer, None))
                }
                None => None,
                Some(held) => self.value(held, &member.form, &pointer),
            }
        })
    }

    fn value(&self, value: &Json, form: &Form, pointer: &str) -> Option<Wrong> {
        let inner = match (form, value) {
            (Form::Any, _) => return None,
            (Form::Closed(members), Json::Object(held)) => {
                let foreign = |(name, _): &&(String, Json)| members.iter().all(|member| member.name != *name);
                let wrong = held.iter().find(foreign).filter(|_| !self.is(Fault::TakesFurtherMembers));
                return wrong
                    .map(|(name, value)| Wrong::at(&format!("{pointer}/{name}"), Some(value)))
                    .or_else(|| self.members(value, members, pointer));
            }
            (Form::Object(members), Json::Object(_)) => return self.members(value, members, pointer),
            (Form::List(of, least), Json::Array(items)) if items.len() >= *least => {
                let mut places = items.iter().enumerate();
                return places.find_map(|(at, item)| self.value(item, of, &format!("{pointer}/{at}")));
            }
            (Form::Sequence, Json::Integer(number)) => *number >= 0,
            (Form::Integer(least, most), Json::Integer(number)) => (*least..=*most).contains(number),
            (form, Json::Text(text)) => self.text(text, form),
            _ => false,
        };
        if inner { None } else { Some(Wrong::at(pointer, Some(value))) }
    }

    fn text(&self, text: &str, form: &Form) -> bool {
        let digits = |count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        match form {
            Form::Text => {
                let length = if self.is(Fault::CountsTextBytes) { text.len() } else { text.chars().count() };
                length <= 4_000 && (!text.trim().is_empty() || self.is(Fault::TakesEmptyText))
            }
            Form::Name => text.chars().count() <= 100 && !text.trim().is_empty(),
            Form::OfficerId => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                (1..=32).contains(&text.len()) && text.bytes().all(known)
            }
            Form::PartialDate => {
                let rest = match text.len() {
                    4 => "-01-01",
                    7 => "-01",
                    _ => "",
                };
                crate::instant::read_date(&format!("{text}{rest}")).is_some()
            }
            Form::Date => crate::instant::read_date(text).is_some(),
            Form::Code(codes) => codes.contains(&text) || self.is(Fault::TakesAnyCode),
            Form::Salt => {
                let strict = crate::encoding::from_base64url(text).is_some_and(|bytes| bytes.len() == 16);
                strict || (self.is(Fault::TakesLooseBase64) && text.len() == 22)
            }
            Form::Uuid => form::is_uuid(text),
            Form::Upn => self.is_upn(text),
            Form::NhsNumber => digits(10) && self.is_nhs_number(text),
            Form::Uln => digits(10) && is_uln(text),
            Form::Urn => digits(6) && !text.starts_with('0'),
            Form::Laestab => digits(7),
            Form::Uprn => (1..=12).contains(&text.len()) && digits(text.len()) && !text.starts_with('0'),
            Form::Postcode => is_postcode(text),
            Form::Authority => form::is_code(text),
            Form::Pointer => text.starts_with('/'),
            _ => false,
        }
    }

    /// IDN-003.
    fn is_upn(&self, text: &str) -> bool {
        const LETTERS: &str = "ABCDEFGHJKLMNPQRTUVWXYZ";
        let value = |character: char| LETTERS.find(character);
        let mut characters = text.chars();
        let Some(first) = characters.next().and_then(value) else { return false };
        let rest: Vec<char> = characters.collect();
        let Some((last, digits)) = rest.split_last() else { return false };
        let shaped = rest.len() == 12 && digits.iter().all(char::is_ascii_digit);
        let temporary = value(*last).is_some() && !self.is(Fault::RefusesTemporaryUpns);
        if !shaped || !(last.is_ascii_digit() || temporary) {
            return self.is(Fault::TakesUpnsOfAnyLength) && rest.len() > 12;
        }
        let number = |character: &char| match character.to_digit(10) {
            Some(digit) => digit as usize,
            None => value(*character).unwrap_or_default(),
        };
        let sum: usize = rest.iter().enumerate().map(|(at, character)| (at + 2) * number(character)).sum();
        sum % LETTERS.len() == first || self.is(Fault::TakesAnyUpnLetter)
    }

    /// IDN-004, of ten digits.
    fn is_nhs_number(&self, text: &str) -> bool {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(10)).collect();
        let sum: u32 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
        let check = match 11 - sum % 11 {
            11 => 0,
            other => other,
        };
        let repeats = digits.iter().all(|digit| *digit == digits[0]);
        !repeats && (digits.get(9) == Some(&check) || self.is(Fault::TakesAnyNhsCheckDigit))
    }
}

fn is_uln(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(10)).collect();
    let rest = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum::<u32>() % 11;
    rest != 0 && digits.get(9) == Some(&(10 - rest))
}

/// The postcodes of section 1.
fn is_postcode(text: &str) -> bool {
    let Some((outward, inward)) = text.split_once(' ') else { return false };
    let class = |part: &str| -> String {
        part.chars()
            .map(|character| match character {
                '0'..='9' => '9',
                'A'..='Z' => 'A',
                _ => '?',
            })
            .collect()
    };
    let second_fits = !outward.chars().nth(1).is_some_and(|second| matches!(second, 'I' | 'Z'));
    let known = ["A9", "A99", "AA9", "AA99", "A9A", "AA9A", "AAA"].contains(&class(outward).as_str());
    class(inward) == "9AA" && (text == "GIR 0AA" || (known && second_fits))
}

/// The rules beside the table of an offer, and PRV-009.
fn offer_rule(body: &Json) -> Option<Wrong> {
    let has = |path: &str| body.at(path).is_some_and(|value| *value != Json::Null);
    let wrong = |path: &str| Some(Wrong::at(path, body.at(path)));
    if has("/child/upn") == has("/child/upnUnknownReason") {
        return wrong("/child/upnUnknownReason");
    }
    if has("/circumstances/lastSchool") {
        let named =
            ["urn", "laestab", "name"].iter().any(|name| has(&format!("/circumstances/lastSchool/{name}")));
        if !named {
            return wrong("/circumstances/lastSchool");
        }
        let ground =
            |member: &str| body.text_at(&format!("/circumstances/lastSchool/deletionGround/{member}"));
        if ground("regulations") == Some("2006") && ground("letter") == Some("o") {
            return wrong("/circumstances/lastSchool/deletionGround/letter");
        }
    }
    let risks = body.member("risks").map(Json::items).unwrap_or_default();
    let twice = risks.iter().enumerate().any(|(at, risk)| risks[..at].contains(risk));
    let standard = body.text_at("/circumstances/locationSensitivity") == Some("standard");
    if twice || (standard && risks.contains(&"restricted-location".into())) {
        return wrong("/risks");
    }
    if has("/believedAddress") && !standard && has("/circumstances/locationSensitivity") {
        return wrong("/believedAddress");
    }
    None
}

/// Sequences in a body are lower than the entry's own.
fn later_rule(body: &Json, header: &Json, fault: Option<Fault>) -> Option<Wrong> {
    let of = body.text_at("/outcome/of/transfer");
    if of.is_some() && of == header.text_at("/transfer") && fault != Some(Fault::TakesDuplicatesOfThemselves)
    {
        return Some(Wrong::at("/outcome/of/transfer", None));
    }
    let own = header.integer_at("/sequence").unwrap_or_default();
    let late = |name: &&str| body.integer_at(name).is_some_and(|sequence| sequence >= own);
    let found = ["/inReplyTo", "/corrects"].into_iter().find(|name| late(name));
    found.map(|path| Wrong::at(path, body.at(path)))
}

fn has(body: &Json, path: &str) -> bool {
    body.at(path).is_some_and(|value| *value != Json::Null)
}

/// The rules of section 15.1 beside the table of the subject.
fn subject_rule(body: &Json, path: &str) -> Option<Wrong> {
    let at = |name: &str| format!("{path}/{name}");
    let named = ["dateOfBirth", "upns", "nhsNumber"].iter().any(|name| has(body, &at(name)));
    let both = has(body, &at("nhsNumber")) && has(body, &at("lastPostcode"));
    let upns = body.at(&at("upns")).map(Json::items).unwrap_or_default();
    let twice = upns.iter().enumerate().any(|(index, upn)| upns[..index].contains(upn));
    let long = ["formerFamilyNames", "alsoKnownAs"]
        .into_iter()
        .find(|name| body.at(&at(name)).map_or(0, |list| list.items().len()) > 8);
    if !named {
        return Some(Wrong::at(path, None));
    }
    if twice || upns.len() > 4 {
        return Some(Wrong::at(&at("upns"), None));
    }
    if both {
        return Some(Wrong::at(&at("lastPostcode"), None));
    }
    long.map(|name| Wrong::at(&at(name), None))
}

/// The rules of section 17.1, and NTC-005.
fn notice_rule(body: &Json, header: &Json, fault: Option<Fault>) -> Option<Wrong> {
    let kind = header.text_at("/kind").unwrap_or_default();
    let wrong = |path: &str| Some(Wrong::at(path, body.at(path)));
    let roll = kind != "seen";
    if has(body, "/school") != roll {
        return wrong("/school");
    }
    let named = ["urn", "laestab", "name"].iter().any(|name| has(body, &format!("/school/{name}")));
    if roll && !named {
        return wrong("/school");
    }
    let removed = kind == "removed-from-roll";
    if let Some(path) =
        ["/deletionGround", "/lastAttended"].into_iter().find(|path| has(body, path) && !removed)
    {
        return wrong(path);
    }
    if has(body, "/byRole") == roll {
        return wrong("/byRole");
    }
    let standard = body.text_at("/locationSensitivity") == Some("standard");
    if standard || fault == Some(Fault::TellsOfTheRestricted) {
        return None;
    }
    if !removed {
        return wrong("/locationSensitivity");
    }
    if has(body, "/child/lastPostcode") { wrong("/child/lastPostcode") } else { None }
}

/// QRY-006.
fn query_rule(body: &Json, header: &Json, fault: Option<Fault>) -> Option<Wrong> {
    let second = has(body, "/secondOfficer");
    let same = second && body.at("/secondOfficer/id") == body.at("/officer/id");
    let broken = (header.member("broadcast").is_some() != second || same)
        && fault != Some(Fault::LetsOneOfficerBroadcast);
    broken.then(|| Wrong::at("/secondOfficer", None))
}
