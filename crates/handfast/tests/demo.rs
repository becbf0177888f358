//! `handfast demo` from outside: what it shows, and that nothing of it stays.
//!
//! The binary and the temporary files of each run are in a folder of the test's own, so that whatever
//! is left can be told from other programs' things.
//!
//! Alone: it compares the machine's interfaces, tables and mounts with those before.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn every_step_is_shown_and_nothing_is_left() {
    let Some(demo) = Demo::as_root("every_step_is_shown_and_nothing_is_left") else { return };
    let before = Traces::look();
    let page = demo.folder.join("alice.html");
    let output = demo.command().arg("--page").arg(&page).output().unwrap();
    let shown = demo.succeeded(&output);
    for step in STEPS.into_iter().chain(["explained"]) {
        assert!(shown.lines().any(|l| l.trim_start().starts_with(step)), "{step}:\n{shown}");
    }
    assert!(shown.lines().count() < 48, "it is to be read:\n{shown}");
    assert!(shown.contains("bob by stock openvpn") || shown.ends_with(OWN_ONLY), "{shown}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("alice/default") && page.contains("Key message"), "{page}");
    assert!(page.len() < 200_000, "{}", page.len());
    let public = |digits: &&String| {
        ["random", "session_id"]
            .iter()
            .any(|name| page.contains(&format!("<td>{name}</td><td><code>{digits}<")))
    };
    let digits = long_digits(&page);
    assert!(!digits.is_empty() && digits.iter().all(|one| public(&one)), "{digits:?}");
    assert!(long_digits(&shown).is_empty(), "{shown}");
    demo.assert_gone(&before);
}

