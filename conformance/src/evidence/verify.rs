//! What can be said of evidence without the server: it is whole and signed, it leaves no case out in silence, and
//! every verdict, count and exit code follows from what was recorded.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    DECLARATION, DIRECTORY, FORMAT, JUNIT, LISTED, Line, MANIFEST, REPORT, RESULTS, SIGNATURE, SUBJECT,
    TRANSCRIPT, TYP, unpack,
};
use crate::declaration::Declaration;
use crate::doctor::Look;
use crate::encoding::{digest, digest_of_bytes};
use crate::json::Json;
use crate::jws::{Detached, thumbprint};
use crate::published::{self, Publication};
use crate::report::{self, Power};
use crate::results::{self, Results, Scope};
use crate::run::not_declared;
use crate::tape::Direction;
use crate::verdict::{Finding, Hearing, Verdict};

/// What the evidence comes to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verified {
    /// What was looked at, in this order; the first that rests on something wrong is the last.
    pub(crate) looks: Vec<Look>,
    /// Name of the key that signed, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    #[serde(skip)]
    pub(crate) results: Option<Results>,
}

impl Verified {
    /// Whether everything holds.
    pub(crate) fn holds(&self) -> bool {
        self.looks.iter().all(|look| look.holds)
    }

    fn note(&mut self, what: &'static str, told: Result<String, String>) -> bool {
        let holds = told.is_ok();
        let seen = told.unwrap_or_else(|wrong| wrong);
        self.looks.push(Look { what, holds, seen });
        holds
    }
}

/// The archive's parts that are read.
struct Parts {
    files: Vec<(String, Vec<u8>)>,
    manifest: Json,
}

impl Parts {
    fn file(&self, name: &str) -> &[u8] {
        let found = self.files.iter().find(|(held, _)| held == name);
        found.map(|(_, content)| content.as_slice()).unwrap_or_default()
    }

    fn open(bytes: &[u8]) -> Result<Self, String> {
        let files = unpack(bytes)?;
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let wanted: Vec<&str> = [MANIFEST, SIGNATURE].into_iter().chain(LISTED).collect();
        if names != wanted {
            return Err(format!("it holds {}, not {}", names.join(", "), wanted.join(", ")));
        }
        let manifest = Json::read(&files[0].1).map_err(|error| format!("{MANIFEST}: {error}"))?;
        if manifest.text_at("/format") != Some(FORMAT) {
            return Err(format!("{MANIFEST} is not of the form {FORMAT}"));
        }
        Ok(Self { files, manifest })
    }
}

/// Looks at evidence. With `fingerprint` it has to be signed by that key.
pub(crate) fn verify(bytes: &[u8], fingerprint: Option<&str>) -> Verified {
    let mut verified = Verified { looks: Vec::new(), fingerprint: None, results: None };
    let parts = match Parts::open(bytes) {
        Ok(parts) => parts,
        Err(wrong) => {
            verified.note("it is an archive of evidence", Err(wrong));
            return verified;
        }
    };
    verified.note("it is an archive of evidence", Ok(FORMAT.to_owned()));
    verified.fingerprint = parts.manifest.text_at("/key/kid").map(str::to_owned);
    let signed = signed(&parts, fingerprint);
    if !verified.note("its manifest is signed", signed)
        | !verified.note("its files are those of the manifest", unchanged(&parts))
    {
        return verified;
    }
    let rests = verified.note("it was made with the text and register of this program", same_text(&parts));
    let results = Results::from_bytes(RESULTS, parts.file(RESULTS)).map_err(|error| error.to_string());
    let results = match results {
        Ok(results) if rests => results,
        other => {
            if let Err(wrong) = other {
                verified.note("its results can be read", Err(wrong));
            }
            return verified;
        }
    };
    verified.note("results, declaration, record and directory are of one run", one_run(&parts, &results));
    verified.note("every case in scope is there, and nothing is skipped in silence", case_list(&results));
    verified.note("the verdicts follow from the transcript", verdicts(&parts, &results));
    verified.note("counts, outcome and exit code follow from the verdicts", conclusions(&results));
    verified.note("the reports are those of the results", reports(&parts, &results));
    verified.results = Some(results);
    verified
}

fn signed(parts: &Parts, fingerprint: Option<&str>) -> Result<String, String> {
    let text = String::from_utf8_lossy(parts.file(SIGNATURE)).into_owned();
    let detached = Detached::read(text.trim_end(), TYP).map_err(|error| error.to_string())?;
    let public = parts.manifest.text_at("/key/publicKey").unwrap_or_default();
    if parts.manifest.text_at("/key/kid") != Some(&detached.kid) || thumbprint(public) != detached.kid {
        return Err("the key of the manifest is not the one that signed".into());
    }
    detached.verify(&parts.manifest, public).map_err(|error| error.to_string())?;
    match fingerprint {
        Some(wanted) if wanted != detached.kid => {
            Err(format!("it is signed by {}, not by {wanted}", detached.kid))
        }
        _ => Ok(format!("by {}", detached.kid)),
    }
}

