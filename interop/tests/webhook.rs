//! The webhook of a running gateway: every event of the log is posted, with its fields, up to the gateway's last.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use interop::{Own, World};
use serde_json::Value;

#[test]
fn an_address_hears_of_everything_that_the_log_has_up_to_the_gateways_end() {
    let name = "an_address_hears_of_everything_that_the_log_has_up_to_the_gateways_end";
    let url = ("hooks.url", "\"http://127.0.0.1:8099/handfast?key=hush\"");
    let Some(mut world) = World::start(name, &[url]) else { return };
    let bound = world.gateway.netns.run(|| TcpListener::bind(("127.0.0.1", 8099)));
    let listener = bound.expect("a thread").expect("a free port");
    let (tell, heard) = channel();
    std::thread::spawn(move || listen(&listener, &tell));

    let alice = world.subscriber("alice", "unified");
    let mut own = Own::start(&alice.host, &alice.profile());
    own.connected();
    world.handfast(&["device", "revoke", "alice/default", "--reason", "key-compromise"]);
    let mut all = Vec::new();
    let revoked = wait_for(&heard, &mut all, "certificate_revoked");
    assert_eq!(revoked["subject"], "alice/default", "{revoked}");
    assert_eq!(revoked["details"]["reason"], "keyCompromise", "{revoked}");
    let closed = wait_for(&heard, &mut all, "session_closed");
    assert!(closed.to_string().contains("alice"), "{closed}");
    let log = world.log();
    assert!(!log.is_empty() && !log.contains("hush"), "it names the host alone: {log}");
    world.bring_down();
    let stopped = wait_for(&heard, &mut all, "gateway_stopped");
    let number = |event: &Value| event["id"].as_u64();
    assert!(number(&stopped) > number(&revoked), "{stopped}");
}

/// One of that kind. Others come before it, as kinds take turns.
fn wait_for(heard: &Receiver<Value>, all: &mut Vec<Value>, what: &str) -> Value {
    loop {
        if let Some(event) = all.iter().find(|event| event["what"] == what) {
            return event.clone();
        }
        let next = heard.recv_timeout(Duration::from_secs(20));
        all.push(next.unwrap_or_else(|_| panic!("{what} after {all:?}")));
    }
}

fn listen(listener: &TcpListener, tell: &Sender<Value>) {
    for stream in listener.incoming().flatten() {
        if let Some(event) = posted(stream)
            && tell.send(event).is_err()
        {
            return;
        }
    }
}

fn posted(stream: TcpStream) -> Option<Value> {
    let mut answer = stream.try_clone().ok()?;
    let mut from = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    answer.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
}
