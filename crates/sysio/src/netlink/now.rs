//! Requests from where nothing can be awaited, such as destructors.
//!
//! Each runs on a thread of its own with a connection of its own, in the calling thread's network
//! namespace: a runtime that the caller may stand in can't wait.

use std::thread;

use super::{Netlink, NetlinkError};

/// Makes a request and waits for its end.
pub fn now<T: Send>(
    request: impl AsyncFnOnce(&Netlink) -> Result<T, NetlinkError> + Send,
) -> Result<T, NetlinkError> {
    let failed = |source| NetlinkError::new("reach the kernel's network configuration", source);
    thread::scope(|scope| {
        let work = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().map_err(failed)?;
            runtime.block_on(async {
                let netlink = Netlink::open().map_err(failed)?;
                request(&netlink).await
            })
        };
        let thread = thread::Builder::new().name("netlink".to_owned()).spawn_scoped(scope, work);
        let ended = thread.map_err(failed)?.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