fn unchanged(parts: &Parts) -> Result<String, String> {
    let listed = parts.manifest.member("files").map(Json::items).unwrap_or_default();
    if listed.len() != LISTED.len() {
        return Err(format!("the manifest lists {} files", listed.len()));
    }
    for (file, name) in listed.iter().zip(LISTED) {
        let content = parts.file(name);
        let length = i64::try_from(content.len()).ok();
        let same = file.text_at("/name") == Some(name)
            && file.integer_at("/bytes") == length
            && file.text_at("/digest") == Some(&digest_of_bytes(content));
        if !same {
            return Err(format!("{name} was changed"));
        }
    }
    Ok(format!("{} files", listed.len()))
}

fn same_text(parts: &Parts) -> Result<String, String> {
    let told = |row: &Json| {
        let text = |path| row.text_at(path).unwrap_or_default().to_owned();
        (text("/name"), text("/digest"))
    };
    let held: Vec<(String, String)> =
        parts.manifest.member("published").map(Json::items).unwrap_or_default().iter().map(told).collect();
    let version = parts.manifest.text_at("/suite/version").unwrap_or("unknown");
    if held == published::digests() && version == env!("CARGO_PKG_VERSION") {
        return Ok(format!("version {version}, {} published files", held.len()));
    }
    Err(format!("it was made by version {version} with other files: verify it with that version"))
}

fn one_run(parts: &Parts, results: &Results) -> Result<String, String> {
    let declaration = String::from_utf8_lossy(parts.file(DECLARATION)).into_owned();
    let declaration = Declaration::parse(&declaration).map_err(|error| format!("{DECLARATION}: {error}"))?;
    let subject = Json::read(parts.file(SUBJECT)).map_err(|error| format!("{SUBJECT}: {error}"))?;
    let directory = Json::read(parts.file(DIRECTORY)).map_err(|error| format!("{DIRECTORY}: {error}"))?;
    let listed = directory.at("/directory/authorities").map(Json::items).unwrap_or_default();
    let issue = directory.member("directory").map(digest);
    let facts = [
        (declaration.revision == results.revision, "the declaration names another revision"),
        (declaration.profiles == results.profiles, "the declaration names other profiles"),
        (subject.text_at("/code") == Some(&results.subject), "the record is of another authority"),
        (listed.contains(&subject), "the directory does not hold the record"),
        (parts.manifest.text_at("/directory/digest") == issue.as_deref(), "the directory is another"),
        (parts.manifest.text_at("/seed") == Some(&results.seed), "the seed is another"),
        (parts.manifest.text_at("/subject") == Some(&results.subject), "the subject is another"),
    ];
    match facts.into_iter().find(|(holds, _)| !holds) {
        Some((_, wrong)) => Err(wrong.to_owned()),
        None => Ok(format!("authority {}, seed {}", results.subject, results.seed)),
    }
}

/// The case list worked out again from scope and declaration.
fn case_list(results: &Results) -> Result<String, String> {
    if Scope::of(results.scope.quick, &results.scope.only) != results.scope {
        return Err("the number of cases left out is another".into());
    }
    let mut left: BTreeSet<&str> = results.findings.iter().map(|finding| finding.case.as_str()).collect();
    if left.len() != results.findings.len() {
        return Err("a case stands twice".into());
    }
    for case in results.scope.cases() {
        if !left.remove(case.name) {
            return Err(format!("{} is in scope and is not there", case.name));
        }
        let finding = results.findings.iter().find(|finding| finding.case == case.name);
        let finding = finding.ok_or_else(|| format!("{} is not there", case.name))?;
        if finding.checks != case.checks {
            return Err(format!("{} checks something else", case.name));
        }
        let skipped = finding.verdict == Verdict::NotApplicable;
        if skipped != not_declared(case, results.profiles).is_some() {
            return Err(format!("{} is {} against the declaration", case.name, finding.verdict.word()));
        }
    }
    match left.first() {
        Some(name) => Err(format!("{name} is no case in scope")),
        None if results.scope.is_whole() => Ok(format!("{} cases, none left out", results.findings.len())),
        None => Ok(format!(
            "{} cases; {} left out, as the results say",
            results.findings.len(),
            results.scope.left_out
        )),
    }
}

