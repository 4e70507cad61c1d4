//! The text and its register, as published with this version.

use serde::{Deserialize, Serialize};

use crate::encoding::digest_of_bytes;
use crate::json::Json;

const REGISTER: &str = include_str!("../../spec/requirements.toml");

const OPENAPI: &str = include_str!("../../spec/v1/openapi.json");

macro_rules! sections {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../spec/text/", $name, ".md")))),+]
    };
}

/// The sections of the text, by the name that the register gives them.
const SECTIONS: &[(&str, &str)] = sections![
    "00-introduction",
    "01-identifiers",
    "02-canonical-form",
    "03-signatures",
    "04-entries",
    "05-ledger",
    "06-receipts-and-instants",
    "07-clocks",
    "08-directory",
    "09-transport",
    "10-delivery",
    "11-recovery",
    "12-facts",
    "13-privacy",
    "14-verification",
    "15-queries",
    "16-standing-queries",
    "17-notices",
];

macro_rules! ledgers {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../spec/v1/vectors/ledgers/", $name)))),+]
    };
}

/// What a verifier has to make of each export among the vectors.
const VERDICTS: &str = include_str!("../../spec/v1/vectors/ledgers/index.json");

/// The exports, and the issues of the directory to judge their keys by.
const LEDGERS: &[(&str, &str)] = ledgers![
    "accepted-after-contest.json",
    "accepted.json",
    "acknowledged.json",
    "bad/body-altered.json",
    "bad/branch-body.json",
    "bad/branch-signature.json",
    "bad/counter-receipt-altered.json",
    "bad/empty.json",
    "bad/entry-missing.json",
    "bad/entry-twice.json",
    "bad/erased-open.json",
    "bad/erased-reopened.json",
    "bad/fork-unproven.json",
    "bad/format.json",
    "bad/head-altered.json",
    "bad/head-elsewhere.json",
    "bad/head-forged.json",
    "bad/head-of-another-ledger.json",
    "bad/head-stage.json",
    "bad/header-altered.json",
    "bad/incarnation-back.json",
    "bad/last-body-altered.json",
    "bad/offer-header-altered.json",
    "bad/offer-missing.json",
    "bad/other-history.json",
    "bad/other-ledger.json",
    "bad/receipt-altered.json",
    "bad/receipt-missing.json",
    "bad/receipt-signature-altered.json",
    "bad/reordered.json",
    "bad/retired-key.json",
    "bad/signature-altered.json",
    "bad/truncated-consistently.json",
    "bad/truncated.json",
    "bad/undated.json",
    "bad/wrong-key.json",
    "contested-acknowledged.json",
    "contested.json",
    "declined.json",
    "directory-330-revoked-early.json",
    "directory-330-revoked-late.json",
    "directory-373-retired.json",
    "directory-stranger.json",
    "directory.json",
    "disputed-accept.json",
    "disputed-both.json",
    "disputed-outcome.json",
    "erased-one.json",
    "erased-retracted.json",
    "erased.json",
    "forked-accepted-here.json",
    "forked-accepted.json",
    "forked-open.json",
    "offered.json",
    "redirected.json",
    "settled-corrected.json",
    "settled-retracted.json",
    "settled.json",
    "unvouched-accept.json",
    "upheld.json",
    "vouched-accept.json",
    "withdrawn.json",
];

/// What follows from facts.
const FACTS: &str = include_str!("../../spec/v1/vectors/facts.json");

/// The vectors of what follows from facts.
pub(crate) fn facts() -> Result<Vec<Json>, String> {
    let document = Json::read(FACTS.as_bytes()).map_err(|error| error.to_string())?;
    Ok(document.member("cases").map(Json::items).unwrap_or_default().to_vec())
}

/// An export among the vectors, with what a verifier has to make of it.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    /// Its row of the index.
    pub(crate) expected: Json,
    pub(crate) document: Json,
    pub(crate) directory: Json,
}

impl Export {
    pub(crate) fn name(&self) -> &str {
        self.expected.text_at("/name").unwrap_or_default()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.expected.text_at("/verdict") == Some("accept")
    }
}

/// Every export among the vectors.
pub(crate) fn exports() -> Result<Vec<Export>, String> {
    let index = Json::read(VERDICTS.as_bytes()).map_err(|error| error.to_string())?;
    let file = |row: &Json, member: &str| {
        let name = row.text_at(member).unwrap_or_default().to_owned();
        let held = LEDGERS.iter().find(|(held, _)| *held == name);
        let (_, text) = held.ok_or_else(|| format!("{name} is not compiled in"))?;
        Json::read(text.as_bytes()).map_err(|error| format!("{name}: {error}"))
    };
    let rows = index.member("cases").map(Json::items).unwrap_or_default();
    rows.iter()
        .map(|row| {
            let (document, directory) = (file(row, "/file")?, file(row, "/directory")?);
            Ok(Export { expected: row.clone(), document, directory })
        })
        .collect()
}

/// A row of the register.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) level: String,
    pub(crate) section: String,
    pub(crate) role: Vec<String>,
    pub(crate) profile: String,
    pub(crate) since: String,
    pub(crate) summary: String,
    pub(crate) testable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Deserialize)]
struct Register {
    requirement: Vec<Requirement>,
}

/// The requirements of one version of the protocol.
#[derive(Debug)]
pub(crate) struct Publication {
    requirements: Vec<Requirement>,
}

impl Publication {
    /// The version that this program was built with.
    pub(crate) fn compiled_in() -> Result<Self, toml::de::Error> {
        toml::from_str(REGISTER).map(|register: Register| Self { requirements: register.requirement })
    }

    /// Every requirement, in the order of the register.
    pub(crate) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The requirement of that id.
    pub(crate) fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|row| row.id == id)
    }
}

/// The heading of a section of the text, such as `5. Ledger (LED)`.
pub(crate) fn heading(section: &str) -> Option<&'static str> {
    let (_, text) = SECTIONS.iter().find(|(name, _)| *name == section)?;
    text.lines().next()?.strip_prefix("# ")
}

/// The sections of the text, in their order.
pub(crate) fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|(name, _)| *name)
}

/// The published files that this program judges by, with the SHA-256 of each.
pub(crate) fn digests() -> Vec<(String, String)> {
    let text = SECTIONS.iter().map(|(name, text)| (format!("spec/text/{name}.md"), *text));
    let others = [("spec/requirements.toml", REGISTER), ("spec/v1/openapi.json", OPENAPI)];
    let others = others.into_iter().map(|(name, text)| (name.to_owned(), text));
    text.chain(others).map(|(name, text)| (name, digest_of_bytes(text.as_bytes()))).collect()
}

impl Requirement {
    /// The requirement as it stands in the text: its list item, marks of the layout taken off.
    pub(crate) fn clause(&self) -> Option<String> {
        let (_, text) = SECTIONS.iter().find(|(name, _)| *name == self.section)?;
        let mark = format!("- **{}** ", self.id);
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&mark));
        let mut clause = lines.next()?.strip_prefix(&mark)?.to_owned();
        for line in lines.take_while(|line| line.starts_with("  ")) {
            clause.push(' ');
            clause.push_str(line.trim());
        }
        Some(clause)
    }
}
