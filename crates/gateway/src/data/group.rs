//! The local accounts: the number of a group, the name of a user.
//!
//! Only the local files are read. Accounts from a directory service still pass the control
//! socket's file mode by the kernel's own judgement; they are named by number.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// Members of this group may use the control socket.
pub const HANDFAST_GROUP: &str = "handfast";

/// The number of the local group `name`.
pub fn group_id(name: &str) -> Option<u32> {
    third_field_of(&fs::read_to_string("/etc/group").ok()?, name)
}

/// Whether `path` belongs to the group `handfast`; root hands it over where there is one. A service
/// that runs in that group makes its files for it anyway; anybody else's stay their own.
pub(crate) fn shares(path: &Path, meta: &fs::Metadata) -> bool {
    match group_id(HANDFAST_GROUP) {
        Some(group) if meta.gid() == group => true,
        // Root in a user namespace may not; then the group has no part in this folder.
        Some(group) if super::own_uid() == 0 => chown(path, None, Some(group)).is_ok(),
        _ => false,
    }
}

/// The name of the local user `uid`.
pub fn user_name(uid: u32) -> Option<String> {
    name_of_number(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn third_field_of(file: &str, name: &str) -> Option<u32> {
    let line = file.lines().find(|l| l.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

fn name_of_number(file: &str, number: u32) -> Option<String> {
    let of = |l: &&str| l.split(':').nth(2).and_then(|n| n.parse().ok()) == Some(number);
    let line = file.lines().find(of)?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let file = "root:x:0:\nhandfast2:x:7:\nhandfast:x:990:alice,bob\n";
        assert_eq!(third_field_of(file, "handfast"), Some(990));
        assert_eq!(third_field_of(file, "hand"), None);
    }

    #[test]
    fn a_user_is_found_by_number() {
        let file = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_of_number(file, 1000).as_deref(), Some("alice"));
        assert_eq!(name_of_number(file, 1), None);
    }
}
