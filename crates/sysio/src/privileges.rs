//! What a thread gives up before it starts programs that are not ours.
//!
//! Credentials belong to threads: programs that this thread starts have nothing beyond its user and its
//! groups, while the other threads keep what they need.

use rustix::io;
use rustix::thread::{
    CapabilitySet, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_no_new_privs,
};

/// Programs that the calling thread starts from here on have no capability, and gain none by what
/// they start.
///
/// # Errors
/// When the kernel refuses; then nothing should be started.
pub fn shed_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // Whoever may not drop them is no root, for whom alone this set matters; or the kernel does not
            // know this one.
            Ok(()) | Err(io::Errno::PERM | io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
