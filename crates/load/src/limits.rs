//! How many files this process may open: each session has a socket.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::LoadError;

/// Raises the limit to `sessions` sockets and what else is open.
pub(crate) fn allow_sockets(sessions: usize) -> Result<(), LoadError> {
    let needed = sessions as u64 + OTHERS;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|allowed| allowed >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: now.maximum.map(|m| m.max(needed)) };
    setrlimit(Resource::Nofile, raised).map_err(|_| LoadError::TooFewDescriptors {
        needed,
        allowed: now.maximum.unwrap_or(u64::MAX),
    })
}

/// Standard streams, epoll, its eventfd, and what the caller has open.
const OTHERS: u64 = 64;
