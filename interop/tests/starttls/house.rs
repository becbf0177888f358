//! A gateway in front of daemons, and `handfast tls connect` towards them.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::{Program, Subscriber, World, of_today, skip, wait_until};

/// A gateway whose virtual server is called `mail.test`, and a certificate for daemons as `inner.test`.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) ca: PathBuf,
    pub(crate) certified: Certified,
}

/// A certificate of our CA for a name.
pub(crate) struct Certified {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// `handfast tls connect`, and its port.
pub(crate) struct Connected {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

impl House {
    pub(crate) fn start(name: &str, settings: &str) -> Option<Self> {
        if !is_todays(name) {
            skip(name, "it is another day's turn; `cargo xtask interop tls` has all");
            return None;
        }
        let world = World::start(name, &[])?;
        let ca = world.file("ca.pem");
        world.handfast(&["ca", "export", "--out", &ca.display().to_string()]);
        let certified = certify(&world, "issue", "inner.test", "inner");
        let house = Self { world, ca, certified };
        if !settings.is_empty() {
            house.add(settings);
        }
        Some(house)
    }

    /// A certificate of our CA for another name, in a folder that is called so.
    pub(crate) fn certify(&self, name: &str, place: &str) -> Certified {
        certify(&self.world, "issue", name, place)
    }

    /// One more for the same name.
    pub(crate) fn certify_again(&self, name: &str, place: &str) -> Certified {
        certify(&self.world, "renew", name, place)
    }

    /// Has these settings in force as well.
    pub(crate) fn add(&self, settings: &str) {
        let file = self.world.data().join("handfast.toml");
        let text = fs::read_to_string(&file).expect("settings") + settings;
        fs::write(&file, text).expect("written");
        self.world.handfast(&["reload"]);
    }

    /// Has other settings in force.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let file = self.world.data().join("handfast.toml");
        let text = fs::read_to_string(&file).expect("settings");
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).expect("written");
        self.world.handfast(&["reload"]);
    }

    /// How many connections `mail.test` has.
    pub(crate) fn over_tls(&self) -> usize {
        self.world.sessions().iter().filter(|one| one["client"] == "mail.test over TLS").count()
    }

    /// What begins a shell line on somebody's host where `mail.test` is the gateway.
    pub(crate) fn hosts(&self, who: &Subscriber) -> String {
        let file = who.folder.join("hosts");
        fs::write(&file, format!("{} mail.test\n", self.world.gateway.v4[0])).expect("written");
        format!("unshare -m sh -c 'mount --bind {} /etc/hosts && eval \"$0\"'", file.display())
    }

    /// Waits until somebody listens there.
    pub(crate) fn listens(&self, port: u16) {
        let connects = move || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let listens =
            wait_until(SOON, || self.world.gateway.netns.run(connects).expect("a thread"));
        assert!(listens, "nobody listens on {port}");
    }

    /// Waits until somebody greets so there, who may listen before that.
    pub(crate) fn greets(&self, port: u16, with: &'static str) {
        let greets = move || {
            let mut greeting = vec![0; with.len()];
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.read_exact(&mut greeting).ok()?;
            (greeting == with.as_bytes()).then_some(())
        };
        let ready = || self.world.gateway.netns.run(greets).expect("a thread").is_some();
        assert!(wait_until(SOON, ready), "nobody greets with {with} on {port}");
    }

    /// A local port on the subscriber's host, behind which is the daemon's own STARTTLS.
    pub(crate) fn connect(&self, who: &Subscriber, protocol: &str, port: u16) -> Connected {
        let (at, local) = (self.world.gateway.v4[0], 2000 + port % 1000);
        let mut command = Command::new(interop::binary());
        command.args([
            "tls",
            "connect",
            &format!("{protocol}://{at}:{port}"),
            "--name",
            "inner.test",
        ]);
        command.arg("--ca").arg(&self.ca).args(["--revocation", "prefer"]);
        command.args(["--listen", &format!("127.0.0.1:{local}")]);
        let log = who.folder.join(format!("connect-{protocol}.log"));
        let mut program = Program::start(&who.host.netns, command, &log).expect("it starts");
        assert!(program.says("listens on", SOON), "{}", program.log());
        Connected { program, port: local }
    }
}

fn certify(world: &World, verb: &str, name: &str, place: &str) -> Certified {
    let out = world.file(&format!("cert-{place}"));
    world.handfast(&["cert", verb, name, "--out", &out.display().to_string()]);
    Certified { certificate: out.join(format!("{name}.crt")), key: out.join(format!("{name}.key")) }
}

/// An address with this protocol's STARTTLS, and a daemon behind it as `mail.test`.
pub(crate) fn listen(protocol: &str, port: u16, inner: u16, more: &str) -> String {
    format!(
        "[[tls.listen]]\naddress = \"[::]:{port}\"\nmode = \"starttls:{protocol}\"\n\n[[tls.server]]\nnames = \
         [\"mail.test\"]\nalpn = [\"{protocol}\"]\nbackend = \"tcp:127.0.0.1:{inner}\"\n{more}\n\n"
    )
}

/// Says that this combination did its work.
pub(crate) fn cell(protocol: &str, daemon: &str, side: &str) {
    println!("FIGURE starttls {protocol:12} {daemon:16} {side}");
}

/// What a shell line on somebody's host prints.
pub(crate) fn run(who: &Subscriber, line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("timeout 20 {line} 2>&1")]);
    let output = who.host.netns.output(command).expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn python(who: &Subscriber, script: &str) -> String {
    let file = who.folder.join("script.py");
    fs::write(&file, script).expect("written");
    run(who, &format!("python3 {}", file.display()))
}

/// A user's number.
pub(crate) fn user(name: &str) -> u32 {
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let line = users.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.and_then(|line| line.split(':').nth(2)?.parse().ok()).expect("the package made the user")
}

/// Gives a folder and all below it to a user.
pub(crate) fn give(folder: &Path, to: &str) {
    let owner = user(to);
    chown(folder, Some(owner), Some(owner)).expect("it is given away");
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path().is_dir() {
            true => give(&entry.path(), to),
            false => chown(entry.path(), Some(owner), Some(owner)).expect("it is given away"),
        }
    }
}

/// Daemons that gave root away look into their folders.
pub(crate) fn open_up(folder: &Path) {
    for folder in folder.ancestors().take(2) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is opened");
    }
}

/// Whether a test has its turn today, where CI says what day it is.
fn is_todays(test: &str) -> bool {
    let part = test.bytes().map(usize::from).sum::<usize>() % PARTS;
    of_today(0..PARTS, PARTS).contains(&part)
}

/// A program of a package that was unpacked where this variable says.
pub(crate) fn unpacked(variable: &str, program: &str) -> Option<PathBuf> {
    let program = PathBuf::from(std::env::var_os(variable)?).join(program);
    program.exists().then_some(program)
}

/// Says what this machine lacks for a test.
pub(crate) fn lacks(test: &str, programs: &[&str]) -> bool {
    let paths = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"];
    let missing =
        |program: &&&str| !paths.iter().any(|at| PathBuf::from(at).join(program).exists());
    let lacking: Vec<_> = programs.iter().filter(missing).collect();
    if !lacking.is_empty() {
        skip(test, &format!("{lacking:?} can't be had"));
    }
    !lacking.is_empty()
}

/// Longer than anything here takes, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Days in which every daemon has its turn.
const PARTS: usize = 3;
