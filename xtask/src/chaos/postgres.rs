//! A PostgreSQL server of the run's own, on a disk that can be filled, with a database for each authority.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Trouble;
use crate::tree::Tree;

/// A running server; its processes end with the namespace.
pub(super) struct Postgres {
    folder: PathBuf,
    url: String,
}

impl Postgres {
    pub(super) fn start(tree: &Tree, folder: &Path) -> Result<Self, Trouble> {
        let script = tree.root().join(".ci/postgres");
        let started = Command::new(script).arg("start").arg(folder).output()?;
        if !started.status.success() {
            let said = String::from_utf8_lossy(&started.stderr).into_owned();
            return Err(Trouble::Chaos(format!("PostgreSQL does not start: {said}")));
        }
        let url = String::from_utf8_lossy(&started.stdout).trim().to_owned();
        Ok(Self { folder: folder.to_owned(), url })
    }

    /// A new, empty database; gives its URL.
    pub(super) fn database(&self, name: &str) -> Result<String, Trouble> {
        self.sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.sql(&format!("CREATE DATABASE {name}"))?;
        let base = self.url.rsplit_once('/').map_or(self.url.as_str(), |(base, _)| base);
        Ok(format!("{base}/{name}"))
    }

    fn sql(&self, statement: &str) -> Result<(), Trouble> {
        let mut psql = Command::new(self.program("psql")?);
        psql.args(["--no-psqlrc", "--quiet", "--command", statement]).arg(&self.url);
        let output = psql.output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(Trouble::Chaos(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    fn program(&self, name: &str) -> Result<PathBuf, Trouble> {
        // The postmaster's own program tells where its companions are.
        let options = std::fs::read_to_string(self.folder.join("data/postmaster.opts"))?;
        let program = options.split_whitespace().next().map(PathBuf::from);
        let beside = program.and_then(|program| Some(program.parent()?.join(name)));
        beside.ok_or_else(|| Trouble::Chaos("postmaster.opts names no program".to_owned()))
    }

    /// Starts the server again where a full disk has ended it.
    pub(super) fn ensure_up(&self) -> Result<(), Trouble> {
        for _ in 0..50 {
            if self.sql("SELECT 1").is_ok() {
                return Ok(());
            }
            let options = std::fs::read_to_string(self.folder.join("data/postmaster.opts"))?;
            let (_, arguments) = options.trim().split_once(' ').unwrap_or_default();
            let (pg_ctl, data, log) =
                (self.program("pg_ctl")?, self.folder.join("data"), self.folder.join("log"));
            let start = format!(
                "{} --pgdata {} --log {} --wait --options '{}' start",
                pg_ctl.display(),
                data.display(),
                log.display(),
                arguments.replace('"', "")
            );
            let mut shell = if super::namespace::is_root() {
                let mut su = Command::new("su");
                su.args(["postgres", "-s", "/bin/sh", "-c", &start]);
                su
            } else {
                let mut sh = Command::new("sh");
                sh.args(["-c", &start]);
                sh
            };
            // It may be recovering by itself: then this fails, and the next look finds it up.
            shell.output()?;
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Err(Trouble::Chaos("PostgreSQL does not come back".to_owned()))
    }
}
