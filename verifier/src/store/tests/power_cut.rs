//! The real database on a disk that loses its power at every write and sync, with unsynced writes torn, lost and
//! reordered as [`super::disk`] describes. Afterwards acknowledged commits are there, and of the commit in flight all
//! or nothing.

use std::path::Path;
use std::time::Instant;

use super::RedbStore;
use super::disk::{Change, Disk, after_cut, apply};
use crate::record::StoredState;
use crate::store::conformance::workload::Workload;
use crate::store::{Store, StoreError};

/// A recorded run: its changes, and how many there were when each commit returned.
struct Run {
    changes: Vec<Change>,
    acknowledged_at: Vec<usize>,
}

impl Run {
    /// Records the run of a workload from an empty disk to a closed store, with all commits acknowledged.
    fn of(workload: &Workload) -> Self {
        let disk = Disk::default();
        let mut store = open(&disk).expect("an empty disk opens");
        store.load().expect("an empty store loads");
        let mut acknowledged_at = Vec::new();
        for records in &workload.commits {
            store.commit(records).expect("the disk works");
            acknowledged_at.push(disk.changes());
        }
        drop(store);
        Self {
            changes: disk.take_log(),
            acknowledged_at,
        }
    }

    /// How many commits were acknowledged before the change with this number.
    fn acknowledged(&self, change: usize) -> usize {
        self.acknowledged_at.partition_point(|at| *at <= change)
    }

    /// The syncs of each commit, in order.
    fn syncs(&self, commit: usize) -> Vec<usize> {
        let start = commit
            .checked_sub(1)
            .map_or(0, |earlier| self.acknowledged_at[earlier]);
        (start..self.acknowledged_at[commit])
            .filter(|change| matches!(self.changes[*change], Change::Sync))
            .collect()
    }

    /// The run on a disk that reports the syncs in `lies` as done without having synced.
    fn with_lies(mut self, lies: impl IntoIterator<Item = usize>) -> Self {
        for lie in lies {
            assert!(matches!(self.changes[lie], Change::Sync));
            // An empty write takes the place of the sync, so that the numbers of the changes stay the same.
            self.changes[lie] = Change::Write(0, Vec::new());
        }
        self
    }
}

fn open(disk: &Disk) -> Result<RedbStore, StoreError> {
    RedbStore::over(disk.clone(), Path::new("cut.redb"))
}

/// Reads the state on a disk, in a process that then dies.
fn read(disk: &Disk) -> Result<StoredState, StoreError> {
    let mut store = open(disk)?;
    let state = store.load();
    disk.turn_off();
    state
}

/// Calls `check` for a cut at every change of a run, with the durable content, the unsynced changes and the number of
/// the cut. A cut comes before the change of the same number returns, so that this change, even a sync, may have been
/// made in part.
fn for_each_cut(changes: &[Change], mut check: impl FnMut(&[u8], &[Change], usize)) {
    let mut durable = Vec::new();
    let mut synced = 0;
    for cut in 0..=changes.len() {
        check(&durable, &changes[synced..changes.len().min(cut + 1)], cut);
        if let Some(Change::Sync) = changes.get(cut) {
            for change in &changes[synced..cut] {
                apply(&mut durable, change, |_| true);
            }
            synced = cut + 1;
        }
    }
}

#[derive(Debug, Default)]
struct PowerCuts {
    cuts: usize,
    openings: usize,
    /// Openings whose recovery was itself cut, so that the disk was opened again.
    second_cuts: usize,
    /// Openings that found the commit in flight complete.
    in_flight: usize,
    losses: Vec<String>,
}

/// Cuts a run at every `stride`-th change, `times` times each, and opens what is left.
fn examine(workload: &Workload, run: &Run, stride: usize, times: u64) -> PowerCuts {
    let mut figures = PowerCuts::default();
    let started = Instant::now();
    for_each_cut(&run.changes, |durable, unsynced, cut| {
        if !cut.is_multiple_of(stride) {
            return;
        }
        figures.cuts += 1;
        let (before, after) = workload.states.split_at(run.acknowledged(cut) + 1);
        let acknowledged = before.last().expect("the empty state at least");
        for time in 0..times {
            let seed = cut as u64 * 1_000 + time;
            let left = after_cut(durable, unsynced, seed);
            let disk = Disk::holding(left.clone());
            figures.openings += 1;
            match read(&disk) {
                Ok(state) if state == *acknowledged => {}
                Ok(state) if Some(&state) == after.first() => figures.in_flight += 1,
                Ok(_) => figures
                    .losses
                    .push(format!("cut {cut}, seed {seed}: another state")),
                Err(error) => figures
                    .losses
                    .push(format!("cut {cut}, seed {seed}: {error}")),
            }
            if time == 0 && cut.is_multiple_of(2) && figures.losses.is_empty() {
                figures.second_cuts += 1;
                let loss = cut_again(
                    left,
                    &disk.take_log(),
                    seed,
                    [Some(acknowledged), after.first()],
                );
                figures.losses.extend(loss);
            }
        }
    });
    let PowerCuts {
        cuts,
        openings,
        second_cuts,
        in_flight,
        losses,
    } = &figures;
    println!(
        "{cuts} cuts, {openings} openings, {second_cuts} cut again, {in_flight} with the commit in flight, \
         {} losses, {:?}",
        losses.len(),
        started.elapsed()
    );
    figures
}

