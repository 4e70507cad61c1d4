//! The server under chaos: the shipped one, or one with a defect that is put into a copy of the source.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Defect;
use crate::Trouble;
use crate::tree::Tree;

/// Where in the source a defect goes, and what it makes of it.
struct Patch {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// A server tells its callers what their jobs would give, and commits a little later.
const ACKNOWLEDGE_BEFORE_COMMIT: Patch = Patch {
    file: "server/src/store/writer.rs",
    from: "pub(super) fn write_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>, throng: &Throng, tally: &Tally) {\n",
    to: "pub(super) fn write_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>, throng: &Throng, tally: &Tally) {\n    \
         if !std::env::args().any(|argument| argument == \"serve\") {\n        \
         return sound_write_loop(engine, jobs, throng, tally);\n    }\n    \
         while let Ok(first) = jobs.recv() {\n        \
         let mut batch = vec![first];\n        \
         batch.extend(jobs.try_iter().take(BATCH_JOBS_MAX - 1));\n        \
         let mut told = Vec::new();\n        \
         let _ = engine.write(&mut |tx| {\n            \
         told.extend(batch.iter_mut().map(|job| run(job, tx)));\n            \
         Err(StoreError::Closed)\n        });\n        \
         for (job, result) in batch.iter_mut().zip(told) {\n            \
         let nothing = super::Work { run: Box::new(|_| Ok(())), asks: Vec::new() };\n            \
         std::mem::replace(&mut job.done, Box::new(|_, _| ()))(result, nothing);\n        }\n        \
         std::thread::sleep(std::time::Duration::from_millis(50));\n        \
         for job in &mut batch {\n            \
         let _ = engine.write(&mut |tx| run(job, tx));\n        }\n    }\n}\n\n\
         fn sound_write_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>, throng: &Throng, tally: &Tally) {\n",
};

/// Builds the server; gives the path of the program.
pub(super) fn server(tree: &Tree, defect: Option<Defect>) -> Result<PathBuf, Trouble> {
    let root = tree.root();
    match defect {
        Some(Defect::AcknowledgeBeforeCommit) => {
            let copy = root.join("target/chaos/source");
            copy_source(root, &copy)?;
            put_in(&copy, &ACKNOWLEDGE_BEFORE_COMMIT)?;
            build(&copy, &root.join("target/chaos/build"))
        }
        Some(Defect::IncarnationNotRaised) | None => build(root, &root.join("target")),
    }
}

fn build(source: &Path, target: &Path) -> Result<PathBuf, Trouble> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--release", "-p", "cme-server", "--bin", "cme-server"]);
    let built = build.current_dir(source).env("CARGO_TARGET_DIR", target).status()?;
    if !built.success() {
        return Err(Trouble::Chaos("the server does not build".to_owned()));
    }
    Ok(target.join("release/cme-server"))
}

fn copy_source(root: &Path, copy: &Path) -> Result<(), Trouble> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    std::fs::create_dir_all(copy)?;
    let members = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "spec", "client", "server"];
    let rest = std::fs::read_dir(root)?.filter_map(Result::ok).map(|entry| entry.file_name());
    let rest = rest.filter(|name| {
        let is_member = root.join(name).join("Cargo.toml").exists();
        is_member && !members.iter().any(|member| name == member)
    });
    let all = members.iter().map(std::ffi::OsString::from).chain(rest);
    for name in all {
        let copied = Command::new("cp").arg("-R").arg(root.join(&name)).arg(copy).status()?;
        if !copied.success() {
            return Err(Trouble::Chaos(format!("{} can't be copied", name.display())));
        }
    }
    Ok(())
}

fn put_in(copy: &Path, patch: &Patch) -> Result<(), Trouble> {
    let path = copy.join(patch.file);
    let text = std::fs::read_to_string(&path)?;
    if text.matches(patch.from).count() != 1 {
        return Err(Trouble::Chaos(format!("the defect no longer fits {}", patch.file)));
    }
    Ok(std::fs::write(path, text.replace(patch.from, patch.to))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defect_fits_the_source() {
        let tree = Tree::of_this_repository();
        let patch = ACKNOWLEDGE_BEFORE_COMMIT;
        let text = std::fs::read_to_string(tree.root().join(patch.file)).unwrap();
        assert_eq!(text.matches(patch.from).count(), 1);
        assert!(text.contains("use super::{Engine, Job, StoreError, Tally, run};"));
        let store = std::fs::read_to_string(tree.root().join("server/src/store.rs")).unwrap();
        assert!(store.contains("fn run(job: &mut Job, tx: &mut dyn Tx)"));
    }
}
