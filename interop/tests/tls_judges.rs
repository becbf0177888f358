//! What judges of TLS servers find at the TLS door: Debian's testssl.sh and PyPI's sslyze, with RSA and P-256
//! certificates, with and without a question for the client's.
//!
//! ```text
//!    judge ── router ── gateway :443 (both.test: tcp, asks.test: http) ── lo ── a service
//! ```
//!
//! Whatever a judge says above "for your information" is either gone or stands in docs/tls.md with its explanation; and
//! what stands there was found. A part of testssl's list in each run, all of it, for both servers, with
//! `HANDFAST_LONG=1`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Instant;

use interop::{World, long, skip};
use sysio::lab::Host;

#[test]
fn testssl_finds_nothing_that_is_not_explained() {
    let name = "testssl_finds_nothing_that_is_not_explained";
    if Command::new("testssl").arg("--version").output().is_err() {
        return skip(name, "testssl.sh is not installed");
    }
    let Some(mut court) = Court::open(name) else { return };
    let servers: &[&str] =
        if long() { &["both.test", "https://asks.test"] } else { &["both.test"] };
    let mut found = BTreeSet::new();
    for server in servers {
        let begun = Instant::now();
        let (checked, findings) = court.testssl(server);
        let took = begun.elapsed().as_secs();
        println!("FIGURE testssl of {server}: {checked} answers, findings {findings:?}, {took} s");
        assert!(checked > if long() { 120 } else { 8 }, "{checked}: it did not get far");
        found.extend(findings);
    }
    hold("testssl", &found);
}

#[test]
fn sslyze_finds_nothing_that_is_not_explained() {
    let name = "sslyze_finds_nothing_that_is_not_explained";
    let Some(folder) = env::var_os("SSLYZE_DIR") else {
        return skip(name, "no sslyze; set SSLYZE_DIR");
    };
    let Some(mut court) = Court::open(name) else { return };
    let mut found = BTreeSet::new();
    for server in ["both.test", "asks.test"] {
        let begun = Instant::now();
        let findings = court.sslyze(&Path::new(&folder).join("sslyze"), server);
        println!(
            "FIGURE sslyze of {server}: findings {findings:?}, {} s",
            begun.elapsed().as_secs()
        );
        found.extend(findings);
    }
    hold("sslyze", &found);
}

/// A gateway with two servers, and a place for judges.
struct Court {
    world: World,
    judge: Host,
    ca: String,
}

impl Court {
    fn open(name: &str) -> Option<Self> {
        let mut world = World::start(name, &[])?;
        for (port, answer) in [(7000, answer_line as fn(TcpStream)), (7001, answer_http)] {
            let bind = move || TcpListener::bind(("127.0.0.1", port));
            let socket = world.gateway.netns.run(bind).expect("a thread").expect("a port");
            thread::spawn(move || {
                for stream in socket.incoming().flatten() {
                    thread::spawn(move || answer(stream));
                }
            });
        }
        let settings = world.data().join("handfast.toml");
        let text = fs::read_to_string(&settings).expect("settings");
        fs::write(&settings, text + SETTINGS).expect("written");
        world.handfast(&["reload"]);
        let ca = world.file("ca.pem").display().to_string();
        world.handfast(&["ca", "export", "--out", &ca]);
        let judge = world.host();
        Some(Self { world, judge, ca })
    }

    /// How many things it looked at, and what it found above "for your information".
    fn testssl(&mut self, server: &str) -> (usize, BTreeSet<String>) {
        let out = self.world.file("testssl.json");
        // It does not write over a file.
        let _ = fs::remove_file(&out);
        let mut command = Command::new("testssl");
        command.args(["--quiet", "--warnings", "batch", "--color", "0", "--nodns", "none"]);
        command.args(["--ip", &self.world.gateway.v4[0].to_string(), "--add-ca", &self.ca]);
        if !long() {
            command.arg("--protocols");
        }
        command.arg("--jsonfile").arg(&out).arg(format!("{server}:443"));
        let output = self.judge.netns.output(command).expect("it starts");
        let text = fs::read_to_string(&out).unwrap_or_else(|_| panic!("{output:?}"));
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        let above = |one: &&serde_json::Value| {
            !matches!(one["severity"].as_str(), Some("OK" | "INFO" | "DEBUG"))
        };
        let id = |one: &serde_json::Value| one["id"].as_str().unwrap_or_default().to_owned();
        (all.len(), all.iter().filter(above).map(id).collect())
    }

    /// Where the server is not as Mozilla's intermediate list has it, and whatever could not be looked at.
    fn sslyze(&mut self, program: &Path, server: &str) -> BTreeSet<String> {
        let mut command = Command::new(program);
        command.args(["--slow_connection", "--certinfo_ca_file", &self.ca]);
        command.args(["--mozilla_config", "intermediate"]);
        command.args(["--certinfo", "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2"]);
        command.args(["--tlsv1_3", "--compression", "--early_data", "--fallback", "--heartbleed"]);
        command.args([
            "--openssl_ccs",
            "--reneg",
            "--robot",
            "--resum",
            "--elliptic_curves",
            "--ems",
        ]);
        command.arg(format!("{server}:443{{{}}}", self.world.gateway.v4[0]));
        let output = self.judge.netns.output(command).expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("Error when running"), "{said}");
        let (_, verdict) =
            said.split_once("COMPLIANCE AGAINST").unwrap_or_else(|| panic!("{said}"));
        let issue = |line: &str| {
            let (id, _) = line.trim().strip_prefix("* ")?.split_once(": ")?;
            Some(id.to_owned())
        };
        let issues: BTreeSet<String> = verdict.lines().filter_map(issue).collect();
        assert_eq!(issues.is_empty(), verdict.contains("OK - Compliant"), "{verdict}");
        issues
    }
}

/// What was found is explained; in a long run, what is explained was found.
fn hold(judge: &str, found: &BTreeSet<String>) {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tls.md");
    let text = fs::read_to_string(document).expect("the document");
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let (by, finding) = (cells.next()?, cells.next()?);
        (by == judge).then(|| finding.trim_matches('`').to_owned())
    };
    let explained: BTreeSet<String> = text.lines().filter_map(row).collect();
    let open: Vec<_> = found.difference(&explained).collect();
    assert!(open.is_empty(), "{judge} found what docs/tls.md does not explain: {open:?}");
    let gone: Vec<_> = explained.difference(found).collect();
    assert!(
        gone.is_empty() || !long(),
        "docs/tls.md explains what {judge} does not find: {gone:?}"
    );
}

fn answer_line(stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if writeln!(out, "answered: {line}").is_err() {
            return;
        }
    }
}

fn answer_http(mut stream: TcpStream) {
    let Ok(clone) = stream.try_clone() else { return };
    let mut lines = BufReader::new(clone).lines().map_while(Result::ok);
    while lines.by_ref().take_while(|line| !line.is_empty()).next().is_some() {
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n").is_err() {
            return;
        }
    }
}

const SETTINGS: &str = r#"
[[tls.listen]]
address = "[::]:443"

[[tls.server]]
names = ["both.test", "*.both.test"]
key_types = ["p256", "rsa"]
default = true
backend = "tcp:127.0.0.1:7000"

[[tls.server]]
names = ["asks.test"]
key_types = ["p256", "rsa"]
clients = "optional"
backend = "http://127.0.0.1:7001"
"#;
