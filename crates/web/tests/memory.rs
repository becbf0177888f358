//! What a connection takes of memory, where nobody takes what is ready. Alone in its program, which is measured.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use common::{Service, read_request, secure};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::time::sleep;
use web::{Http, Limits, serve};

#[tokio::test]
async fn a_hundred_answers_that_nobody_takes_need_no_more_memory_than_is_said() {
    let endless = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&PIECE).await.is_ok() {}
        })
    })
    .await;
    let (mut client, theirs) = duplex(65536);
    let site = Arc::new(endless.site());
    tokio::spawn(serve(theirs, secure(Http::Two), site, std::future::pending()));
    let before = resident();
    client.write_all(&greedy()).await.unwrap();
    while endless.connections() < STREAMS {
        sleep(Duration::from_millis(20)).await;
    }
    let taken = settled().await - before;
    let said = Limits::default().memory(Http::Two);
    println!("{} KiB of {} KiB", taken / 1024, said / 1024);
    assert!(taken < said, "{taken} of {said}");
    // The buffers were full, or it says nothing.
    assert!(taken > STREAMS * 128 * 1024, "{taken}");
}

/// A client with windows as wide as can be, that asks and never reads.
fn greedy() -> Vec<u8> {
    let wide = 0x7fff_ffff_u32;
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    octets.extend(frame(SETTINGS, 0, 0, &[&[0, 4][..], &wide.to_be_bytes()].concat()));
    octets.extend(frame(WINDOW_UPDATE, 0, 0, &(wide - 65_535).to_be_bytes()));
    for number in 0..u32::try_from(STREAMS).unwrap() {
        // GET, https, /, and the authority.
        let block = [&[0x82, 0x87, 0x84, 0x41, 9][..], b"a.example"].concat();
        octets.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block));
    }
    octets
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Octets of this program that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// The same, once it has not grown for two seconds.
async fn settled() -> usize {
    let (mut most, mut rests) = (0, 0);
    while rests < 4 {
        sleep(Duration::from_millis(500)).await;
        rests = if resident() > most { 0 } else { rests + 1 };
        most = most.max(resident());
    }
    most
}

static PIECE: [u8; 16384] = [b'x'; 16384];
const STREAMS: usize = 100;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
