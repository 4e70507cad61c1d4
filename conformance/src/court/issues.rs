//! The directory as the run goes on: issues that cases make, one after another.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::encoding::digest;
use crate::instant::{now, written};
use crate::json::Json;

use super::{Court, Found, Miss};

/// How often the subject is asked for the issue that it holds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The newest issue, and where it is kept for the next run.
pub(crate) struct Issues {
    newest: Mutex<Json>,
    /// Codes of the authorities that end, by the newest issue.
    ended: Mutex<BTreeSet<String>>,
    file: Option<PathBuf>,
}

impl Issues {
    /// Begins at an issue.
    pub(crate) fn new(newest: Json, file: Option<PathBuf>) -> Self {
        Self { ended: Mutex::new(ended(&newest)), newest: Mutex::new(newest), file }
    }

    /// Whether an authority ends: by a case of this run, or of an earlier one, and for good.
    pub(crate) fn has_ended(&self, code: &str) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(code)
    }

    /// The newest issue.
    pub(crate) fn newest(&self) -> Json {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, issue: &Json) -> Found<()> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = issue.clone();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = ended(issue);
        let Some(file) = &self.file else { return Ok(()) };
        let written = std::fs::write(file, issue.plain());
        written.map_err(|error| Miss::Suite(format!("{}: {error}", file.display())))
    }
}

fn ended(issue: &Json) -> BTreeSet<String> {
    let listed = issue.at("/directory/authorities").map(Json::items).unwrap_or_default();
    let ends = listed.iter().filter(|one| one.member("validTo").is_some());
    ends.filter_map(|one| one.text_at("/code").map(str::to_owned)).collect()
}

impl Court<'_> {
    /// An issue that follows the newest, with changes, signed by the root key.
    pub(crate) fn next_issue(&self, change: impl FnOnce(&mut Json)) -> Json {
        let before = self.bench.issues.newest().member("directory").cloned().unwrap_or(Json::Null);
        let mut next = before.clone();
        next.set("/issue", before.integer_at("/issue").unwrap_or_default() + 1);
        next.set("/previous", digest(&before));
        next.set("/issuedAt", written(now()));
        change(&mut next);
        self.signed_issue(next)
    }

    /// An issue under the signature of the root key.
    pub(crate) fn signed_issue(&self, directory: Json) -> Json {
        let signature = self.bench.world.root.sign(&directory);
        Json::object([("directory", directory), ("signature", signature.into())])
    }

    /// Hands an issue to the subject, which looks at it and need not take it.
    pub(crate) fn hand_issue(&mut self, issue: &Json) -> Found<()> {
        self.wish("seed", "directory", vec![("directory", issue.clone())]).map(|_| ())
    }

    /// Hands over an issue that the subject has to take, and waits until its capabilities show it.
    pub(crate) fn take_issue(&mut self, issue: &Json) -> Found<()> {
        self.hand_issue(issue)?;
        let wanted = issue.member("directory").map(digest).unwrap_or_default();
        let peer = self.peer()?;
        let until = Instant::now() + self.bench.waits.act;
        loop {
            let held = self.held_issue(&peer)?;
            if held == wanted {
                return self.bench.issues.keep(issue);
            }
            if Instant::now() > until {
                return Err(Miss::Unexercised(
                    "the subject did not take a good issue of the directory".into(),
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The digest of the issue that the subject holds.
    pub(crate) fn held_issue(&mut self, peer: &crate::world::Authority) -> Found<String> {
        let capabilities = self.read(peer, "/v1/capabilities")?;
        Ok(capabilities.text_at("/directoryDigest").unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_ends_in_an_issue_is_known_to_end() {
        let record = |code: &str| Json::object([("code", code.into())]);
        let mut gone = record("002");
        gone.set("/validTo", "2026-01-01");
        let listed = Json::from(vec![record("001"), gone]);
        let issue = Json::object([("directory", Json::object([("authorities", listed)]))]);
        let issues = Issues::new(issue, None);
        assert!(issues.has_ended("002") && !issues.has_ended("001"));
    }
}
