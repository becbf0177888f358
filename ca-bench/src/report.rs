//! All figures, as JSON and as tables for people.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use pki::KeyType;
use serde::Serialize;

use crate::askers::Asked;
use crate::list::List;
use crate::manner::Manner;
use crate::servers::Server;
use crate::signatures::Signatures;

/// One run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    machine: String,
    load_before: String,
    openssl: String,
    pub(crate) signatures: Vec<Signatures>,
    pub(crate) answers: Vec<Answers>,
    pub(crate) list: Option<List>,
}

/// One server in one manner.
#[derive(Debug, Serialize)]
pub(crate) struct Answers {
    key: String,
    server: &'static str,
    manner: &'static str,
    per_second: f64,
    /// Per second of the server's CPU time, on one core.
    per_core: f64,
}

impl Answers {
    pub(crate) fn new(
        key: KeyType,
        server: &Server,
        manner: Manner,
        asked: &Asked,
        cpu: f64,
    ) -> Self {
        let answers = asked.answers as f64;
        Self {
            key: key.to_string(),
            server: server.name,
            manner: manner.words(),
            per_second: answers / asked.seconds,
            per_core: answers / cpu,
        }
    }
}

impl Report {
    pub(crate) fn of_this_machine() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
        let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
        let openssl = Command::new("openssl").arg("version").output();
        let openssl = openssl.map(|output| output.stdout).unwrap_or_default();
        Self {
            machine: format!("{count} cores, {}", model.trim_start_matches([' ', '\t', ':'])),
            load_before: read("/proc/loadavg").trim().to_owned(),
            openssl: String::from_utf8_lossy(&openssl).trim().to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ca.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(folder.join("ca.md"), self.markdown())?;
        Ok(())
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# The CA's answers, measured\n\n");
        let _ = writeln!(
            text,
            "{}; load average before the run {}; {}. Written by `cargo xtask bench ca`. Askers and servers share \
             the cores; per core is what a second of the server's CPU time gives.\n",
            self.machine, self.load_before, self.openssl
        );
        text.push_str("| signer | signatures alone, a core and second |\n|---|---:|\n");
        for one in &self.signatures {
            let _ = writeln!(text, "| {} | {:.0} |", one.key, one.per_second);
        }
        text.push_str("\n| signer | server | asked | a second | a core and second |\n|---|---|---|---:|---:|\n");
        for one in &self.answers {
            let Answers { key, server, manner, per_second, per_core } = one;
            let _ =
                writeln!(text, "| {key} | {server} | {manner} | {per_second:.0} | {per_core:.0} |");
        }
        text.push('\n');
        for signature in &self.signatures {
            text.push_str(&self.beside(signature));
        }
        if let Some(list) = &self.list {
            let _ = writeln!(
                text,
                "\nA CRL with {} revocations (RSA-3072): signed in {:.0} ms, read and verified in {:.0} ms, {} \
                 bytes, {} KiB of memory at the most.",
                list.revocations,
                list.sign_ms,
                list.read_and_verify_ms,
                list.bytes,
                list.memory_kib
            );
        }
        text
    }

    /// Ours beside openssl's, and beside what the signature alone allows; a core and second each.
    fn beside(&self, signature: &Signatures) -> String {
        let of = |server: &str, manner: Manner| {
            let is_it = |one: &&Answers| {
                one.key == signature.key && one.server == server && one.manner == manner.words()
            };
            self.answers.iter().find(is_it).map_or(f64::NAN, |one| one.per_core)
        };
        let times = |manner| of("handfast", manner) / of("openssl ocsp", manner);
        let part = of("handfast", Manner::NonceKept) / signature.per_second * 100.0;
        format!(
            "- {}: without a nonce {:.1} times openssl's, with one {:.1} times; with one over connections that \
             stay {part:.0} % of what the signature alone allows.\n",
            signature.key,
            times(Manner::Ahead),
            times(Manner::Nonce)
        )
    }
}
