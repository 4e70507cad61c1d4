//! The directory as the run goes on: issues that cases make, one after another.

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
    file: Option<PathBuf>,
}

impl Issues {
    /// Begins at an issue.
    pub(crate) fn new(newest: Json, file: Option<PathBuf>) -> Self {
        Self { newest: Mutex::new(newest), file }
    }

    /// The newest issue.
    pub(crate) fn newest(&self) -> Json {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, issue: &Json) -> Found<()> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = issue.clone();
        let Some(file) = &self.file else { return Ok(()) };
        let written = std::fs::write(file, issue.plain());
        written.map_err(|error| Miss::Suite(format!("{}: {error}", file.display())))
    }
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
