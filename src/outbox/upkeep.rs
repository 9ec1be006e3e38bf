//! What the delivery thread does now and then: it counts the mails that wait, gives up old ones, and removes the files of
//! customers who were erased.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::jobs::Jobs;
use super::queries;
use crate::ids::{CustomerId, EntryId};
use crate::mail::file;
use crate::metrics::Mails;

/// How often the waiting mails are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);
/// How often what is old is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Ids in one look-up.
const CHUNK: usize = 500;

/// When each was done last.
#[derive(Default)]
pub(super) struct Upkeep {
    counted: Option<Instant>,
    swept: Option<Instant>,
}

impl Upkeep {
    /// Does what is due.
    pub(super) fn run(&mut self, jobs: &mut Jobs, metrics: &Mails, folder: Option<&PathBuf>) {
        if is_due(&mut self.counted, COUNT_INTERVAL)
            && let Some((waiting, oldest)) = jobs.read(queries::waiting)
        {
            let now = EntryId::least_at(Utc::now());
            metrics.waiting.set(waiting);
            metrics.oldest_seconds.set(oldest.map_or(0, |oldest| oldest.seconds_before(now)));
        }
        if is_due(&mut self.swept, SWEEP_INTERVAL) {
            for (id, customer) in jobs.write(queries::sweep).unwrap_or_default() {
                log::warn!(outbox_id:% = id, customer_id = customer.map(CustomerId::get);
                    "a mail could not be delivered for two days");
                metrics.failed.inc();
            }
            if let Some(folder) = folder {
                remove_erased(jobs, folder);
            }
        }
    }
}

fn is_due(last: &mut Option<Instant>, interval: Duration) -> bool {
    let is_due = last.is_none_or(|last| last.elapsed() >= interval);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// Removes the files of customers who do not exist any more: those that were written while the customer was erased.
fn remove_erased(jobs: &mut Jobs, folder: &Path) {
    let failed = |error: std::io::Error| log::warn!("mails about erased customers could not be removed: {error}");
    let mut files = match file::by_customer(folder) {
        Ok(files) => files,
        Err(error) => return failed(error),
    };
    let ids: Vec<i64> = files.keys().copied().collect();
    for chunk in ids.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        for id in jobs.read(move |connection| queries::erased(connection, &chunk)).unwrap_or_default() {
            if let Err(error) = files.remove(&id).into_iter().flatten().try_for_each(file::remove) {
                return failed(error);
            }
        }
    }
}
