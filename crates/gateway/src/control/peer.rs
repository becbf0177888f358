//! Who calls: told by the kernel, not by the caller.

use std::fs;

use admin::permission::Caller;
use tokio::net::UnixStream;

use crate::data::{HANDFAST_GROUP, group_id, own_uid, user_name};

/// The caller, if it may give commands; else its user id.
pub(super) fn caller(stream: &UnixStream) -> std::io::Result<Result<Caller, u32>> {
    let peer = stream.peer_cred()?;
    let (uid, gid) = (peer.uid(), peer.gid());
    if uid == 0 || uid == own_uid() || in_group(gid, peer.pid()) {
        return Ok(Ok(local(uid)));
    }
    Ok(Err(uid))
}

/// The person at this process' own keyboard.
pub(crate) fn own_user() -> Caller {
    local(own_uid())
}

fn local(uid: u32) -> Caller {
    Caller::Local { uid, name: user_name(uid) }
}

/// The caller's further groups stand in /proc. A caller that is gone by now is refused; another
/// process with its number could only pass where the socket's mode let it connect anyway.
fn in_group(gid: u32, pid: Option<i32>) -> bool {
    let Some(wanted) = group_id(HANDFAST_GROUP) else { return false };
    if gid == wanted {
        return true;
    }
    let Some(pid) = pid else { return false };
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| lists_group(&s, wanted))
}

fn lists_group(status: &str, wanted: u32) -> bool {
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_ascii_whitespace().any(|group| group.parse() == Ok(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_groups_are_read_from_the_process_status() {
        let status = "Name:\tx\nGid:\t1000\t1000\nGroups:\t24 990 1000 \nVmPeak: 1\n";
        assert!(lists_group(status, 990));
        assert!(!lists_group(status, 99));
        assert!(!lists_group("", 0));
    }
}
