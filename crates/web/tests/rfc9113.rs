//! RFC 9113, case by case, from a client that writes frames by hand: `rfc9113.py`, on PyPI's hyperframe and hpack.
//! The Python that has them is named by HTTP2_PYTHON.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::env;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Service, read_request, secure};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use web::{Http, Site, serve};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rfc_9113_asks_of_a_server_is_done() {
    let Some(python) = env::var_os("HTTP2_PYTHON") else {
        println!("SKIP rfc9113: no Python with hyperframe and hpack; set HTTP2_PYTHON");
        return;
    };
    let service = Service::with(|stream, _| tokio::spawn(echo_but_slow(stream))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(accept(listener, Arc::new(service.site())));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc9113.py");
    // The client can't tell a connection that was ended from one that a panic took.
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        told(panicked);
    }));
    let cases = Command::new(python).arg(script).arg(port.to_string()).kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(300), cases).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 60, "{passed} cases");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

async fn accept(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, _)) = listener.accept().await {
        let site = Arc::clone(&site);
        tokio::spawn(serve(stream, secure(Http::Two), site, std::future::pending()));
    }
}

/// Answers with what it heard, but nothing for /slow.
async fn echo_but_slow(mut stream: TcpStream) {
    let mut rest = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut rest).await {
        if request.lines().next().unwrap_or_default().contains(" /slow ") {
            sleep(Duration::from_secs(60)).await;
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
        if stream.write_all(format!("{head}{request}").as_bytes()).await.is_err() {
            return;
        }
    }
}
