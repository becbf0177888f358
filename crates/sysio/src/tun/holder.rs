//! Who has an interface that exists already.

use std::fs;
use std::path::Path;

use crate::Holder;
use crate::netlink::now;

/// How an interface stands that a TUN interface was to be made beside.
pub(super) enum Standing {
    /// It is no TUN interface.
    OtherKind,
    /// It is one that no process has: it was made to stay.
    Unused,
    /// A process has it; which, where this one may see that.
    Used(Option<Holder>),
}

/// Looks at an interface that exists. One that can't be looked at is in use.
pub(super) fn standing(name: &str) -> Standing {
    let looked = now(async |netlink| netlink.link(netlink.link_index(name).await?).await);
    match looked {
        Ok(link) if !link.tun => Standing::OtherKind,
        Ok(link) if !link.carrier => Standing::Unused,
        Ok(_) | Err(_) => Standing::Used(holder(name)),
    }
}

/// The process that has a queue of the interface of this name, in the calling thread's network
/// namespace. `None` where there is none, or none that this process may look at.
fn holder(name: &str) -> Option<Holder> {
    let ours = fs::read_link("/proc/thread-self/ns/net").ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbered = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        Some((pid, entry.path()))
    });
    let mut holding =
        numbered.filter(|(_, process)| has_queue(process, name) && has_thread_in(process, &ours));
    let (pid, process) = holding.next()?;
    let program = fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(Holder { pid, program: program.trim().to_owned() })
}

/// Interfaces of the same name exist in other namespaces too.
fn has_thread_in(process: &Path, namespace: &Path) -> bool {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_link(thread.path().join("ns/net")).ok())
        .any(|other| other == namespace)
}

/// The kernel tells the interface of a TUN descriptor in its `fdinfo`.
fn has_queue(process: &Path, name: &str) -> bool {
    let line = format!("iff:\t{name}");
    let descriptors = fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok())
        .any(|info| info.lines().any(|told| told == line))
}
