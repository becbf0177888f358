//! Calls of some hundred kilobytes to a gateway that takes none of that length: what it says reaches the caller.

use std::path::PathBuf;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::protocol::Reply;
use admin::request::{DeviceDeed, Request};
use admin::response::Response;
use gateway::control::Client;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{UnixListener, UnixStream};

#[tokio::test]
async fn a_long_call_to_a_gateway_of_another_version_says_so_and_is_not_sent() {
    let (path, listener) = socket("another");
    let other = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a caller");
        let mut stream = BufStream::new(stream);
        let mut heard = String::new();
        stream.read_line(&mut heard).await.expect("a call");
        say(&mut stream, &Err(Failure::new(FailureKind::Conflict, "this one is older"))).await;
        let _ = stream.read_to_string(&mut heard).await;
        heard.len()
    });
    let mut client = Client::connect(&path).await.expect("connected");
    let failure = client.call(long_call()).await.expect_err("another version");
    assert_eq!(failure.message, "this one is older");
    drop(client);
    std::fs::remove_file(path).expect("removed");
    assert!(other.await.expect("heard") < 1_000);
}

#[tokio::test]
async fn why_a_call_is_not_read_to_its_end_is_told() {
    let (path, listener) = socket("cut");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a caller");
        let mut stream = BufStream::new(stream);
        stream.read_line(&mut String::new()).await.expect("a call");
        say(&mut stream, &Ok(Response::Users(vec![]))).await;
        stream.read_exact(&mut [0; 1_000]).await.expect("the beginning of the next one");
        say(&mut stream, &Err(Failure::new(FailureKind::Usage, "it is too long"))).await;
    });
    let mut client = Client::connect(&path).await.expect("connected");
    let failure = client.call(long_call()).await.expect_err("too long");
    assert_eq!(failure.message, "it is too long");
    std::fs::remove_file(path).expect("removed");
}

fn socket(name: &str) -> (PathBuf, UnixListener) {
    let name = format!("handfast-long-call-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let listener = UnixListener::bind(&path).expect("bound");
    (path, listener)
}

/// More than a socket holds.
fn long_call() -> Request {
    let name = |number| DeviceName::parse(&format!("{}{number}", "u".repeat(40))).expect("a name");
    Request::DevicesDo { devices: (0..9_000).map(name).collect(), deed: DeviceDeed::Remove }
}

async fn say(to: &mut BufStream<UnixStream>, reply: &Reply) {
    let line = serde_json::to_string(reply).expect("JSON") + "\n";
    to.write_all(line.as_bytes()).await.expect("said");
    to.flush().await.expect("said");
}
