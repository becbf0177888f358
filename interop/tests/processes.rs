//! Whatever a test starts ends with it: by its end, by a panic, by a kill.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use interop::{Program, skip, wait_until};
use sysio::{Netns, NetnsError};

#[test]
fn an_enclosed_program_takes_all_that_it_started_with_it() {
    let mark = mark(1);
    let Some((_netns, program)) = start("an_enclosed_program", &mark) else { return };
    assert!(wait_until(SOON, || all_run(&mark)), "{:?}", running(&mark));
    drop(program);
    assert_eq!(running(&mark), Vec::<String>::new(), "before the drop is over, not after");
}

#[test]
fn an_enclosed_program_takes_all_that_it_started_with_it_when_a_test_panics() {
    let mark = mark(2);
    let fails = catch_unwind(|| {
        let started = start("an_enclosed_program_and_a_panic", &mark);
        let there = started.is_none() || wait_until(SOON, || all_run(&mark));
        assert!(!there, "as a test does that fails");
    });
    assert!(fails.is_err(), "all of them were there");
    assert_eq!(running(&mark), Vec::<String>::new());
}

#[test]
fn an_enclosed_program_takes_all_that_it_started_with_it_when_a_test_is_killed() {
    let name = "an_enclosed_program_takes_all_that_it_started_with_it_when_a_test_is_killed";
    if let Ok(mark) = std::env::var(MARK) {
        let _started = start(name, &mark);
        sleep(Duration::from_secs(60));
        return;
    }
    let mark = mark(3);
    if start(name, &mark).is_none() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().expect("a test binary"));
    command.args(["--exact", name]).env(MARK, &mark).stdout(Stdio::null());
    let mut test = command.spawn().expect("it starts");
    let there = wait_until(SOON, || all_run(&mark));
    test.kill().expect("it is killed");
    test.wait().expect("it is gone");
    assert!(there, "all of them were there");
    assert!(wait_until(SOON, || running(&mark).is_empty()), "{:?}", running(&mark));
}

/// A program that starts one which waits, one with a session of its own and one that gives root away.
fn start(test: &str, mark: &str) -> Option<(Netns, Program)> {
    let netns = match Netns::create() {
        Ok(netns) => netns,
        Err(NetnsError::Denied(_)) => {
            skip(test, "network namespaces need root");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let mut command = Command::new("sh");
    command.args(["-c", STARTS, mark]).current_dir("/");
    let log = std::env::temp_dir().join(format!("handfast-processes-{mark}"));
    let program = Program::start_enclosed(&netns, &command, &log).expect("it starts");
    fs::remove_file(log).expect("it is there");
    Some((netns, program))
}

/// Whether all three that wait do so.
fn all_run(mark: &str) -> bool {
    running(mark).iter().filter(|line| line.starts_with("sleep ")).count() == 3
}

/// Who has this on its command line.
fn running(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    let line = |process: PathBuf| {
        let line = fs::read(process.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(mark).then_some(line)
    };
    processes.filter_map(line).collect()
}

/// How long the programs wait, which no other does.
fn mark(number: u32) -> String {
    format!("100.{}{number}", std::process::id())
}

const STARTS: &str = r#"
trap '' TERM
sleep "$0" &
setsid sh -c 'trap "" TERM; sleep "$0"; true' "$0" &
{ setpriv --reuid 65534 --regid 65534 --clear-groups sleep "$0" || sleep "$0"; } &
wait
"#;

/// What the test that is killed is told.
const MARK: &str = "HANDFAST_MARK_OF_THE_KILLED";

const SOON: Duration = Duration::from_secs(10);
