//! A capture that somebody made to hurt whoever reads it: endless connections, holes, pieces of one byte, hellos
//! as large as they may be, resets without end. Memory stays bounded, whatever the size of the file.
//!
//! `EXPLAIN_HOSTILE_MB=1000` reads as much; otherwise 48 MB. This program has one test, since what is measured is
//! the process's own memory.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};

use explain::capture::{Known, read};
use explain::render;

#[test]
fn a_hostile_capture_of_any_size_is_read_in_less_than_64_megabytes() {
    let megabytes =
        std::env::var("EXPLAIN_HOSTILE_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(48);
    let source = Hostile::new(megabytes * 1_000_000);
    let stories = read(source, Known::default()).unwrap();
    assert!(!stories.stories.is_empty() && !stories.left_out.is_empty());
    let json = render::json(&stories);
    let peak = peak_kib();
    println!(
        "{megabytes} MB read; {} stories, {} kB of JSON, peak {} MiB",
        stories.stories.len(),
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

/// A file that is made while it is read.
struct Hostile {
    left: usize,
    random: u64,
    made: VecDeque<u8>,
    sequences: Vec<u32>,
}

impl Hostile {
    fn new(left: usize) -> Self {
        let header =
            [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
        Self { left, random: 0x5eed, made: header.into_iter().collect(), sequences: vec![0; 64] }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % limit as u64) as usize
    }

    /// One frame: mostly of a few connections, so that what is kept of each is what its bounds allow.
    fn frame(&mut self) {
        let flow = self.below(64);
        let payload = self.payload(flow);
        let frame = if flow < 8 { udp(flow as u16, &payload) } else { self.tcp(flow, &payload) };
        let length = (frame.len() as u32).to_le_bytes();
        self.made.extend([[1, 0, 0, 0], [0, 0, 0, 0], length, length].concat());
        self.made.extend(frame);
    }

    fn payload(&mut self, flow: usize) -> Vec<u8> {
        let random = self.below(256) as u8;
        match (flow, self.below(6)) {
            // A client's reset, each of another session.
            (0..8, 0) => [&[0x38][..], &[random | 1; 8], &[0; 5]].concat(),
            (0..8, 1) => [
                &[0x20 | random & 7][..],
                &[random | 1; 8],
                &[0, 0, 0, 0, random & 15],
                &[22, 3, 3, 64, 0],
            ]
            .concat(),
            (0..8, _) => vec![0x48 | random & 7; 60],
            // A hello with as many suites as fit.
            (_, 0 | 1) => hello(1_300),
            (_, 2) => vec![random],
            (_, 3) => [&[22, 3, 3, 64, 0][..], &vec![random; 1_200]].concat(),
            (_, 4) => vec![23, 3, 3, 0, 1, random],
            _ => vec![21, 3, 3, 0, 2, 1, random],
        }
    }

    fn tcp(&mut self, flow: usize, payload: &[u8]) -> Vec<u8> {
        let sequence = self.sequences[flow];
        let first = sequence == 0;
        let hole = self.below(20) == 0;
        let step = if first { 1 } else { payload.len() as u32 + if hole { 40 } else { 0 } };
        self.sequences[flow] = sequence.wrapping_add(step);
        let flags = if first { 0x02 } else { 0x10 };
        let payload = if first { &[] } else { payload };
        let port = (2_000 + flow as u16).to_be_bytes();
        let header = [
            &port[..],
            &[1, 187],
            &sequence.to_be_bytes(),
            &[0; 4],
            &[0x50, flags, 255, 255, 0, 0, 0, 0],
        ];
        ip(6, &[&header.concat(), payload].concat())
    }
}

fn hello(length: usize) -> Vec<u8> {
    let suites = length - 60;
    let suites = suites - suites % 2;
    let body =
        [&[3, 3][..], &[7; 32], &[0], &(suites as u16).to_be_bytes(), &vec![0x13; suites], &[1, 0]]
            .concat();
    let message = [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
    [&[22, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

fn udp(flow: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    let header = [&(3_000 + flow).to_be_bytes()[..], &[4, 170], &length, &[0, 0]].concat();
    ip(17, &[&header, payload].concat())
}

fn ip(protocol: u8, content: &[u8]) -> Vec<u8> {
    let length = (20 + content.len() as u16).to_be_bytes();
    let ethernet = [&[2; 12][..], &[8, 0]].concat();
    let header = [
        &[0x45, 0][..],
        &length,
        &[0, 0, 0, 0, 64, protocol, 0, 0],
        &[192, 0, 2, 1],
        &[192, 0, 2, 2],
    ]
    .concat();
    [&ethernet, &header, content].concat()
}

impl Read for Hostile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.made.len() < buffer.len() && self.left > 0 {
            let before = self.made.len();
            self.frame();
            self.left = self.left.saturating_sub(self.made.len() - before);
        }
        let length = buffer.len().min(self.made.len());
        for (to, from) in buffer.iter_mut().zip(self.made.drain(..length)) {
            *to = from;
        }
        Ok(length)
    }
}
