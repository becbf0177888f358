//! What tshark reads in a file: its whole tree of each frame, as `-T pdml` writes it.

use std::path::Path;
use std::process::Command;

/// One value that tshark shows.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) name: String,
    /// The value in tshark's form.
    pub(crate) show: String,
    /// The line of the tree, in which codes have their names.
    pub(crate) line: String,
    /// The bytes, in hexadecimal.
    pub(crate) value: String,
    /// Where it begins in its frame.
    pub(crate) offset: u64,
}

impl Shown {
    pub(crate) fn number(&self) -> u64 {
        u64::from_str_radix(&self.value, 16).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let digit =
            |at: usize| u8::from_str_radix(self.value.get(at..at + 2).unwrap(), 16).unwrap();
        (0..self.value.len()).step_by(2).map(digit).collect()
    }

    /// What the code is called, in small letters and without what stands between words.
    pub(crate) fn meaning(&self) -> String {
        let behind = self.line.split_once(": ").map_or(self.line.as_str(), |(_, behind)| behind);
        let name = behind.rsplit_once(" (").map_or(behind, |(name, _)| name);
        // tshark writes opcodes as their C names.
        plain(name.strip_prefix("P_").unwrap_or(name))
    }
}

/// A name without what two programs may write differently.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// One frame, with everything that tshark shows of it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    /// Microseconds since 1970.
    pub(crate) at: u64,
    pub(crate) fields: Vec<Shown>,
}

impl Frame {
    pub(crate) fn first(&self, name: &'static str) -> Option<&Shown> {
        all(&self.fields, name).next()
    }
}

pub(crate) fn all<'a>(fields: &'a [Shown], name: &'static str) -> impl Iterator<Item = &'a Shown> {
    fields.iter().filter(move |shown| shown.name == name)
}

/// Everything between one field of a name and the next.
pub(crate) fn groups<'a>(fields: &'a [Shown], name: &str) -> Vec<&'a [Shown]> {
    let begins: Vec<usize> = (0..fields.len()).filter(|at| fields[*at].name == name).collect();
    let ends = begins.iter().skip(1).copied().chain([fields.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &fields[*begin..end]).collect()
}

/// tshark's reading of a capture, opened by a key log, and told by these options which protocol it holds.
pub(crate) fn read(capture: &Path, keys: &Path, options: &[String]) -> Vec<Frame> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        .arg("-o")
        .arg(format!("tls.keylog_file:{}", keys.display()))
        // What is said inside is wanted as bytes.
        .args(["--disable-protocol", "http"])
        .args(options)
        .args(["-T", "pdml"])
        .output()
        .unwrap();
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    frames(&String::from_utf8_lossy(&output.stdout))
}

fn frames(text: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut fields = Vec::new();
    for tag in tags(text) {
        if tag == "packet" {
            fields = Vec::new();
        } else if tag.starts_with("field ") {
            fields.push(shown(tag));
        } else if tag == "/packet" {
            frames.push(frame(std::mem::take(&mut fields)));
        }
    }
    frames
}

fn frame(fields: Vec<Shown>) -> Frame {
    let number = |name: &'static str| all(&fields, name).next().unwrap().show.clone();
    let time = number("frame.time_epoch");
    let (seconds, fraction) = time.split_once('.').unwrap();
    let micros: u64 = fraction[..6].parse().unwrap();
    Frame {
        number: number("frame.number").parse().unwrap(),
        at: seconds.parse::<u64>().unwrap() * 1_000_000 + micros,
        fields,
    }
}

/// What stands between angle brackets; one inside a value in quotes is none.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find('<')? + 1;
        let mut quoted = false;
        let end = rest[begin..].find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        })?;
        let tag = &rest[begin..begin + end];
        rest = &rest[begin + end + 1..];
        Some(tag.trim_end_matches('/'))
    })
}

fn shown(tag: &str) -> Shown {
    let mut shown = Shown::default();
    let mut rest = tag.strip_prefix("field ").unwrap();
    while let Some((name, behind)) = rest.split_once("=\"") {
        let (value, after) = behind.split_once('"').unwrap();
        match name.trim() {
            "name" => shown.name = value.to_owned(),
            "show" => shown.show = text(value),
            "showname" => shown.line = text(value),
            "value" => shown.value = value.to_owned(),
            "pos" => shown.offset = value.parse().unwrap(),
            _ => {}
        }
        rest = after;
    }
    shown
}

fn text(escaped: &str) -> String {
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")];
    plain.iter().fold(escaped.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}
