//! The one writer: takes jobs as they come, in batches that share a commit.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::ahead::Ahead;
use super::throng::Throng;
use super::{Engine, Job, StoreError, Tally, run};

/// Jobs that share one commit at most.
pub(super) const BATCH_JOBS_MAX: usize = 256;
/// Fewer jobs than these are no throng: they may have met by chance.
const THRONG_JOBS_MIN: usize = 3;
/// Longest time that a job waits for others to share its commit, in a throng: about what a commit takes with its
/// sync. Where no others come, the batch is no throng, and the next one waits for nobody.
const OTHERS_PATIENCE: Duration = Duration::from_millis(1);

pub(super) fn write_loop(engine: &mut dyn Engine, jobs: &Receiver<Job>, throng: &Throng, tally: &Tally) {
    let mut under_way = 0;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        if under_way >= THRONG_JOBS_MIN && !engine.is_far() {
            // The other half is made ready, by the callers' threads, while this one is committed.
            let others = under_way.div_ceil(2).min(BATCH_JOBS_MAX) - 1;
            throng.wait_for(others, || jobs.len(), OTHERS_PATIENCE);
        }
        let together = commit(engine, &mut batch, jobs.try_iter(), tally).is_ok();
        under_way = batch.len() + jobs.len();
        for job in batch {
            if together {
                job.end(Ok(()));
                continue;
            }
            // One bad job spoils nobody: nothing of the batch was kept, so each runs alone.
            let mut alone = vec![job];
            let result = commit(engine, &mut alone, std::iter::empty(), tally);
            for job in alone {
                job.end(result.clone());
            }
        }
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
        let asks = batch.iter().filter(|_| far).flat_map(|job| &job.work.asks);
        let mut tx = Ahead::ask(tx, asks)?;
        batch.iter_mut().try_for_each(|job| run(job, &mut tx))
    })?;
    tally.commits.fetch_add(1, Ordering::Relaxed);
    tally.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
    Ok(())
}
