//! The programs that tests talk to, and how a Debian machine gets them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::run;
use crate::failed::Failed;
use crate::workspace;

/// Program, Debian package or packages, what it is for.
type Peer = (&'static str, &'static str, &'static str);

/// What the tests talk to.
const PEERS: &[Peer] = &[
    ("openvpn", "openvpn", "the stock client and server"),
    ("nft", "nftables", "NAT and forwarding rules"),
    ("ip", "iproute2", "looking at namespaces"),
    ("ping", "iputils-ping", "pings through the tunnel"),
    ("openssl", "openssl", "an independent reader of certificates and CRLs"),
    ("curl", "curl", "what the CA publishes over HTTP"),
    ("ocsptool", "gnutls-bin", "another independent reader of OCSP answers"),
    ("sysctl", "procps", "kernel settings in the documents' examples"),
    ("faketime", "faketime", "peers whose clock is wrong"),
    ("strace", "strace", "power cuts: what reached the disk and in which order"),
    ("iperf3", "iperf3", "throughput"),
    ("testssl", "testssl.sh", "a judge of what TLS servers offer"),
    ("postfix", "postfix", "mail by STARTTLS"),
    (
        "dovecot",
        "dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-managesieved",
        "mailboxes by STARTTLS",
    ),
    ("swaks", "swaks", "a client of mail servers"),
    ("psql", "postgresql postgresql-client", "a database by STARTTLS"),
    ("tcpdump", "tcpdump", "recordings of other programs' handshakes"),
    ("tshark", "tshark", "an independent reader of them"),
    ("xmllint", "libxml2-utils", "an independent reader of pictures"),
    ("rsvg-convert", "librsvg2-bin", "what draws them"),
    ("chromium", "chromium", "what draws them too, and pages, and measures both"),
    ("mariadbd", "mariadb-server mariadb-client", "another one"),
    ("slapd", "slapd", "a directory by STARTTLS"),
    ("nginx", "nginx-light", "a web server that explanations are compared about"),
    ("stunnel", "stunnel4", "another server of TLS, for the same"),
    ("ldapsearch", "ldap-utils", "its client"),
    ("prosody", "prosody", "chat by STARTTLS"),
    ("inspircd", "inspircd", "chat of the other kind"),
    ("vsftpd", "vsftpd", "files by AUTH TLS"),
];

/// Mail servers ask what they are for.
const QUIETLY: &str = "DEBIAN_FRONTEND=noninteractive";

/// What unpacks another Debian.
const DEBOOTSTRAP: Peer = ("debootstrap", "debootstrap", "peers from another Debian");

/// What only long runs need.
const LONG_PEERS: &[Peer] =
    &[DEBOOTSTRAP, ("certutil", "libnss3-tools", "where a browser has its certificates")];

/// What only the benchmark needs.
const BENCH_PEERS: &[Peer] =
    &[("ethtool", "ethtool", "links that treat packets as network cards do"), DEBOOTSTRAP];

/// What only the benchmark of the CA needs.
const CA_PEERS: &[Peer] = &[("cfssl", "golang-cfssl", "another OCSP responder")];

/// What only the benchmark of the TLS door needs.
const TLS_PEERS: &[Peer] = &[
    ("nginx", "nginx-light", "a web server that ends TLS"),
    ("haproxy", "haproxy", "a proxy that ends TLS"),
    ("stunnel", "stunnel4", "a wrapper that ends TLS"),
    ("taskset", "util-linux", "a processor for each side"),
];

/// nginx's part that carries bytes; it is no program that could be looked for.
const NGINX_STREAM: (&str, Peer) = (
    "/usr/lib/nginx/modules/ngx_stream_module.so",
    ("nginx's stream module", "libnginx-mod-stream", "bytes through nginx"),
);

/// What reads packages of the other kind.
const RPM: Peer = ("rpm", "rpm", "an independent reader of the .rpm");

/// What makes an environment for a program from PyPI.
const VENV: Peer = ("python3 with venv", "python3-venv", "the linter of certificates");

/// Makes the peers available. What cannot be had is printed, and its tests skip themselves by name.
pub(crate) fn provide(install: bool) -> Result<(), Failed> {
    provide_all(PEERS, install)
}

/// The same with what long runs need.
pub(crate) fn provide_for_long(install: bool) -> Result<(), Failed> {
    provide_all(&[PEERS, LONG_PEERS].concat(), install)
}

/// The same for the benchmark of the CA.
pub(crate) fn provide_for_ca() -> Result<(), Failed> {
    provide_all(&[PEERS, CA_PEERS].concat(), true)
}

/// The same for the benchmark of the TLS door.
pub(crate) fn provide_for_tls() -> Result<(), Failed> {
    provide_all(&[PEERS, TLS_PEERS].concat(), true)?;
    let (module, peer) = NGINX_STREAM;
    if std::path::Path::new(module).exists() { Ok(()) } else { install_all(&[peer], true) }
}

/// The same for the benchmark.
pub(crate) fn provide_for_bench(install: bool) -> Result<(), Failed> {
    provide_all(&[PEERS, BENCH_PEERS].concat(), install)
}

/// Whether there is something to read an .rpm with.
pub(crate) fn provide_rpm() -> Result<bool, Failed> {
    provide_all(&[RPM], true)?;
    Ok(on_path("rpm"))
}

fn provide_all(peers: &[Peer], install: bool) -> Result<(), Failed> {
    let missing: Vec<Peer> = peers.iter().filter(|(name, ..)| !on_path(name)).copied().collect();
    if missing.is_empty() { Ok(()) } else { install_all(&missing, install) }
}

/// Installs these, or says how to.
fn install_all(missing: &[Peer], install: bool) -> Result<(), Failed> {
    let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    if !install || !is_root() || !on_path("apt-get") {
        for (program, package, purpose) in missing {
            println!("missing: {program} (package {package}): {purpose}");
        }
        println!("to have them: apt-get install -y {}   (as root)", packages.join(" "));
        return Ok(());
    }
    println!("installing what the tests talk to: {}", packages.join(" "));
    run("apt-get", &["update", "-qq"])?;
    for (program, package, purpose) in install_by(missing, apt_install) {
        println!("missing: {program} (package {package} can't be had): {purpose}");
    }
    Ok(())
}

/// All at once, which is quicker; where that fails, each by itself, so that what one release does not have costs
/// nothing else. Those that can't be had.
fn install_by(missing: &[Peer], install: impl Fn(&[&str]) -> Result<(), Failed>) -> Vec<Peer> {
    let packages = |peers: &[Peer]| -> Vec<&str> {
        peers.iter().flat_map(|(_, packages, _)| packages.split(' ')).collect()
    };
    if install(&packages(missing)).is_ok() {
        return Vec::new();
    }
    let fails = |peer: &&Peer| install(&packages(std::slice::from_ref(*peer))).is_err();
    missing.iter().filter(fails).copied().collect()
}

fn apt_install(packages: &[&str]) -> Result<(), Failed> {
    let before = [QUIETLY, "apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    run("env", &[&before, packages].concat())
}

/// The linter of certificates and CRLs, from PyPI into the build folder. `None` where it can't be had:
/// its test then skips itself by name.
pub(crate) fn pkilint(install: bool) -> Result<Option<PathBuf>, Failed> {
    from_pypi("pkilint", &["pkilint"], "bin/lint_pkix_cert", install)
}

/// A Python that writes frames of HTTP/2, likewise; in the folder it is `python`.
pub(crate) fn http2(install: bool) -> Result<Option<PathBuf>, Failed> {
    let packages = ["hyperframe", "hpack"];
    let found = from_pypi("http2", &packages, "bin/with-hyperframe-and-hpack", install)?;
    Ok(found.map(|programs| programs.join("python")))
}

/// A Python that speaks TLS as wrongly as it is told to, likewise.
pub(crate) fn odd_tls(install: bool) -> Result<Option<PathBuf>, Failed> {
    let found = from_pypi("odd-tls", &["tlslite-ng"], "bin/with-tlslite-ng", install)?;
    Ok(found.map(|programs| programs.join("python")))
}

/// A judge of what TLS servers offer, likewise.
pub(crate) fn sslyze(install: bool) -> Result<Option<PathBuf>, Failed> {
    from_pypi("sslyze", &["sslyze"], "bin/sslyze", install)
}

/// What looks at pages as somebody does who can't see them, from the npm registry into the build folder. `None` where
/// it can't be had: its test then skips itself by name.
pub(crate) fn axe(install: bool) -> Result<Option<PathBuf>, Failed> {
    let folder = workspace::target_folder()?.join("axe");
    let axe = folder.join("node_modules/axe-core");
    if axe.join("axe.min.js").exists() {
        return Ok(Some(axe));
    }
    if install && on_path("npm") {
        println!("installing from npm into the build folder: axe-core");
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        npm.arg(&folder).arg("axe-core");
        let installed = npm.status().is_ok_and(|status| status.success());
        if installed && axe.join("axe.min.js").exists() {
            return Ok(Some(axe));
        }
    }
    println!("missing: axe-core (npm): nothing looks at pages");
    Ok(None)
}

/// What looks whether commands can be put in before STARTTLS, likewise.
pub(crate) fn injection_tester(install: bool) -> Result<Option<PathBuf>, Failed> {
    let name = "command-injection-tester";
    let found = from_pypi("injection", &[name], "bin/command-injection-tester", install)?;
    Ok(found.map(|programs| programs.join(name)))
}

/// The programs of an environment with these packages, which is whole once `proof` is there.
fn from_pypi(
    name: &str,
    packages: &[&str],
    proof: &str,
    install: bool,
) -> Result<Option<PathBuf>, Failed> {
    let folder = workspace::target_folder()?.join(name);
    let programs = folder.join("bin");
    if folder.join(proof).exists() {
        return Ok(Some(programs));
    }
    if !install {
        println!("missing: {name} (PyPI): its cases are not run");
        return Ok(None);
    }
    if !makes_environments() {
        install_all(&[VENV], install)?;
    }
    println!("installing from PyPI into the build folder: {}", packages.join(", "));
    let succeeds = |mut command: Command| command.status().is_ok_and(|status| status.success());
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(&folder);
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--quiet"]).args(packages);
    if makes_environments() && succeeds(environment) && succeeds(pip) {
        if !folder.join(proof).exists() {
            // Libraries leave no program behind that would tell.
            fs::write(folder.join(proof), "")
                .map_err(|error| Failed::new(format!("{}: {error}", folder.display())))?;
        }
        return Ok(Some(programs));
    }
    println!("missing: {name} (PyPI, by Python's venv): its cases are not run");
    Ok(None)
}

/// Debian packages that are unpacked into the build folder; nothing is installed, and no script of theirs is run.
pub(crate) struct Unpacked {
    packages: &'static str,
    /// In the build folder.
    folder: &'static str,
    /// What of it is used.
    programs: &'static [&'static str],
    purpose: &'static str,
}

/// Prometheus' own checker of figures.
pub(crate) const PROMTOOL: Unpacked = Unpacked {
    packages: "prometheus",
    folder: "peers/prometheus",
    programs: &["usr/bin/promtool"],
    purpose: "what checks figures",
};

/// A CA that is asked by ACME, for tests alone.
pub(crate) const PEBBLE: Unpacked = Unpacked {
    packages: "pebble",
    folder: "peers/pebble",
    programs: &["usr/bin/pebble", "usr/bin/pebble-challtestsrv"],
    purpose: "a CA that is asked by ACME",
};

/// The other mail server: Debian has one on a machine.
pub(crate) const EXIM: Unpacked = Unpacked {
    packages: "exim4-daemon-light libidn12 libgnutls-dane0 libunbound8 libnsl2",
    folder: "peers/exim",
    programs: &["usr/sbin/exim4"],
    purpose: "mail by STARTTLS, of another kind",
};

/// A news server, which can be installed only where the machine has a whole name.
pub(crate) const INN: Unpacked = Unpacked {
    packages: "inn2 inn2-inews libcanlock3 libpython3.11 libperl5.36",
    folder: "peers/inn",
    programs: &["usr/lib/news/bin/innd", "usr/lib/news/bin/nnrpd"],
    purpose: "news by STARTTLS",
};

/// Mail that a mailbox's owner hands in, beside the machine's Dovecot.
pub(crate) const SUBMISSION: Unpacked = Unpacked {
    packages: "dovecot-submissiond",
    folder: "peers/submission",
    programs: &["usr/lib/dovecot/submission-login", "usr/lib/dovecot/submission"],
    purpose: "mail handed in by STARTTLS",
};

impl Unpacked {
    /// Its folder, if it was fetched before.
    pub(crate) fn present(&self) -> Result<Option<PathBuf>, Failed> {
        let root = workspace::target_folder()?.join(self.folder);
        let has = |program: &&str| root.join(program).exists();
        Ok(self.programs.iter().all(has).then_some(root))
    }

    /// Its folder, fetched if it is not there. `None` where it can't be had: its tests then skip themselves by name.
    pub(crate) fn provide(&self, install: bool) -> Result<Option<PathBuf>, Failed> {
        if let Some(root) = self.present()? {
            return Ok(Some(root));
        }
        if install && on_path("apt-get") && on_path("dpkg-deb") {
            println!("fetching {} into the build folder: {}", self.purpose, self.packages);
            let script = "mkdir -p \"$0\" && cd \"$0\" && apt-get download -qq \"$@\" && \
                          for one in *.deb; do dpkg-deb --fsys-tarfile \"$one\" | tar -x || exit; done && rm *.deb";
            let mut shell = Command::new("sh");
            let folder = workspace::target_folder()?.join(self.folder);
            shell.args(["-c", script]).arg(folder).args(self.packages.split(' '));
            shell.stderr(Stdio::null());
            if shell.status().is_ok_and(|status| status.success())
                && let Some(root) = self.present()?
            {
                return Ok(Some(root));
            }
        }
        println!("missing: {} (Debian's {}): its cases are not run", self.purpose, self.packages);
        Ok(None)
    }
}

/// Debian's Python comes without what fills an environment of its own.
fn makes_environments() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// Is there a program of this name?
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Does this process run as root?
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_a_release_does_not_have_costs_no_other_one() {
        let peers = [("a", "a", ""), ("b", "b-1 b-2", ""), ("c", "c", "")];
        let has_no_b = |packages: &[&str]| match packages.contains(&"b-2") {
            true => Err(Failed::new("no b-2 there".to_owned())),
            false => Ok(()),
        };
        assert_eq!(install_by(&peers, has_no_b), [peers[1]]);
        assert_eq!(install_by(&peers, |_| Ok(())), []);
    }
}
