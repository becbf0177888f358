//! Recordings: OpenSSL with OpenSSL, and the stock OpenVPN with itself, in a network namespace.
//! `EXPLAIN_RECORDS` names a folder with some that were made before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One recorded conversation.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) capture: PathBuf,
    pub(crate) keys: PathBuf,
}

/// All recordings; none where a program is missing.
pub(crate) fn all() -> Option<Vec<Record>> {
    for program in ["tshark", "tcpdump", "openssl", "unshare", "ip", "ss", "nft", "openvpn"] {
        if !on_path(program) {
            println!("SKIP truth: no {program}");
            return None;
        }
    }
    if !Command::new("unshare")
        .args(["--net", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("SKIP truth: no network namespace can be made");
        return None;
    }
    let folder = match std::env::var_os("EXPLAIN_RECORDS") {
        Some(folder) => PathBuf::from(folder),
        None => recorded_anew(),
    };
    let mut records: Vec<Record> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .map(|capture| Record {
            name: capture.file_stem().unwrap().to_string_lossy().into_owned(),
            keys: capture.with_extension("keys"),
            capture,
        })
        .collect();
    records.extend(committed());
    records.sort_by(|a, b| a.name.cmp(&b.name));
    Some(records)
}

/// Sessions of a newer program than this machine has, which were recorded where there was one.
fn committed() -> impl Iterator<Item = Record> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let captures = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let hybrid = captures.filter(|path| {
        let name = path.file_stem().unwrap().to_string_lossy();
        name.contains("hybrid") && path.extension().is_some_and(|extension| extension == "pcap")
    });
    hybrid.map(|capture| Record {
        name: format!("{} (committed)", capture.file_stem().unwrap().to_string_lossy()),
        keys: capture.with_extension("keys"),
        capture,
    })
}

fn recorded_anew() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("truth");
    let _ = fs::remove_dir_all(&folder);
    let scripts = ["record.sh", "record-openvpn.sh"].map(|script| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
        Command::new("unshare").arg("--net").arg("bash").arg(&script).arg(&folder).spawn().unwrap()
    });
    for mut script in scripts {
        assert!(script.wait().unwrap().success(), "a script failed");
    }
    folder
}

fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}
