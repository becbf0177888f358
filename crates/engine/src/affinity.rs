//! A processor for each data worker.
//!
//! A worker that is busy all the time and shares a processor with another busy thread waits until the
//! kernel's tick has taken that one off, for 1 to 10 ms, and so do all packets behind it, while the kernel
//! evens processors out far less often. Where each worker keeps to a processor of its own, no two of them
//! ever meet, and it is others that move.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processor of each of `workers` workers, in their order: where this thread may use exactly as many.
///
/// With fewer workers than processors it would be for us to know which of them are slow, share a core or
/// serve others, and with more, workers would meet: both are the scheduler's.
pub(crate) fn one_each(workers: u16) -> Option<Vec<CpuSet>> {
    split(&sched_getaffinity(None).ok()?, workers)
}

/// Keeps the calling thread to `processors`. Without it everything works, with longer waits under load.
pub(crate) fn keep_to(processors: &CpuSet) {
    if let Err(error) = sched_setaffinity(None, processors) {
        tracing::info!(%error, "a data worker runs on any processor");
    }
}

fn split(allowed: &CpuSet, workers: u16) -> Option<Vec<CpuSet>> {
    if allowed.count() != u32::from(workers) {
        return None;
    }
    let single = |number| {
        let mut set = CpuSet::new();
        set.set(number);
        set
    };
    Some((0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).map(single).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        numbers.iter().for_each(|number| set.set(*number));
        set
    }

    #[test]
    fn as_many_workers_as_processors_get_one_each_and_others_none() {
        let allowed = set(&[2, 3, 700]);
        assert_eq!(split(&allowed, 3), Some(vec![set(&[2]), set(&[3]), set(&[700])]));
        assert_eq!(split(&allowed, 2), None);
        assert_eq!(split(&allowed, 4), None);
    }

    #[test]
    fn a_thread_stays_where_it_is_told_to() {
        let allowed = sched_getaffinity(None).expect("this thread's processors");
        let all = one_each(allowed.count() as u16).expect("one for each");
        let last = all.last().expect("a processor");
        keep_to(last);
        assert_eq!(sched_getaffinity(None).expect("this thread's processors"), *last);
    }
}
