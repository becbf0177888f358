//! What a thread gives up before it starts programs that are not ours.
//!
//! Credentials belong to threads: programs that this thread starts have nothing beyond its user and its
//! groups, while the other threads keep what they need.

use rustix::io;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Programs that the calling thread starts from here on have no capability, and gain none by what
/// they start; nor has the thread itself.
///
/// Root's programs get whatever the bounding set leaves. Where it can't be emptied, as in a container
/// without CAP_SETPCAP, the thread's own empty set does the same: without new privileges nothing that is
/// started has more than who started it.
///
/// # Errors
/// When the kernel refuses; then nothing should be started.
pub fn shed_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    empty_bounding_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn empty_bounding_set() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // Who may not drop them has what follows; or the kernel does not know this one.
            Ok(()) | Err(io::Errno::PERM | io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::thread::capabilities;

    use super::*;

    #[test]
    fn what_is_started_has_no_capability_where_the_bounding_set_can_t_be_emptied() {
        let thread = std::thread::spawn(|| {
            let own = capabilities(None).expect("its own");
            // As root in a container has it.
            let but = |set: CapabilitySet| set.difference(CapabilitySet::SETPCAP);
            let (effective, permitted) = (but(own.effective), but(own.permitted));
            let sets = CapabilitySets { effective, permitted, inheritable: but(own.inheritable) };
            set_capabilities(None, sets).expect("given up");
            shed_privileges().expect("shed");
            let status = Command::new("grep").args(["Cap", "/proc/self/status"]).output();
            String::from_utf8(status.expect("it starts").stdout).expect("text")
        });
        let status = thread.join().expect("a thread");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
        }
    }
}
