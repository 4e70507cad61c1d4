//! The tables of section 4.4 and the code lists of section 4.5, as data.

/// What a value may be.
pub(super) enum Form {
    Any,
    Text,
    /// A text of at most 100 characters.
    Name,
    /// The pseudonym of an officer.
    OfficerId,
    Date,
    /// As much of a date as is known.
    PartialDate,
    Code(&'static [&'static str]),
    Salt,
    Uuid,
    Upn,
    NhsNumber,
    Uln,
    Urn,
    Laestab,
    Uprn,
    Postcode,
    Authority,
    Pointer,
    Sequence,
    /// From, up to.
    Integer(i64, i64),
    /// Of what, and how many at least.
    List(&'static Form, usize),
    Object(&'static [Member]),
    /// An object that has these members and no other.
    Closed(&'static [Member]),
}

/// A member of an object.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) form: Form,
}

const fn needs(name: &'static str, form: Form) -> Member {
    Member { name, required: true, form }
}

const fn may(name: &'static str, form: Form) -> Member {
    Member { name, required: false, form }
}

const CME_REASON: Form = Form::Code(&[
    "moved-in-from-another-la",
    "moved-in-from-another-country",
    "application-awaiting-outcome",
    "offered-not-accepted",
    "waiting-school-start",
    "no-preference-met",
    "unsuitable-ehe",
    "difficulty-accessing-place",
    "dissatisfaction-general",
    "dissatisfaction-send",
    "mental-health",
    "physical-health",
    "parental-decision-not-to-register",
    "did-not-apply-at-csa",
    "challenging-sao",
    "believed-moved-to-another-la",
    "believed-moved-to-another-country",
    "unknown",
    "not-recorded",
    "other",
]);
const LAST_KNOWN_PROVISION: Form = Form::Code(&[
    "academy",
    "alternative-provision",
    "early-years-setting",
    "elsewhere-unknown",
    "free-school",
    "home-educated-outside-the-local-authority",
    "independent",
    "local-authority-maintained",
    "no-prior-establishment",
    "pupil-referral-unit",
    "special",
]);
const SEX: Form = Form::Code(&["F", "M", "U"]);
const UPN_UNKNOWN_REASON: Form =
    Form::Code(&["UN1", "UN2", "UN3", "UN4", "UN5", "UN6", "UN7", "UN8", "UN9", "UN10"]);
const CAPACITY: Form = Form::Code(&["residence", "school-area"]);
const ENQUIRY_CHECK: Form = Form::Code(&[
    "contact-parent-relatives-neighbours",
    "local-databases",
    "s2s",
    "agency-databases",
    "ukvi-border-force",
    "known-agencies",
    "previous-la-school",
    "possible-la-school",
    "home-la",
    "mod-ceas",
    "home-visit",
]);
const ENQUIRY_RESULT: Form =
    Form::Code(&["no-trace", "trace-possible", "trace-confirmed", "refused", "pending"]);
const EDUCATION_OTHERWISE: Form = Form::Code(&[
    "none",
    "home-education-suitable",
    "home-education-unsuitable",
    "home-education-not-yet-assessed",
    "other-provision-suitable",
    "unknown",
]);
const LOCATION_SENSITIVITY: Form = Form::Code(&["standard", "restricted", "withheld"]);
const SOCIAL_CARE_STATUS: Form = Form::Code(&[
    "none",
    "early-help",
    "referral-open",
    "child-in-need-plan",
    "section-47",
    "child-protection-plan",
    "looked-after",
    "care-leaver",
    "previously-known",
    "not-checked",
    "withheld",
]);
const RISK_FLAG: Form = Form::Code(&[
    "child-protection-plan",
    "child-in-need",
    "looked-after",
    "missing-from-home",
    "exploitation",
    "domestic-abuse",
    "honour-based-abuse",
    "private-fostering",
    "previously-known-to-social-care",
    "restricted-location",
]);
const LEGAL_BASIS: Form = Form::Code(&[
    "education-act-1996-s436a",
    "children-act-2004-s10",
    "children-act-2004-s11",
    "children-act-2004-s16la",
    "children-act-1989-s17",
    "children-act-1989-s47",
    "education-act-1996-s436f",
    "uk-gdpr-art6-1-c",
    "uk-gdpr-art6-1-e",
]);
const MOVE_EVIDENCE: Form = Form::Code(&[
    "tenancy",
    "parent-statement",
    "school-records-request",
    "benefits",
    "health-registration",
    "admissions-application",
    "sighting",
    "other-agency",
    "other",
]);
const ADDRESS_KIND: Form =
    Form::Code(&["residential", "temporary", "no-fixed-abode", "overseas", "not-stated"]);
const INFORMATION_TOPIC: Form = Form::Code(&[
    "identity",
    "residence",
    "education-history",
    "enquiries-made",
    "safeguarding-contact",
    "other",
]);
const RESIDENCE_KIND: Form =
    Form::Code(&["settled", "temporary", "with-family-or-friends", "no-fixed-abode", "not-stated"]);
const DECLINE_REASON: Form = Form::Code(&[
    "child-not-resident-here",
    "never-resident-here",
    "moved-on",
    "not-compulsory-school-age",
    "on-roll-here-attending",
    "insufficient-identification",
    "other-authority-responsible",
    "duplicate-of-open-transfer",
]);
const UPHOLD_REASON: Form = Form::Code(&[
    "evidence-does-not-show-residence",
    "child-traced-elsewhere",
    "moved-on-before-offer",
    "not-compulsory-school-age",
    "on-roll-here-attending",
]);
const WITHDRAW_REASON: Form =
    Form::Code(&["child-found", "offered-in-error", "duplicate", "returned-to-roll", "moved-elsewhere"]);
const NC_YEAR: Form = Form::Code(&[
    "N1", "N2", "R", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "X",
]);
const LETTER: Form = Form::Code(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"]);
const REGULATIONS: Form = Form::Code(&["2024", "2006"]);
const OUTCOME_KIND: Form = Form::Code(&[
    "on-roll-attending",
    "home-education-suitable",
    "other-provision",
    "moved-on",
    "left-england",
    "deceased",
    "over-compulsory-school-age",
    "duplicate",
]);

const TEXTS: Form = Form::List(&Form::Text, 0);

const OFFICER: Form = Form::Object(&[
    needs("name", Form::Text),
    needs("role", Form::Text),
    may("email", Form::Text),
    may("telephone", Form::Text),
]);

const ENQUIRY: Form = Form::Object(&[
    needs("check", ENQUIRY_CHECK),
    needs("on", Form::Date),
    needs("byRole", Form::Text),
    needs("result", ENQUIRY_RESULT),
    may("note", Form::Text),
]);

const EVIDENCE: Form =
    Form::Object(&[needs("kind", MOVE_EVIDENCE), may("on", Form::Date), may("detail", Form::Text)]);

const CORRECTION: Form =
    Form::Object(&[needs("pointer", Form::Pointer), may("replaces", Form::Any), needs("value", Form::Any)]);

const CHILD: Form = Form::Object(&[
    needs("familyName", Form::Text),
    may("givenName", Form::Text),
    may("middleNames", Form::Text),
    may("formerFamilyNames", TEXTS),
    may("alsoKnownAs", TEXTS),
    needs("dateOfBirth", Form::Date),
    needs("sex", SEX),
    may("upn", Form::Upn),
    may("upnUnknownReason", UPN_UNKNOWN_REASON),
    may("formerUpns", Form::List(&Form::Upn, 0)),
    may("nhsNumber", Form::NhsNumber),
    may("uln", Form::Uln),
]);

const LAST_SCHOOL: Form = Form::Object(&[
    may("urn", Form::Urn),
    may("laestab", Form::Laestab),
    may("name", Form::Text),
    may("lastAttended", Form::Date),
    may("deletionGround", Form::Object(&[needs("regulations", REGULATIONS), needs("letter", LETTER)])),
]);

const CIRCUMSTANCES: Form = Form::Object(&[
    needs("reason", CME_REASON),
    needs("cmeSince", Form::Date),
    may("lastSchool", LAST_SCHOOL),
    may("lastSeen", Form::Object(&[needs("on", Form::Date), needs("by", Form::Text)])),
    may("lastKnownProvision", LAST_KNOWN_PROVISION),
    may("yearGroup", NC_YEAR),
    may("homeEducation", EDUCATION_OTHERWISE),
    needs("locationSensitivity", LOCATION_SENSITIVITY),
    may("socialCare", SOCIAL_CARE_STATUS),
]);

const ADDRESS: Form = Form::Object(&[
    needs("addressKind", ADDRESS_KIND),
    may("lines", TEXTS),
    may("postcode", Form::Postcode),
    may("uprn", Form::Uprn),
]);

const LEGAL: Form = Form::Object(&[needs("code", LEGAL_BASIS), needs("asOf", Form::Date)]);

const OFFER: &[Member] = &[
    needs("salt", Form::Salt),
    needs("child", CHILD),
    needs("circumstances", CIRCUMSTANCES),
    needs("capacity", CAPACITY),
    needs("enquiries", Form::List(&ENQUIRY, 0)),
    needs("risks", Form::List(&RISK_FLAG, 0)),
    needs("contacts", Form::Object(&[needs("officer", OFFICER), may("duty", OFFICER)])),
    needs("legalBasis", Form::List(&LEGAL, 1)),
    needs("moveEvidence", Form::List(&EVIDENCE, 0)),
    may("believedAddress", ADDRESS),
    may("family", Form::Object(&[needs("group", Form::Uuid), may("siblings", Form::Integer(0, 64))])),
];

const RESIDENCE: Form = Form::Object(&[needs("kind", RESIDENCE_KIND), may("endsOn", Form::Date)]);

const OUTCOME_OF: Form = Form::Object(&[needs("kind", OUTCOME_KIND)]);

const ACKNOWLEDGE: &[Member] =
    &[needs("salt", Form::Salt), needs("officer", OFFICER), needs("firstAction", Form::Text)];

const REQUEST_INFORMATION: &[Member] =
    &[needs("salt", Form::Salt), needs("topic", INFORMATION_TOPIC), needs("question", Form::Text)];

const SUPPLY_INFORMATION: &[Member] = &[
    needs("salt", Form::Salt),
    may("inReplyTo", Form::Sequence),
    needs("answer", Form::Text),
    may("corrections", Form::List(&CORRECTION, 0)),
];

const ACCEPT: &[Member] = &[
    needs("salt", Form::Salt),
    needs("from", Form::Date),
    needs("residence", RESIDENCE),
    needs("contact", OFFICER),
];

const DECLINE: &[Member] = &[
    needs("salt", Form::Salt),
    needs("reason", DECLINE_REASON),
    needs("checked", Form::List(&ENQUIRY, 1)),
    may("explanation", Form::Text),
];

const CONTEST: &[Member] = &[
    needs("salt", Form::Salt),
    needs("evidence", Form::List(&EVIDENCE, 1)),
    needs("explanation", Form::Text),
];

const UPHOLD: &[Member] =
    &[needs("salt", Form::Salt), needs("reason", UPHOLD_REASON), may("explanation", Form::Text)];

const REDIRECT: &[Member] = &[
    needs("salt", Form::Salt),
    needs("authority", Form::Authority),
    needs("evidence", Form::List(&EVIDENCE, 1)),
    may("explanation", Form::Text),
];

const WITHDRAW: &[Member] =
    &[needs("salt", Form::Salt), needs("reason", WITHDRAW_REASON), may("explanation", Form::Text)];

const OUTCOME: &[Member] = &[needs("salt", Form::Salt), needs("outcome", OUTCOME_OF)];

const RETRACT: &[Member] = &[needs("salt", Form::Salt), needs("reason", Form::Text)];

const CORRECT: &[Member] = &[
    needs("salt", Form::Salt),
    needs("corrects", Form::Sequence),
    needs("corrections", Form::List(&CORRECTION, 1)),
    needs("reason", Form::Text),
];

const SUBJECT: Form = Form::Closed(&[
    needs("familyName", Form::Name),
    may("givenName", Form::Name),
    may("middleNames", Form::Name),
    may("formerFamilyNames", Form::List(&Form::Name, 0)),
    may("alsoKnownAs", Form::List(&Form::Name, 0)),
    may("dateOfBirth", Form::PartialDate),
    needs("sex", SEX),
    may("upns", Form::List(&Form::Upn, 0)),
    may("nhsNumber", Form::NhsNumber),
    may("lastPostcode", Form::Postcode),
]);

const SCHOOL: Form =
    Form::Object(&[may("urn", Form::Urn), may("laestab", Form::Laestab), may("name", Form::Text)]);

/// The body of a notice (section 17.1).
pub(super) const NOTICE: &[Member] = &[
    needs("salt", Form::Salt),
    needs("child", SUBJECT),
    needs("on", Form::Date),
    may("school", SCHOOL),
    may("deletionGround", Form::Object(&[needs("regulations", REGULATIONS), needs("letter", LETTER)])),
    may("lastAttended", Form::Date),
    may("byRole", Form::Text),
    needs("locationSensitivity", LOCATION_SENSITIVITY),
    needs("contact", OFFICER),
];

const ASKING_OFFICER: Form = Form::Closed(&[needs("id", Form::OfficerId), needs("role", Form::Name)]);

/// The body of a query (section 15.1), with the body's own closedness.
pub(super) const QUERY: Form = Form::Closed(&[
    needs("salt", Form::Salt),
    needs("officer", ASKING_OFFICER),
    may("secondOfficer", ASKING_OFFICER),
    needs("subject", SUBJECT),
]);

/// What a legal basis is.
pub(super) const LEGAL_BASES: Form = Form::List(&LEGAL, 1);

/// The members of a body of that type.
pub(super) fn of(kind: &str) -> &'static [Member] {
    match kind {
        "offer" => OFFER,
        "acknowledge" => ACKNOWLEDGE,
        "request-information" => REQUEST_INFORMATION,
        "supply-information" => SUPPLY_INFORMATION,
        "accept" => ACCEPT,
        "decline" => DECLINE,
        "contest" => CONTEST,
        "uphold" => UPHOLD,
        "redirect" => REDIRECT,
        "withdraw" => WITHDRAW,
        "outcome" => OUTCOME,
        "retract" => RETRACT,
        _ => CORRECT,
    }
}
