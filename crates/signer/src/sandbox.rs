//! What the signer gives up once it has its keys: all files but its own folder, the network, other programs,
//! and every system call that it has no use for.
//!
//! For the thread that calls it and those it starts: a process without others has to. What the kernel does not
//! know is gone without, and said. The environment variable [`SWITCH`] leaves parts out, to try that or to get
//! around a kernel's bug: a comma-separated list of `landlock` and `seccomp`, or `all`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::protocol::Lack;

/// Gives everything up but `folder`. What could not be given up is answered.
pub(crate) fn enter(folder: &Path) -> Vec<Lack> {
    let switch = std::env::var(SWITCH).unwrap_or_default();
    let off = |part: &str| switch.split(',').any(|word| [part, "all"].contains(&word.trim()));
    let mut lacks = match off("landlock") {
        true => vec![Lack::Files, Lack::Network],
        false => files_and_network(folder),
    };
    if off("seccomp") || calls().is_err() {
        lacks.push(Lack::Calls);
    } else {
        // Without sockets there is no network either.
        lacks.retain(|lack| *lack != Lack::Network);
    }
    for lack in &lacks {
        tracing::warn!("the signer's sandbox: {lack}");
    }
    lacks
}

fn files_and_network(folder: &Path) -> Vec<Lack> {
    match landlocked(folder) {
        Ok(RulesetStatus::FullyEnforced) => Vec::new(),
        // Files came first, the network later.
        Ok(RulesetStatus::PartiallyEnforced) => vec![Lack::Network],
        Ok(RulesetStatus::NotEnforced) | Err(_) => vec![Lack::Files, Lack::Network],
    }
}

fn landlocked(folder: &Path) -> Result<RulesetStatus, landlock::RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    // Of a folder that is not there nothing is needed.
    let ruleset = match PathFd::new(folder) {
        Ok(own) => ruleset.add_rule(PathBeneath::new(own, AccessFs::from_all(KNOWN)))?,
        Err(_) => ruleset,
    };
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is not on the list fails as forbidden: a call that a library has use for on another machine makes
/// one answer fail, and does not end the signer.
fn calls() -> Result<(), Box<dyn Error>> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let rules: BTreeMap<_, _> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let rules = rules.into_iter().chain([(libc::SYS_clone, vec![thread_alone()?])]).collect();
    let forbidden = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, forbidden, SeccompAction::Allow, arch)?;
    unknown_clone3(arch)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

/// A thread may be started, which takes this filter along, and no process.
fn thread_alone() -> Result<SeccompRule, Box<dyn Error>> {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let (width, is) = (SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread));
    Ok(SeccompRule::new(vec![SeccompCondition::new(0, width, is, thread)?])?)
}

/// What `clone3` is asked for lies in memory, where no filter looks. Who finds it missing calls `clone`.
fn unknown_clone3(arch: TargetArch) -> Result<(), Box<dyn Error>> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, arch)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

/// The variable that leaves parts out.
const SWITCH: &str = "HANDFAST_WITHOUT";

/// Older kernels know less of it, and what they know is enforced.
const KNOWN: ABI = ABI::V6;

/// The line and the log; its own folder; memory, time and randomness; an end.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fchown,
    libc::SYS_fchmod,
    libc::SYS_getdents64,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    // What a thread begins with, where a CA is made. The second half of starting one is looked at above.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    #[test]
    fn who_is_in_it_reads_its_own_folder_and_nothing_else_and_reaches_nobody() {
        let folder = std::env::temp_dir().join(format!("signer-sandbox-{}", std::process::id()));
        fs::create_dir_all(folder.join("own")).expect("made");
        fs::write(folder.join("another's"), "hush").expect("written");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (mut line, mut far) = UnixStream::pair().expect("a pair");
        let there = folder.clone();
        let confined = move || {
            let own = there.join("own");
            let lacks = enter(&own);
            fs::write(own.join("mine"), "mine").expect("written");
            assert_eq!(fs::read_to_string(own.join("mine")).expect("read"), "mine");
            fs::rename(own.join("mine"), own.join("still mine")).expect("renamed");
            let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
            if !lacks.contains(&Lack::Files) {
                assert!(fs::read(there.join("another's")).is_err_and(denied));
                assert!(fs::read("/etc/passwd").is_err_and(denied));
                assert!(fs::write(there.join("new"), "").is_err_and(denied));
            }
            if !lacks.contains(&Lack::Network) {
                assert!(TcpStream::connect(address).is_err_and(denied));
                assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).is_err_and(denied));
            }
            if !lacks.contains(&Lack::Calls) {
                assert!(Command::new("/bin/true").spawn().is_err());
                let thread =
                    std::thread::Builder::new().spawn(|| Command::new("/bin/true").spawn());
                assert!(
                    thread.expect("a thread").join().expect("no panic").is_err(),
                    "confined too"
                );
            }
            far.write_all(b"done").expect("the line is there");
            lacks
        };
        let lacks = std::thread::spawn(confined).join().expect("no panic");
        let mut said = [0; 4];
        line.read_exact(&mut said).expect("said");
        println!("FIGURE the kernel lacks {lacks:?}");
        fs::remove_dir_all(folder).expect("removed");
    }
}