fn verdicts(parts: &Parts, results: &Results) -> Result<String, String> {
    let text = String::from_utf8_lossy(parts.file(TRANSCRIPT)).into_owned();
    let line = |line: &str| serde_json::from_str::<Line>(line).map_err(|error| error.to_string());
    let lines: Vec<Line> = text.lines().map(line).collect::<Result<_, _>>()?;
    let mut counted = 0;
    for finding in &results.findings {
        let of = |line: &&Line| line.case == finding.case;
        let heard: Vec<&Line> = lines.iter().filter(of).collect();
        counted += heard.len();
        if heard.iter().zip(1..).any(|(line, number)| line.number != number) {
            return Err(format!("{}: its hearings are not in order", finding.case));
        }
        let heard: Vec<Hearing> = heard.into_iter().map(|line| line.hearing.clone()).collect();
        let told = verdict(finding, &heard, results.subject_lost);
        told.map_err(|wrong| format!("{}: {wrong}", finding.case))?;
    }
    if counted == lines.len() {
        Ok(format!("{counted} hearings"))
    } else {
        Err("the transcript holds hearings of other cases".into())
    }
}

fn verdict(finding: &Finding, heard: &[Hearing], subject_lost: bool) -> Result<(), String> {
    let expected = match finding.verdict {
        Verdict::NotApplicable if heard.is_empty() => Verdict::NotApplicable,
        Verdict::NotExercised if heard.is_empty() && !subject_lost => {
            return Err("it was not heard, and the subject was not lost".into());
        }
        _ => Verdict::of(heard),
    };
    if expected != finding.verdict {
        return Err(format!("its hearings give {}, not {}", expected.word(), finding.verdict.word()));
    }
    let shown =
        |hearing: &Hearing| Hearing { exchanges: Vec::new(), exchanges_left_out: 0, ..hearing.clone() };
    if finding.hearings.iter().map(shown).ne(heard.iter().map(shown)) {
        return Err("its hearings are not those of the transcript".into());
    }
    let kept = |hearing: &&Hearing| !hearing.exchanges.is_empty();
    if finding.hearings.iter().zip(heard).any(|(held, told)| kept(&held) && held != told) {
        return Err("its exchanges are not those of the transcript".into());
    }
    for hearing in heard {
        let (answers, calls): (Vec<_>, Vec<_>) =
            hearing.exchanges.iter().partition(|exchange| exchange.direction == Direction::ToSubject);
        let answered = answers.iter().filter(|exchange| exchange.response.is_some()).count();
        if (answered, calls.len()) != (hearing.answered, hearing.called) {
            return Err("a hearing counts other exchanges than it has".into());
        }
        if hearing.outcome == Verdict::Pass && answered + calls.len() == 0 {
            return Err("it passed, and your server never said anything".into());
        }
    }
    let grounds = heard.first().map(|first| (&first.requirement, &first.expected, &first.actual));
    if grounds.is_some_and(|grounds| grounds != (&finding.requirement, &finding.expected, &finding.actual)) {
        return Err("its grounds are not those of the first hearing".into());
    }
    match &finding.requirement {
        Some(id) if !finding.checks.contains(id) => Err(format!("it fails {id}, which it does not check")),
        None if finding.verdict == Verdict::Fail => Err("it fails nothing".into()),
        _ => Ok(()),
    }
}

fn conclusions(results: &Results) -> Result<String, String> {
    let publication = Publication::compiled_in().map_err(|error| error.to_string())?;
    let rows = results::rows(&publication, results.profiles, &results.findings);
    let (outcome, exit) = results.worked_out();
    let facts = [
        (rows == results.requirements, "the standing of a requirement is another"),
        (results::tally(&rows) == results.must, "the count of requirements is another"),
        (outcome == results.outcome, "the outcome is another"),
        (exit.code() == results.exit, "the exit code is another"),
    ];
    match facts.into_iter().find(|(holds, _)| !holds) {
        Some((_, wrong)) => Err(wrong.to_owned()),
        None => Ok(format!("exit {}: {}", results.exit, results.outcome.told())),
    }
}

fn reports(parts: &Parts, results: &Results) -> Result<String, String> {
    let publication = Publication::compiled_in().map_err(|error| error.to_string())?;
    let power = Power::compiled_in().map_err(|error| error.to_string())?;
    if report::html(results, &publication, &power).as_bytes() != parts.file(REPORT) {
        return Err(format!("{REPORT} says something else"));
    }
    if report::junit(results).as_bytes() != parts.file(JUNIT) {
        return Err(format!("{JUNIT} says something else"));
    }
    Ok("made again, byte for byte".to_owned())
}
