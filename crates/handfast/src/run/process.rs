//! What the system lets this process have, and keeps from others.
//!
//! No decision of the gateway is here. Invariant: a process that has keys in memory leaves no core
//! file and can't be traced by others of the same user.

use admin::failure::{Failure, FailureKind};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// No core file, and nobody but root looks into the memory. Where a system does not know the one, the
/// other holds.
pub(crate) fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Whether a gateway whose packets `workers` threads carry can start and serve with what this process may
/// have. Without, it would fail somewhere on the way, in the words of that place.
pub(crate) fn room_for_a_gateway(workers: u16) -> Result<(), Failure> {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: files.maximum, maximum: files.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let enough = |limit: Option<u64>, needed: u64| limit.is_none_or(|limit| limit >= needed);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let needed = files_needed(workers, cores);
    if !enough(files.maximum, needed) {
        let allowed = files.maximum.unwrap_or(0);
        return Err(Failure::new(
            FailureKind::Environment,
            format!("this process may open {allowed} files, and a gateway needs {needed} to start"),
        )
        .hint("raise the limit: LimitNOFILE= in the unit, or ulimit -n"));
    }
    let memory = getrlimit(Resource::As).current;
    if !enough(memory, MEMORY) {
        let allowed = memory.unwrap_or(0) >> 20;
        return Err(Failure::new(
            FailureKind::Environment,
            format!(
                "this process may have {allowed} MiB of memory, and a gateway needs {} to start",
                MEMORY >> 20
            ),
        )
        .hint("raise the limit: LimitAS= in the unit, or ulimit -v"));
    }
    Ok(())
}

/// Handshakes have a thread on each core, however many carry packets.
fn files_needed(workers: u16, cores: u64) -> u64 {
    FILES + u64::from(workers) * FILES_PER_WORKER + cores * FILES_PER_RUNTIME
}

/// Database, sockets, runtime and commands.
const FILES: u64 = 64;
/// Queues, sockets and a poller for each thread that carries packets.
const FILES_PER_WORKER: u64 = 20;
/// A poller and what wakes it.
const FILES_PER_RUNTIME: u64 = 4;
/// Addresses, of which most stay without memory behind them.
const MEMORY: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_were_set_are_counted_and_not_the_cores_alone() {
        assert_eq!(files_needed(2, 2), 112);
        assert!(files_needed(32, 2) > files_needed(2, 32));
    }
}
