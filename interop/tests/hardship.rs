//! A gateway that is short of descriptors or memory, whose log can't be written, or that gets signals
//! which are meant for others.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use interop::{Ping, Stock, Subscriber, World, wait_until};

#[test]
fn too_few_descriptors_or_too_little_memory_are_said_and_undone() {
    let name = "too_few_descriptors_or_too_little_memory_are_said_and_undone";
    let Some(mut world) = World::start(name, &[]) else { return };
    world.bring_down();
    let steps = (4..80).step_by(4).map(|files| (format!("-n {files}"), "files"));
    let memory = [1, 2, 4, 8].map(|part| (format!("-v {}", part * 14_000), "memory"));
    for (limit, of) in steps.chain(memory) {
        let output = limited(&world, &limit);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "ulimit {limit}: {said}");
        // The loader itself says so where there is not even enough for it.
        if said.contains("error: ") {
            assert!(said.contains(of) && said.contains("hint: "), "ulimit {limit}: {said}");
        }
        assert!(!output.status.success(), "ulimit {limit}: {said}");
        assert_eq!(rules(&world), "", "ulimit {limit}");
    }
}

#[test]
fn a_log_that_can_not_be_written_harms_no_session() {
    let name = "a_log_that_can_not_be_written_harms_no_session";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    for broken in ["a full disk", "a reader that is gone"] {
        let mut command = world.up_command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(match broken {
            "a full disk" => Stdio::from(File::create("/dev/full").expect("a device")),
            _ => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                drop(reader);
                Stdio::from(writer)
            }
        });
        let mut gateway = world.gateway.netns.spawn(command).expect("the gateway starts");
        let answers = || world.try_handfast(&["status"]).status.success();
        assert!(wait_until(Duration::from_secs(20), answers), "with {broken}");
        let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
        stock.connected();
        for _ in 0..20 {
            signal(gateway.id(), "USR2");
        }
        assert!(reaches_gateway(&world, &alice), "with {broken}");
        assert!(gateway.try_wait().expect("a child").is_none(), "with {broken}");
        signal(gateway.id(), "TERM");
        let status = gateway.wait().expect("a child");
        assert!(status.success(), "with {broken}: {status}");
        assert_eq!(rules(&world), "");
    }
}

#[test]
fn no_signal_that_may_be_ignored_ends_the_gateway_and_none_gets_its_memory() {
    let name = "no_signal_that_may_be_ignored_ends_the_gateway_and_none_gets_its_memory";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let id = world.up.as_ref().expect("a gateway").id();
    for name in [
        "USR1", "HUP", "USR2", "PIPE", "ALRM", "WINCH", "CONT", "URG", "CHLD", "IO", "PWR", "PROF",
        "VTALRM", "STKFLT", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    ] {
        signal(id, name);
        std::thread::sleep(Duration::from_millis(50));
        assert!(fs::exists(format!("/proc/{id}/exe")).is_ok_and(|there| there), "SIG{name}");
    }
    assert!(reaches_gateway(&world, &alice), "{}", world.log());
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // The memory of a process that can't be dumped belongs to root, whoever runs it.
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
    assert!(status.contains("CoreDumping:\t0"), "{status}");
    signal(id, "QUIT");
    let mut up = world.up.take().expect("a gateway");
    assert!(up.ends(Duration::from_secs(10)).is_some_and(|status| status.success()));
    assert_eq!(rules(&world), "");
}

fn limited(world: &World, limit: &str) -> std::process::Output {
    let mut command = Command::new("sh");
    let up = world.up_command();
    command.arg("-c").arg(format!("ulimit {limit} && exec timeout 20 \"$@\"")).arg("sh");
    command.arg(up.get_program()).args(up.get_args());
    world.gateway.netns.output(command).expect("a shell starts")
}

fn reaches_gateway(world: &World, subscriber: &Subscriber) -> bool {
    let log = world.file("ping.log");
    let target = "10.71.0.1".parse().expect("an address");
    let pinged = Ping::run(&subscriber.host.netns, target, 10, Duration::from_millis(20), &log);
    pinged.lost() == 0
}

fn rules(world: &World) -> String {
    let mut command = Command::new("nft");
    command.args(["list", "ruleset"]);
    let output = world.gateway.netns.output(command).expect("nft starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn signal(id: u32, name: &str) {
    // The shell's own knows the signals that are free for any use.
    let status = Command::new("bash").arg("-c").arg(format!("kill -{name} {id}")).status();
    assert!(status.expect("a shell starts").success(), "SIG{name}");
}
