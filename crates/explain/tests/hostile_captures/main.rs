//! Captures that somebody made to hurt whoever reads them: endless connections, holes, pieces of one byte, hellos
//! as large as they may be, resets without end. Memory stays bounded, whatever the size of the file, and so does time.
//!
//! `EXPLAIN_HOSTILE_MB=1000` reads as much of each; otherwise a few. What is measured is a process's own memory, so each
//! shape is read by a process of its own: this program, called once more.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod frames;
mod shapes;

use std::fs;
use std::io::{self, Read};
use std::process::Command;
use std::time::Instant;

use explain::capture::{Known, read};
use explain::render;

use shapes::{SHAPES, Shape};

const SHAPE: &str = "EXPLAIN_HOSTILE_SHAPE";
/// What is in front of the shapes' own frames counts for nothing beside this.
const MEGABYTE: usize = 1_000_000;

#[test]
fn a_hostile_capture_of_any_shape_and_size_is_read_in_less_than_64_megabytes() {
    if let Ok(wanted) = std::env::var(SHAPE) {
        let (name, size, shape) = SHAPES.iter().find(|(name, ..)| *name == wanted).unwrap();
        return read_one(name, *size, shape());
    }
    for (name, ..) in SHAPES {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let again = again.arg("--nocapture").env(SHAPE, name).output().unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        said.lines().filter(|line| line.starts_with("FIGURE")).for_each(|line| println!("{line}"));
        assert!(again.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&again.stderr));
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is measured")]
fn read_one(name: &str, usual: usize, shape: Shape) {
    let size = std::env::var("EXPLAIN_HOSTILE_MB").ok().and_then(|text| text.parse().ok());
    let size: usize = size.unwrap_or(usual);
    let begun = Instant::now();
    let stories = read(File::new(shape, size * MEGABYTE), Known::default()).unwrap();
    let read = begun.elapsed();
    let json = render::json(&stories);
    let told = stories.stories.len();
    let peak = peak_kib();
    println!(
        "FIGURE {name}: {size} MB read in {:.1} s; {told} stories, {} kB of JSON, peak {} MiB",
        read.as_secs_f64(),
        json.len() / 1000,
        peak / 1024
    );
    assert!(peak < 64 * 1024, "{peak} KiB");
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A file that is made while it is read, block by block.
struct File {
    shape: Shape,
    left: usize,
    block: Vec<u8>,
    at: usize,
}

impl File {
    fn new(shape: Shape, left: usize) -> Self {
        let block = shape.head.clone();
        Self { shape, left, block, at: 0 }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && self.left > 0 {
            self.block = (self.shape.next)();
            self.at = 0;
            self.left = self.left.saturating_sub(self.block.len());
        }
        let rest = &self.block[self.at..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}