#[test]
fn a_handshake_that_is_made_to_be_explained_is_told_whole_and_leaves_nothing() {
    let name = "a_handshake_that_is_made_to_be_explained_is_told_whole_and_leaves_nothing";
    let Some(demo) = Demo::as_root(name) else { return };
    let before = Traces::look();
    let output = demo.explain(&["--format", "json"]).output().unwrap();
    let told = demo.succeeded(&output);
    let stories: Value = serde_json::from_str(&told).unwrap();
    let story = &stories["stories"][0];
    let steps = story["steps"].as_array().unwrap();
    assert_eq!(long_digits(&told), public_values(steps), "no key and no secret");
    let has = |entry: &str| steps.iter().any(|step| step["entry"] == entry);
    for entry in ["client_hello", "client_certificate_verify", "push_reply"] {
        assert!(has(entry), "{entry}: {steps:?}");
    }
    assert!(!has("sealed"), "all of it is read: {steps:?}");
    assert_eq!(story["ending"]["how"], "done");
    demo.assert_gone(&before);
    let output = demo.explain(&[]).output().unwrap();
    let told = demo.succeeded(&output);
    assert!(told.starts_with("AN OPENVPN SESSION WITH TLS 1.3 INSIDE"), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

/// Everything that is as long as a secret, in hexadecimal; serial numbers are shorter.
fn long_digits(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
    words.filter(|word| word.len() > 40).map(str::to_lowercase).collect()
}

/// What everybody on the way sees of that length.
fn public_values(steps: &[Value]) -> BTreeSet<String> {
    let fields = steps.iter().flat_map(|step| step["fields"].as_array().unwrap());
    let public = fields.filter(|field| field["name"] == "random" || field["name"] == "session_id");
    let values = public.map(|field| field["value"].as_str().unwrap());
    values.filter(|value| value.len() > 40).map(str::to_owned).collect()
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let Some(demo) = Demo::as_root("an_interrupted_demo_leaves_nothing") else { return };
    let before = Traces::look();
    for (step, signal) in
        [("network", Signal::TERM), ("subscribers", Signal::INT), ("file", Signal::INT)]
    {
        let mut child = demo.start();
        demo.wait_for_line(&mut child, step);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let begun = Instant::now();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{step}: {}", demo.said());
        assert!(begun.elapsed() < Duration::from_secs(5), "{step}: {:?}", begun.elapsed());
        demo.assert_gone(&before);
    }
}

#[test]
fn a_killed_demo_leaves_no_process() {
    let Some(demo) = Demo::as_root("a_killed_demo_leaves_no_process") else { return };
    let mut child = demo.start();
    demo.wait_for_line(&mut child, "ping");
    child.kill().unwrap();
    child.wait().unwrap();
    demo.assert_no_process();
}

#[test]
fn without_a_tun_device_it_says_how_to_mend_that() {
    let Some(demo) = Demo::as_root("without_a_tun_device_it_says_how_to_mend_that") else { return };
    let none = demo.in_private_mounts("mount -t tmpfs none /dev/net && exec $0 demo");
    let said = String::from_utf8_lossy(&none.stderr);
    assert_eq!(none.status.code(), Some(8), "{said}");
    assert!(said.contains("modprobe tun") && said.contains("--device /dev/net/tun"), "{said}");
    let closed = demo.in_private_mounts(&format!("{} exec {NOBODY} $0 demo", tun(600)));
    let said = String::from_utf8_lossy(&closed.stderr);
    assert_eq!(closed.status.code(), Some(8), "{said}");
    assert!(said.contains("sudo chmod 666 /dev/net/tun"), "{said}");
}

#[test]
fn an_ordinary_user_without_the_stock_client_is_shown_our_own() {
    let name = "an_ordinary_user_without_the_stock_client_is_shown_our_own";
    let Some(demo) = Demo::as_root(name) else { return };
    let allowed = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let mut probe = Command::new("setpriv");
    probe.args(NOBODY.split(' ').skip(1)).args(["unshare", "-Ur", "true"]);
    let may = probe.status().is_ok_and(|status| status.success());
    if allowed.trim() == "0" || !may {
        println!("SKIP {name}: ordinary users may not make user namespaces here");
        return;
    }
    let hide = "for f in /usr/sbin/openvpn /usr/sbin/nft; do \
                if [ -e $f ]; then mount --bind /dev/null $f; fi; done;";
    let output = demo.in_private_mounts(&format!("{} {hide} exec {NOBODY} $0 demo", tun(666)));
    let shown = demo.succeeded(&output);
    assert!(shown.contains("sudo apt-get install openvpn nftables"), "{shown}");
    assert!(shown.ends_with(OWN_ONLY), "{shown}");
    demo.assert_no_process();
}

/// What each line begins with that has to be there.
const STEPS: [&str; 10] = [
    "network",
    "gateway",
    "subscribers",
    "connect",
    "ping",
    "file",
    "new keys",
    "revocation",
    "https",
    "done",
];
const OWN_ONLY: &str = "\nshown with our own client only\n";
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// A binary, a folder for temporary files, and their turn.
struct Demo {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Demo {
    /// `None`, said by name, where this machine cannot do it.
    fn as_root(test: &str) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        if !rustix::process::geteuid().is_root() {
            println!("SKIP {test}: network namespaces need root");
            return None;
        }
        if File::options().read(true).write(true).open("/dev/net/tun").is_err() {
            println!("SKIP {test}: /dev/net/tun can't be opened");
            return None;
        }
        // One at a time: they measure.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = std::env::temp_dir().join(format!("hf-test-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("tmp")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_handfast"), folder.join("handfast")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        Some(Self { folder, _turn: turn })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.folder.join("handfast"));
        command.args(["demo", "--no-install"]);
        self.around(&mut command);
        command
    }

    fn explain(&self, more: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("handfast"));
        command.args(["explain", "demo"]).args(more);
        self.around(&mut command);
        command
    }

    fn around(&self, command: &mut Command) {
        command.env("TMPDIR", self.folder.join("tmp")).env_remove("HANDFAST_DATA");
        command.stdin(Stdio::null()).current_dir(&self.folder);
    }

    /// Starts it, with its output in a file.
    fn start(&self) -> Child {
        let out = File::create(self.output()).unwrap();
        let err = out.try_clone().unwrap();
        self.command().stdout(out).stderr(err).spawn().unwrap()
    }

    fn wait_for_line(&self, child: &mut Child, step: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.said().lines().any(|line| line.trim_start().starts_with(step)) {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{step}: {}", self.said());
            sleep(Duration::from_millis(5));
        }
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.output()).unwrap_or_default()
    }

    /// Runs a script with mounts of its own; `$0` is the binary.
    fn in_private_mounts(&self, script: &str) -> Output {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script]).arg(self.folder.join("handfast"));
        self.around(&mut command);
        command.output().expect("unshare is not installed: apt-get install util-linux")
    }

    fn succeeded(&self, output: &Output) -> String {
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{shown}");
        assert_eq!(files(&self.folder.join("tmp")), [""; 0]);
        shown
    }

    /// Command lines of processes that have to do with this demo.
    fn processes(&self) -> Vec<String> {
        let ours = self.folder.display().to_string();
        let lines = files(Path::new("/proc")).into_iter().filter_map(|process| {
            let line = fs::read(Path::new("/proc").join(process).join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(&ours)).collect()
    }

    /// What was started by others ends a moment after them: a client's guard, a gateway's signer.
    fn assert_no_process(&self) {
        let end = Instant::now() + Duration::from_secs(5);
        while !self.processes().is_empty() && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        assert_eq!(self.processes(), [""; 0]);
    }

    fn assert_gone(&self, before: &Traces) {
        self.assert_no_process();
        assert_eq!(files(&self.folder.join("tmp")), [""; 0]);
        assert_eq!(&Traces::look(), before);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a demo could leave in the system itself.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    interfaces: Vec<String>,
    tables: String,
    named_namespaces: Vec<String>,
    mounts: String,
    forwarding: String,
}

impl Traces {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let nft = Command::new("nft").args(["list", "tables"]).output();
        Self {
            interfaces: files(Path::new("/sys/class/net")),
            tables: nft
                .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
                .unwrap_or_default(),
            named_namespaces: files(Path::new("/run/netns")),
            mounts: read("/proc/self/mountinfo"),
            forwarding: read("/proc/sys/net/ipv4/ip_forward"),
        }
    }
}

/// The shell's words for a TUN device of this mode, seen by this command alone.
fn tun(mode: u32) -> String {
    format!("mknod -m {mode} tun c 10 200; mount --bind tun /dev/net/tun; rm -f tun;")
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