/// Cuts the recovery from a cut as well: the disk must then still hold a legal state.
fn cut_again(
    mut durable: Vec<u8>,
    changes: &[Change],
    seed: u64,
    legal: [Option<&StoredState>; 2],
) -> Option<String> {
    let cut = usize::try_from(seed / 1_000).expect("small") % (changes.len() + 1);
    let synced = changes[..cut]
        .iter()
        .rposition(|change| matches!(change, Change::Sync));
    let synced = synced.map_or(0, |last| last + 1);
    for change in &changes[..synced] {
        apply(&mut durable, change, |_| true);
    }
    let left = after_cut(&durable, &changes[synced..cut], seed + 7);
    match read(&Disk::holding(left)) {
        Ok(state) if legal.contains(&Some(&state)) => None,
        Ok(_) => Some(format!("second cut {cut}, seed {seed}: another state")),
        Err(error) => Some(format!("second cut {cut}, seed {seed}: {error}")),
    }
}

#[test]
fn a_power_cut_at_every_change_loses_nothing() {
    let workload = Workload::new(1, 12, 6);
    let run = Run::of(&workload);
    let figures = examine(&workload, &run, 1, 2);
    assert_eq!(figures.losses, Vec::<String>::new());
    assert!(
        figures.cuts > run.changes.len(),
        "every change, and after the last"
    );
    assert!(figures.openings >= 250 && figures.in_flight >= 10);
}

#[test]
fn a_power_cut_while_the_file_grows_loses_nothing() {
    let workload = Workload::new(2, 300, 120);
    let run = Run::of(&workload);
    let lengths = run
        .changes
        .iter()
        .filter(|change| matches!(change, Change::Length(_)));
    assert!(lengths.count() > 1, "the file grows");
    let figures = examine(&workload, &run, 97, 3);
    assert_eq!(figures.losses, Vec::<String>::new());
    assert!(figures.cuts >= 40 && figures.in_flight >= 5);
}

/// The two tests above do detect losses: with a disk that does not sync, the cuts find them.
#[test]
fn the_cuts_find_what_is_not_synced() {
    let workload = Workload::new(1, 12, 6);
    let commits = 0..workload.commits.len();

    let run = Run::of(&workload);
    let lies: Vec<_> = commits
        .clone()
        .flat_map(|commit| run.syncs(commit))
        .collect();
    let none = examine(&workload, &run.with_lies(lies), 3, 2);
    assert!(!none.losses.is_empty(), "no commit is synced");

    // The last sync is missing: a commit is acknowledged before the header that makes it the current one is on the
    // disk.
    let run = Run::of(&workload);
    let lies: Vec<_> = commits
        .clone()
        .filter_map(|commit| run.syncs(commit).pop())
        .collect();
    let last = examine(&workload, &run.with_lies(lies), 3, 2);
    assert!(!last.losses.is_empty(), "a commit's last sync is missing");

    // The first sync is missing: the header may be on the disk before the pages that it refers to.
    let run = Run::of(&workload);
    let lies: Vec<_> = commits
        .filter_map(|commit| run.syncs(commit).into_iter().nth_back(1))
        .collect();
    let first = examine(&workload, &run.with_lies(lies), 1, 1);
    assert!(!first.losses.is_empty(), "a commit's first sync is missing");
}

/// Two-phase commit needs two syncs per commit; one would mean that it is not enabled.
#[test]
fn every_commit_has_two_phases() {
    let workload = Workload::new(1, 12, 6);
    let run = Run::of(&workload);
    for commit in 0..workload.commits.len() {
        assert!(run.syncs(commit).len() >= 2, "commit {commit}");
    }
}
