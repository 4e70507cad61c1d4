//! The one writer: takes jobs as they come, in batches that share a commit.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::ahead::Ahead;
use super::{Engine, Job, StoreError, Tally, run};

/// Jobs that share one commit at most.
pub(super) const BATCH_JOBS_MAX: usize = 256;
/// Fewer jobs than these are no throng: they may have met by chance.
const THRONG_JOBS_MIN: usize = 3;
/// Longest time that a job waits for others to share its commit, in a throng: about what a commit takes with its
/// sync. Where no others come, the batch is no throng, and the next one waits for nobody.
const OTHERS_PATIENCE: Duration = Duration::from_millis(1);

pub(super) fn write_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>, tally: &Tally) {
    let mut under_way = 0;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        if under_way >= THRONG_JOBS_MIN && !engine.is_far() {
            // The other half is made ready, by the callers' threads, while this one is committed.
            wait_for_others(&mut batch, jobs, under_way.div_ceil(2), OTHERS_PATIENCE);
        }
        let together = commit(engine, &mut batch, jobs.try_iter(), tally).is_ok();
        under_way = batch.len() + jobs.len();
        // What the jobs hold is given back when every caller has been told.
        let mut told = Vec::with_capacity(batch.len());
        for job in batch {
            let mut alone = vec![job];
            // One bad job spoils nobody: nothing of the batch was kept, so each runs alone.
            let result =
                if together { Ok(()) } else { commit(engine, &mut alone, std::iter::empty(), tally) };
            if let Some(Job { run, done, .. }) = alone.pop() {
                done(result);
                told.push(run);
            }
        }
    }
}

/// Waits until so many jobs are together, and no longer than that. Callers who were answered together come back
/// one after the other: without the wait the first of them would have a commit for itself, and the others the next.
fn wait_for_others<J>(batch: &mut Vec<J>, jobs: &Receiver<J>, wanted: usize, patience: Duration) {
    let until = Instant::now() + patience;
    while batch.len() < wanted.min(BATCH_JOBS_MAX) {
        let Ok(job) = jobs.recv_deadline(until) else { return };
        batch.push(job);
    }
}

/// All of these jobs in one transaction, or none. Those that wait join when the transaction has begun: for that,
/// it may have had to wait for another process's.
fn commit(
    engine: &mut dyn Engine,
    batch: &mut Vec<Job>,
    waiting: impl Iterator<Item = Job>,
    tally: &Tally,
) -> Result<(), StoreError> {
    let (far, mut waiting) = (engine.is_far(), waiting.take(BATCH_JOBS_MAX - batch.len()));
    engine.write(&mut |tx| {
        tx.begun()?;
        batch.extend(&mut waiting);
        let asks = batch.iter().filter(|_| far).flat_map(|job| &job.asks);
        let mut tx = Ahead::ask(tx, asks)?;
        batch.iter_mut().try_for_each(|job| run(job, &mut tx))
    })?;
    tally.commits.fetch_add(1, Ordering::Relaxed);
    tally.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn waits_for_as_many_as_came_before_and_no_more() {
        let (send, jobs) = bounded(8);
        let sender = std::thread::spawn(move || {
            for job in 2..=5 {
                std::thread::sleep(Duration::from_millis(5));
                send.send(job).unwrap();
            }
            send
        });
        let mut batch = vec![1];
        wait_for_others(&mut batch, &jobs, 4, LONG);
        assert_eq!(batch, [1, 2, 3, 4]);
        drop(sender.join().unwrap());
    }

    #[test]
    fn goes_on_without_others_when_none_come() {
        let (send, jobs) = bounded::<i32>(8);
        let mut batch = vec![1];
        wait_for_others(&mut batch, &jobs, 4, Duration::from_millis(1));
        assert_eq!(batch, [1]);
        drop(send);
        wait_for_others(&mut batch, &jobs, 4, LONG);
        assert_eq!(batch, [1]);
    }
}
