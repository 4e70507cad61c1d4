//! `evidence.zip`: a run that somebody else can check, signed by the key that `init` made.

#[cfg(test)]
mod tests;
mod verify;

use std::io::{Cursor, Read as _, Write as _};

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::encoding::{digest, digest_of_bytes};
use crate::instant::{now, written};
use crate::json::Json;
use crate::jws::SigningKey;
use crate::published;
use crate::report::{self, Power};
use crate::results::Results;
use crate::verdict::Hearing;

pub(crate) use self::verify::verify;

/// The form of the manifest.
pub(crate) const FORMAT: &str = "cme-conformance-evidence/1";

/// `typ` of the signature over the manifest.
const TYP: &str = "cme-evidence";

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.jws";
const RESULTS: &str = "results.json";
const REPORT: &str = "report.html";
const JUNIT: &str = "junit.xml";
const DECLARATION: &str = "conformance.toml";
const SUBJECT: &str = "subject.json";
const DIRECTORY: &str = "directory.json";
const TRANSCRIPT: &str = "transcript.jsonl";

/// The files that a manifest names, in their order.
const LISTED: [&str; 7] = [RESULTS, REPORT, JUNIT, DECLARATION, SUBJECT, DIRECTORY, TRANSCRIPT];

/// Longest archive that is read, and longest file in it.
const BYTES_MAX: u64 = 256 << 20;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceError {
    #[error("the evidence can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the evidence can't be packed: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("the evidence can't be packed: {0}")]
    Io(#[from] std::io::Error),
    #[error("directory.json has no issue")]
    Directory,
}

/// A line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    case: String,
    /// Which hearing of the case it is, from 1.
    number: usize,
    hearing: Hearing,
}

/// What a run leaves behind: name and content of each file.
pub(crate) struct Files {
    pub(crate) results: String,
    pub(crate) report: String,
    pub(crate) junit: String,
    transcript: String,
}

impl Files {
    /// The files of a run, from everything that it recorded.
    pub(crate) fn of(
        results: &Results,
        publication: &published::Publication,
    ) -> Result<Self, serde_json::Error> {
        let mut transcript = String::new();
        for finding in &results.findings {
            for (place, hearing) in finding.hearings.iter().enumerate() {
                let line = Line { case: finding.case.clone(), number: place + 1, hearing: hearing.clone() };
                transcript += &(serde_json::to_string(&line)? + "\n");
            }
        }
        let short = results.clone().shortened();
        Ok(Self {
            results: short.to_text()?,
            report: report::html(&short, publication, &Power::compiled_in()?),
            junit: report::junit(&short),
            transcript,
        })
    }
}

/// What the vendor declared, as it stands in the suite's folder.
pub(crate) struct Declared {
    pub(crate) declaration: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) directory: Vec<u8>,
}

/// The archive with a signed manifest of everything in it.
pub(crate) fn pack(
    results: &Results,
    files: &Files,
    declared: &Declared,
    key: &SigningKey,
) -> Result<Vec<u8>, EvidenceError> {
    let contents: [&[u8]; LISTED.len()] = [
        files.results.as_bytes(),
        files.report.as_bytes(),
        files.junit.as_bytes(),
        &declared.declaration,
        &declared.subject,
        &declared.directory,
        files.transcript.as_bytes(),
    ];
    let listed: Vec<(&str, &[u8])> = LISTED.into_iter().zip(contents).collect();
    let manifest = manifest(results, &listed, &declared.directory, key)?;
    let header = Json::object([("alg", "EdDSA".into()), ("kid", key.kid().into()), ("typ", TYP.into())]);
    let signature = key.sign_with(&header.canonical(), &manifest);
    let (manifest, signature) = (manifest.plain(), signature + "\n");
    archive([(MANIFEST, manifest.as_bytes()), (SIGNATURE, signature.as_bytes())].into_iter().chain(listed))
}

fn archive<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, EvidenceError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, content) in files {
        zip.start_file(name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn manifest(
    results: &Results,
    listed: &[(&str, &[u8])],
    directory: &[u8],
    key: &SigningKey,
) -> Result<Json, EvidenceError> {
    let directory = Json::read(directory).map_err(|_| EvidenceError::Directory)?;
    let issue = directory.integer_at("/directory/issue").ok_or(EvidenceError::Directory)?;
    let issue_digest = directory.member("directory").map(digest).ok_or(EvidenceError::Directory)?;
    let program = results.suite.digest.as_deref().map_or(Json::Null, Json::from);
    let file = |(name, content): &(&str, &[u8])| {
        Json::object([
            ("name", (*name).into()),
            ("bytes", i64::try_from(content.len()).unwrap_or(i64::MAX).into()),
            ("digest", digest_of_bytes(content).into()),
        ])
    };
    let published = published::digests().into_iter();
    let published =
        published.map(|(name, digest)| Json::object([("name", name.into()), ("digest", digest.into())]));
    Ok(Json::object([
        ("format", FORMAT.into()),
        ("madeAt", written(now()).into()),
        ("revision", results.revision.as_str().into()),
        ("suite", Json::object([("version", results.suite.version.as_str().into()), ("digest", program)])),
        ("subject", results.subject.as_str().into()),
        ("seed", results.seed.as_str().into()),
        ("directory", Json::object([("issue", issue.into()), ("digest", issue_digest.into())])),
        ("published", published.collect::<Vec<_>>().into()),
        ("files", listed.iter().map(file).collect::<Vec<_>>().into()),
        ("key", Json::object([("kid", key.kid().into()), ("publicKey", key.public().into())])),
    ]))
}

/// The files of an archive, in their order; or what is wrong with it.
fn unpack(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).map_err(|error| error.to_string())?;
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        if file.size() > BYTES_MAX || file.compression() != CompressionMethod::Stored {
            return Err(format!("{name} is too long, or compressed"));
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|error| format!("{name}: {error}"))?;
        files.push((name, content));
    }
    Ok(files)
}

/// Longest archive that `verify` reads.
pub(crate) const fn bytes_max() -> u64 {
    BYTES_MAX
}
