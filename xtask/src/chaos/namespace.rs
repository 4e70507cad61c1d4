//! Namespaces of the command's own: mounts that nobody else sees, and no process that outlives it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::Trouble;

/// Starts the same command again, inside; gives only the reason why that can't be done.
pub(super) fn enter() -> Result<ExitCode, Trouble> {
    let own = std::env::current_exe()?;
    let mut unshare = Command::new("unshare");
    if !is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]);
    let error = unshare.arg("--").arg(own).args(std::env::args_os().skip(1)).arg("--inside").exec();
    Err(Trouble::Chaos(format!("unshare (of util-linux) is needed and can't be run: {error}")))
}

pub(super) fn is_root() -> bool {
    let told = Command::new("id").arg("-u").output();
    told.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A disk of that size, empty.
pub(super) fn mount(place: &Path, bytes: u64) -> Result<(), Trouble> {
    let file = |cause| Trouble::File { path: place.display().to_string(), cause };
    std::fs::create_dir_all(place).map_err(file)?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=755"), "tmpfs"])
        .arg(place)
        .status();
    if mounted.map_err(file)?.success() {
        Ok(())
    } else {
        Err(Trouble::Chaos(format!("a disk can't be mounted at {}", place.display())))
    }
}
