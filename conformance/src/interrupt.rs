//! Ctrl-C, and the other ways to be told to end.

use std::sync::{Mutex, PoisonError};

/// What the shell reports of a program that was interrupted.
const CODE: i32 = 130;

/// Held by whoever must not be interrupted any more.
static ENDING: Mutex<()> = Mutex::new(());

/// Ends the program at once when it is told to, with nothing written that looks like the end of a run.
///
/// The suite's own peers are threads, and what it started reads the end of its input.
pub(crate) fn watch() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever interrupts may have closed the terminal too.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"interrupted: nothing is reported\n");
        std::process::exit(CODE);
    })
}

/// From now on the program ends by itself: a report is written whole, or not begun.
pub(crate) fn no_more() {
    std::mem::forget(ENDING.lock().unwrap_or_else(PoisonError::into_inner));
}
