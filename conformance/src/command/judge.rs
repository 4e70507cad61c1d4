//! The commands that judge: a subject, or the judge itself.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Said, Trouble, terminal};
use crate::cases;
use crate::declaration::Declaration;
use crate::doctor::{self, Look};
use crate::evidence::{self, Files};
use crate::interrupt;
use crate::published::Publication;
use crate::results::{Results, Scope};
use crate::run::{self, Exit, Wish};
use crate::self_check;
use crate::shuffle::seed as random_seed;

/// Time between two tries to reach a subject that has just been started.
const POLL: Duration = Duration::from_millis(100);

/// `doctor`.
pub(super) fn doctor(folder: &Path, wait: Duration, json: bool) -> Result<Said, Trouble> {
    let declaration = Declaration::load(folder)?;
    let bench = declaration.bench(random_seed())?;
    let until = Instant::now() + wait;
    while !doctor::is_reached(&bench) && Instant::now() < until {
        std::thread::sleep(POLL);
    }
    let looks = doctor::look(&bench, declaration.profiles, &declaration.directory()?);
    let text =
        if json { serde_json::to_string_pretty(&looks)? + "\n" } else { looks.iter().map(line).collect() };
    Ok(Said {
        text,
        exit: if looks.iter().all(|look| look.holds) { Exit::Passed } else { Exit::Environment },
    })
}

pub(super) fn line(look: &Look) -> String {
    format!("{}  {}: {}\n", if look.holds { "ok" } else { "NO" }, look.what, look.seen)
}

/// What `run` is asked for.
pub(super) struct RunWish<'a> {
    pub(super) folder: &'a Path,
    pub(super) quick: bool,
    pub(super) only: &'a [String],
    pub(super) seed: Option<u64>,
    pub(super) json: Option<&'a Path>,
    pub(super) report: Option<&'a Path>,
    pub(super) baseline: Option<&'a Path>,
}

/// `run`.
pub(super) fn run(wish: &RunWish<'_>) -> Result<Said, Trouble> {
    known(wish.only)?;
    let baseline = wish.baseline.map(Results::read).transpose()?;
    let declaration = Declaration::load(wish.folder)?;
    let key = declaration.evidence_key()?;
    let publication = Publication::compiled_in()?;
    let report = wish.report.map_or_else(|| report_folder(wish.folder), Path::to_owned);
    clear(&report)?;
    let seed = wish.seed.unwrap_or_else(random_seed);
    let bench = declaration.bench(seed)?;
    progress(&format!("seed {seed}"));
    let looks = doctor::look(&bench, declaration.profiles, &declaration.directory()?);
    if looks.iter().any(|look| !look.holds) {
        return Ok(Said { text: looks.iter().map(line).collect(), exit: Exit::Environment });
    }
    let asked = Wish {
        profiles: declaration.profiles,
        scope: Scope::of(wish.quick, wish.only),
        seed,
        baseline: baseline.as_ref(),
    };
    let results = run::run(&bench, &publication, asked, |finding| {
        progress(&terminal::finding(finding, &publication, wish.folder));
    });
    interrupt::no_more();
    let files = Files::of(&results, &publication)?;
    if let Some(path) = wish.json {
        write(path, files.results.as_bytes())?;
    }
    let evidence = evidence::pack(&results, &files, &declaration.declared()?, &key)?;
    for (name, content) in REPORTS.into_iter().zip([
        files.results.as_bytes(),
        files.report.as_bytes(),
        files.junit.as_bytes(),
        &evidence,
    ]) {
        write(&report.join(name), content)?;
    }
    let place = report.display();
    let text = format!(
        "{}report {place}/report.html\nevidence {place}/evidence.zip, signed by {}\n",
        terminal::summary(&results),
        key.kid()
    );
    Ok(Said { text, exit: results.worked_out().1 })
}

/// What a run leaves behind.
const REPORTS: [&str; 4] = ["results.json", "report.html", "junit.xml", "evidence.zip"];

/// Where a run leaves it when nothing else is said.
pub(super) fn report_folder(folder: &Path) -> PathBuf {
    folder.join("report")
}

/// Makes the folder, and takes away what an earlier run left: a run that breaks off must not seem to have left it.
fn clear(folder: &Path) -> Result<(), Trouble> {
    let failed = |path: &Path, cause| Trouble::Results { path: path.to_owned(), cause };
    std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
    for path in REPORTS.map(|name| folder.join(name)) {
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path, cause)),
            _ => {}
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    std::fs::write(path, content).map_err(|cause| Trouble::Results { path: path.to_owned(), cause })
}

/// `verify`.
pub(super) fn verify(path: &Path, key: Option<&str>, json: bool) -> Result<Said, Trouble> {
    let failed = |cause| Trouble::File { path: path.to_owned(), cause };
    if std::fs::metadata(path).map_err(failed)?.len() > evidence::bytes_max() {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let verified = evidence::verify(&std::fs::read(path).map_err(failed)?, key);
    let exit = if verified.holds() { Exit::Passed } else { Exit::Failed };
    if json {
        return Ok(Said { text: serde_json::to_string_pretty(&verified)? + "\n", exit });
    }
    let mut text: String = verified.looks.iter().map(line).collect();
    if let Some(results) = &verified.results {
        text += &terminal::summary(results);
    }
    text += match exit {
        Exit::Passed => "the evidence holds\n",
        _ => "the evidence does not hold\n",
    };
    Ok(Said { text, exit })
}

/// Holds when each name asks for a case.
fn known(only: &[String]) -> Result<(), Trouble> {
    match only.iter().find(|name| cases::named(name).is_empty()) {
        Some(name) => Err(Trouble::UnknownId(name.clone())),
        None => Ok(()),
    }
}

/// Findings go out as they come, beside the summary that goes to standard output.
pub(super) fn progress(text: &str) {
    // A report that nobody can read any more is still written to the file.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `self-check`.
pub(super) fn self_check(only: &[String], json: bool, power: bool) -> Result<Said, Trouble> {
    known(only)?;
    let score = self_check::run(only)?;
    let exit = if score.ok { Exit::Passed } else { Exit::Failed };
    if power {
        return Ok(Said { text: serde_json::to_string_pretty(&score.power())? + "\n", exit });
    }
    if json {
        return Ok(Said { text: serde_json::to_string_pretty(&score)? + "\n", exit });
    }
    let text = format!(
        "{}{}{} of {} faults found, {} of them by a case that names what is broken\n\
         {} passes against servers that do nothing, {} false alarms\n\
         {} of {} binding requirements covered by {} cases, {} cannot be tested from outside\n",
        score.complaints.join("\n"),
        if score.complaints.is_empty() { "" } else { "\n" },
        score.killed,
        score.faults,
        score.attributed,
        score.null_green,
        score.false_alarms,
        score.must_covered,
        score.must_total,
        score.cases,
        score.must_untestable,
    );
    Ok(Said { text, exit })
}
