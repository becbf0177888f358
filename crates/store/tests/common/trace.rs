//! What a child asked the kernel to do with its files, as `strace` saw it, in order.

use std::collections::HashMap;
use std::path::Path;
use std::process::Child;

use super::child::Task;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The file is there from here on.
    Create {
        path: String,
    },
    Write {
        path: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        path: String,
        length: usize,
    },
    Unlink {
        path: String,
    },
    /// Of a file or a folder; returned without an error.
    Sync {
        path: String,
    },
    /// The child printed this.
    Print {
        text: String,
    },
}

const CALLS: &str = "trace=openat,open,creat,write,pwrite64,pwritev,pwritev2,writev,lseek,fsync,\
     fdatasync,sync_file_range,ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,\
     unlinkat,link,linkat";

/// Runs the task under `strace`, and gives what it did. It has to be installed: a power cut that
/// nobody simulates is no test.
pub(crate) fn record(task: &Task<'_>, trace: &Path) -> Vec<Step> {
    let mut child = spawn(task, trace, &["-xx", "-s", "1000000", "-e", CALLS]);
    let output = super::child::Acknowledged::default().drained(&mut child);
    assert!(child.wait().unwrap().success(), "the traced child failed");
    assert!(output.len() > 0, "the traced child did nothing");
    parse(&std::fs::read_to_string(trace).unwrap())
}

/// Starts the task under `strace` with these arguments.
pub(crate) fn spawn(task: &Task<'_>, trace: &Path, arguments: &[&str]) -> Child {
    let mut wrapper = vec!["strace", "-f", "-y", "-o", trace.to_str().unwrap()];
    wrapper.extend(arguments);
    task.command(&wrapper)
        .spawn()
        .expect("strace starts; install it (Debian: apt-get install strace)")
}

fn parse(text: &str) -> Vec<Step> {
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut steps = Vec::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, begun.trim_end());
        } else if call.starts_with("<... ") {
            let begun = unfinished.remove(thread).expect("a call resumes that was begun");
            let (_, rest) = call.split_once("resumed>").unwrap();
            steps.extend(step(&format!("{begun}{rest}")));
        } else {
            steps.extend(step(call));
        }
    }
    steps
}

/// A call that succeeded and that concerns us. Calls that this model does not know must not occur.
fn step(call: &str) -> Option<Step> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let fields: Vec<&str> = arguments.split(", ").collect();
    // The room that is kept free holds nothing.
    if arguments.contains(&escaped(".reserve")) {
        return None;
    }
    let number = |at: usize| fields[at].parse::<usize>().unwrap();
    let path = || file_of(fields[0]);
    match name {
        "openat" if fields[2].contains("O_CREAT") => Some(Step::Create { path: quoted(fields[1]) }),
        "openat" | "lseek" => None,
        "pwrite64" => {
            let mut bytes = unescape(fields[1]);
            bytes.truncate(result.parse().unwrap());
            Some(Step::Write { path: path(), offset: number(3), bytes })
        }
        "write" if fields[0].starts_with("1<") => Some(Step::Print { text: quoted(fields[1]) }),
        // The lock file's text; the database is written by offset only.
        "write" => {
            assert!(!path().contains("store.db") || path().ends_with(".lock"), "{call}");
            None
        }
        "ftruncate" => Some(Step::Truncate { path: path(), length: number(1) }),
        "fsync" | "fdatasync" => Some(Step::Sync { path: path() }),
        "unlink" => Some(Step::Unlink { path: quoted(fields[0]) }),
        _ => panic!("the simulation does not know this call: {call}"),
    }
}

/// As `strace -xx` writes it.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// `5</path>`
fn file_of(field: &str) -> String {
    let (_, path) = field.split_once('<').unwrap();
    String::from_utf8(unescape(path.trim_end_matches('>'))).unwrap()
}

fn quoted(field: &str) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// `"\x41\x42"` with or without the quotes.
fn unescape(field: &str) -> Vec<u8> {
    assert!(!field.ends_with("..."), "strace cut a string short");
    let digits = field.trim_matches('"').split("\\x").skip(1);
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
