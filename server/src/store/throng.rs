//! Callers who were answered together come back one after the other: the writer waits until enough of them are
//! there for one commit, and is woken once for all, not by each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What nobody waits for.
const NONE: usize = usize::MAX;

/// The writer and how many jobs it waits for.
#[derive(Debug)]
pub(super) struct Throng {
    wanted: AtomicUsize,
    writer: OnceLock<Thread>,
}

impl Throng {
    pub(super) fn new() -> Self {
        Self { wanted: AtomicUsize::new(NONE), writer: OnceLock::new() }
    }

    /// A job was added, and so many wait now.
    pub(super) fn has_grown_to(&self, waiting: usize) {
        if waiting >= self.wanted.load(Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Waits on the writer's thread until so many jobs wait, and no longer than that.
    pub(super) fn wait_for(&self, wanted: usize, waiting: impl Fn() -> usize, patience: Duration) {
        let until = Instant::now() + patience;
        self.writer.get_or_init(std::thread::current);
        self.wanted.store(wanted, Ordering::SeqCst);
        while waiting() < wanted {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        self.wanted.store(NONE, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    /// A throng with a thread that waits in it for `wanted` jobs, and what is there when it goes on.
    fn waited(wanted: usize, patience: Duration, grow: impl FnOnce(&Throng, &AtomicUsize)) -> usize {
        let (throng, jobs) = (Arc::new(Throng::new()), Arc::new(AtomicUsize::new(0)));
        let (waits, there) = (Arc::clone(&throng), Arc::clone(&jobs));
        let writer = std::thread::spawn(move || {
            waits.wait_for(wanted, || there.load(Ordering::SeqCst), patience);
            there.load(Ordering::SeqCst)
        });
        grow(&throng, &jobs);
        writer.join().unwrap()
    }

    #[test]
    fn the_writer_goes_on_with_as_many_as_it_waits_for() {
        let found = waited(3, LONG, |throng, jobs| {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(5));
                throng.has_grown_to(jobs.fetch_add(1, Ordering::SeqCst) + 1);
            }
        });
        assert_eq!(found, 3);
    }

    #[test]
    fn it_is_woken_by_no_fewer_and_loses_patience() {
        let begun = Instant::now();
        let patience = Duration::from_millis(50);
        let found =
            waited(3, patience, |throng, jobs| throng.has_grown_to(jobs.fetch_add(1, Ordering::SeqCst) + 1));
        assert_eq!(found, 1);
        assert!(begun.elapsed() >= patience);
    }

    #[test]
    fn nobody_is_waited_for_who_is_there() {
        assert_eq!(waited(0, LONG, |_, _| ()), 0);
    }
}
