//! The documents hold what they say: their examples are run, their tables compared to the code.
//!
//! A `sh` block stands below `<!-- test: NAME -->` and is run, or below `<!-- no test: REASON -->`. A `console` block
//! below `<!-- test: NAME -->` has commands behind `$ `, each with what it prints, on both outputs; `…` stands for what
//! differs from machine to machine, alone on a line for any number of lines.
//! The blocks of a document run one after the other on a machine of their own: a network namespace, a
//! running gateway on /var/lib/handfast whose public name is the loopback's, a `systemctl` that starts and
//! stops it, and a `journalctl`.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "docs/console.rs"]
mod console;
#[path = "docs/tables.rs"]
mod tables;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sysio::{Netns, NetnsError};

#[test]
fn every_example_runs_or_says_why_not() {
    let mut blocks = 0;
    for document in documents() {
        let here = blocks_of(&document);
        let run = RUN.iter().any(|name| document.ends_with(name));
        let tested = here.iter().any(|block| block.text.is_some());
        assert!(run || !tested, "{} needs a test of its own", document.display());
        blocks += here.len();
    }
    assert!(blocks > 20, "{blocks} examples were found; are they marked as sh?");
}

#[test]
fn the_examples_of_the_readme_run() {
    run("README.md");
}

#[test]
fn the_examples_of_the_command_line_run() {
    run("docs/command-line.md");
}

#[test]
fn the_examples_of_the_ca_run() {
    run("docs/ca.md");
}

#[test]
fn the_examples_of_operation_run() {
    run("docs/operation.md");
}

#[test]
fn the_examples_of_profiles_run() {
    run("docs/profiles.md");
}

#[test]
fn the_examples_of_connect_run() {
    run("docs/connect.md");
}

#[test]
fn the_examples_of_bench_run() {
    run("docs/bench.md");
}

#[test]
fn the_examples_of_explain_run() {
    run("docs/explain.md");
}

#[test]
fn the_examples_of_the_tls_door_run() {
    run("docs/tls.md");
}

/// An example: what it shows, and its text where it is run.
struct Block {
    name: String,
    text: Option<String>,
    /// Commands with what they print.
    shown: Vec<console::Shown>,
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = docs.filter(|p| p.extension().is_some_and(|e| e == "md")).collect();
    documents.push(root().join("README.md"));
    documents
}

fn blocks_of(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).unwrap();
    let mut blocks = Vec::new();
    let mut marker = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```console" {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let shown = console::read(&text);
            let block = block(document, marker, &console::script(&shown, blocks.len()));
            blocks.push(Block { shown, ..block });
        } else if line == "```sh" {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block(document, marker, &text.join("\n")));
        } else if line.starts_with("```") {
            lines.by_ref().find(|line| line.starts_with("```"));
        }
        marker = line;
    }
    blocks
}

fn block(document: &Path, marker: &str, text: &str) -> Block {
    let inside = marker.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
    match inside.and_then(|inside| inside.split_once(": ")) {
        Some(("test", name)) => {
            Block { name: name.to_owned(), text: Some(text.to_owned()), shown: Vec::new() }
        }
        Some(("no test", reason)) => {
            Block { name: reason.to_owned(), text: None, shown: Vec::new() }
        }
        _ => panic!("{}: no marker above\n{text}", document.display()),
    }
}

/// Runs a document's examples in their order.
fn run(document: &str) {
    let netns = match Netns::create() {
        Ok(netns) => netns,
        Err(NetnsError::Denied(_)) => {
            println!("SKIP the examples of {document}: network namespaces need root");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for program in ["nft", "openssl", "sysctl", "unshare"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("SKIP the examples of {document}: {program} is not installed");
            return;
        }
    }
    let mut script = PRELUDE.to_owned();
    let blocks = blocks_of(&root().join(document));
    for block in &blocks {
        if let Some(text) = &block.text {
            let name = block.name.replace('\'', "");
            script.push_str(&format!("echo '== {name}'\n(\nset -e\n{text}\n)\n"));
        }
    }
    let folder = Folder::new(document);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &script]).current_dir(&folder.0);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}:/usr/sbin:/sbin", folder.0.join("bin").display()));
    command.env_remove("HANDFAST_DATA");
    let output = netns.output(command).unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "an example of {document} failed; the last one printed above");
    for (number, block) in blocks.iter().enumerate() {
        console::assert_printed(&folder.0, &block.shown, number);
    }
}

/// A folder to type examples in, with the programs that they name.
struct Folder(PathBuf);

impl Folder {
    fn new(document: &str) -> Self {
        let name = format!("handfast-docs-{}-{}", std::process::id(), document.replace('/', "-"));
        let folder = Self(std::env::temp_dir().join(name));
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(folder.0.join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_handfast"), folder.0.join("bin/handfast")).unwrap();
        let script = root().join("contrib/crl/handfast-crl").canonicalize().unwrap();
        symlink(script, folder.0.join("bin/handfast-crl")).unwrap();
        for (program, text) in [("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)] {
            let program = folder.0.join("bin").join(program);
            fs::write(&program, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&program, mode).unwrap();
        }
        fs::write(folder.0.join("wire.pcap"), wire()).unwrap();
        folder
    }
}

/// A capture of two conversations: two recordings behind one head.
fn wire() -> Vec<u8> {
    const HEAD: usize = 24;
    let recorded =
        |name| fs::read(root().join("crates/explain/tests/captures").join(name)).unwrap();
    [&recorded("vpn-connect.pcap")[..], &recorded("starttls-smtp.pcap")[HEAD..]].concat()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents whose examples have a test above.
const RUN: [&str; 9] = [
    "README.md",
    "ca.md",
    "command-line.md",
    "operation.md",
    "profiles.md",
    "connect.md",
    "bench.md",
    "tls.md",
    "explain.md",
];

/// The machine: system folders that nobody else sees, somebody else's firewall, and the service
/// running, which says that the firewall is in its way.
const PRELUDE: &str = "\
mount -t tmpfs none /var/lib
mount -t tmpfs none /run
echo '127.0.0.1 localhost vpn.example.net' > hosts
mount --bind hosts /etc/hosts
mkdir -p /var/lib/prometheus/node-exporter
nft add table ip filter
nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'
export SERVICE=$PWD/service
trap 'systemctl stop handfast' EXIT
systemctl start handfast
grep 'tunnel traffic may be dropped' $SERVICE.log
";

/// As much of systemd as the examples ask for.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$1" in
start)
    handfast up --public vpn.example.net </dev/null >>"$SERVICE.log" 2>&1 &
    echo $! >"$SERVICE"
    for _ in $(seq 300); do handfast status >/dev/null 2>&1 && exit 0; sleep 0.1; done
    cat "$SERVICE.log"
    exit 1
    ;;
stop)
    [ -e "$SERVICE" ] || exit 0
    kill "$(cat "$SERVICE")" && while kill -0 "$(cat "$SERVICE")" 2>/dev/null; do sleep 0.1; done
    rm "$SERVICE"
    ;;
restart) "$0" stop && "$0" start ;;
reload) kill -HUP "$(cat "$SERVICE")" ;;
kill) kill -"${2#--signal=}" "$(cat "$SERVICE")" ;;
status) kill -0 "$(cat "$SERVICE")" ;;
esac
"#;

/// As much of the journal.
const JOURNALCTL: &str = "#!/bin/sh\ncat \"$SERVICE.log\"\n";
