//! The command line from outside: the built binary with a throw-away data folder, its output
//! compared to the letter. What differs from run to run is replaced by a word in brackets.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod backup;
mod ca_key;
mod certs;
mod explain;
mod explain_distrusted;
mod explain_files;
mod explain_kept;
mod explain_refused;
mod explain_vpn;
mod key_logs;
mod limits;
mod listings;
mod logging;
mod many;
mod mistakes;
mod openssl_ca;
mod profiles;
mod records;
mod revocation_boxes;
mod running;
mod schema;
mod secrets;
mod service;
mod standing;
mod tls;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use clock::SystemClock;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};

/// A data folder and the binary.
struct Cli {
    folder: PathBuf,
}

/// What a run gave.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Cli {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-cli-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// With a data folder as the first start makes it.
    fn with_data() -> Self {
        static MADE: OnceLock<PathBuf> = OnceLock::new();
        let made = MADE.get_or_init(first_start);
        let cli = Self::new();
        copy_folder(made, &cli.path("data"));
        cli
    }

    /// A path beside the data folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        // As somebody types it who has it in the search path.
        command.arg0("handfast");
        command.args(words.split_whitespace()).stdin(Stdio::null());
        command.env("HANDFAST_DATA", self.path("data")).current_dir(&self.folder);
        command
    }

    /// Runs with these words, outputs with everything that varies replaced.
    fn run(&self, words: &str) -> Ran {
        let output = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| self.steady(&String::from_utf8_lossy(bytes));
        Ran {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Runs what must succeed and gives what it printed.
    fn ok(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "handfast {words}: {ran:?}");
        ran.out
    }

    /// Runs what must fail with this code and gives its complaint.
    fn fails(&self, code: i32, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "handfast {words}: {ran:?}");
        ran.err
    }

    fn steady(&self, text: &str) -> String {
        steady(&text.replace(&self.folder.display().to_string(), "[FOLDER]"))
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A data folder to copy, as making a CA takes its time.
fn first_start() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-start");
    let _ = fs::remove_dir_all(&path);
    let public = Some("vpn.example.net".parse().unwrap());
    let first = FirstStart { public, ..FirstStart::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let started = Gateway::start(DataDir::new(&path), Arc::new(SystemClock), first);
    drop(runtime.block_on(started).unwrap());
    // The store's thread ends by itself; its log is folded into the database when it has.
    while names_in(&path).iter().any(|name| name.ends_with("-wal")) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    path
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for name in names_in(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        match from.is_dir() {
            true => copy_folder(&from, &to),
            false => drop(fs::copy(from, to).unwrap()),
        }
    }
}

/// Serials, digests, dates and times by their kind.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "-:.".contains(c) {
            word.push(c);
        } else {
            let of_a_list =
                steady.trim_end().ends_with("CRL") || steady.trim_end().ends_with("CRL number");
            // The second in which it was signed.
            match of_a_list && word.parse::<u64>().is_ok() {
                true => steady.push_str("[NUMBER]"),
                false => steady.push_str(&steady_word(&word)),
            }
            word.clear();
            steady.push(c);
        }
    }
    steady.push_str(&steady_word(&word));
    for ago in ["0 seconds", "1 second", "2 seconds", "3 seconds", "4 seconds", "5 seconds"] {
        steady = steady.replace(&format!("({ago} ago)"), "(just now)");
    }
    steady
}

fn steady_word(word: &str) -> String {
    let end = word.trim_end_matches(['.', ':']);
    let tail = &word[end.len()..];
    let hex = end.chars().all(|c| c.is_ascii_hexdigit());
    let shaped = |shape: &str| {
        end.len() == shape.len()
            && end
                .chars()
                .zip(shape.chars())
                .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
    };
    let kind = match end.len() {
        64 if hex => "[SHA-256]",
        30..=34 if hex => "[SERIAL]",
        _ if shaped("0000-00-00") => "[DATE]",
        _ if shaped("00:00:00") || shaped("00:00:00.000") => "[TIME]",
        _ if shaped("0000-00-00T00:00:00.000Z") => "[MOMENT]",
        _ if end.starts_with("fd") && end.contains("::") => {
            return format!("[ULA]::{}", end.rsplit(':').next().unwrap_or_default()) + tail;
        }
        8 if hex => "[ID]",
        _ => return word.to_owned(),
    };
    format!("{kind}{tail}")
}

/// Every blank run as one, for tables whose widths hang on what varies.
fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
