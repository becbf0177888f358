//! Both ends of the control socket against each other.

use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::permission::Caller;
use admin::protocol::{Call, Reply};
use admin::request::Request;
use admin::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::server::Execute;
use super::{Client, ControlServer};
use crate::data::{DataDir, own_uid};
use crate::testing::TempFolder;

#[tokio::test]
async fn a_call_is_executed_for_the_user_the_kernel_names() {
    let (data, _temp, _server) = serve();
    let mut client = Client::connect(&data.socket()).await.expect("connected");
    assert_eq!(client.call(Request::UserList).await, Ok(Response::Users(vec![])));
    let failure = client.call(Request::CaShow).await.expect_err("as scripted");
    assert_eq!(failure.message, format!("uid {} asked", own_uid()));
}

#[tokio::test]
async fn only_owner_and_group_may_open_the_socket() {
    let (data, _temp, _server) = serve();
    let mode = std::fs::metadata(data.socket()).expect("there").permissions().mode();
    assert_eq!(mode & 0o117, 0, "{mode:o}");
}

#[tokio::test]
async fn a_socket_left_by_a_dead_owner_is_replaced() {
    let temp = TempFolder::new();
    let data = DataDir::new(temp.path());
    let left = std::os::unix::net::UnixListener::bind(data.socket()).expect("bound");
    drop(left);
    assert!(data.socket().exists());
    ControlServer::bind(&data).expect("bound again");
}

#[tokio::test]
async fn nonsense_another_version_and_endless_lines_are_answered_with_a_failure() {
    let (data, _temp, _server) = serve();
    let nonsense = raw(&data, b"hello\n").await;
    assert!(nonsense.contains("can't be read"), "{nonsense}");
    let other = raw(&data, b"{\"version\":99,\"request\":{\"do\":\"dance\"}}\n").await;
    assert!(other.contains("version 99") || other.contains("this command 99"), "{other}");
    let endless = raw(&data, &vec![b'x'; 4 * 1024 * 1024 + 1]).await;
    assert!(endless.contains("too long"), "{endless}");
}

#[tokio::test]
async fn callers_who_say_nothing_or_read_nothing_keep_nobody_from_calling() {
    let (data, _temp, _server) = serve();
    let mut held = Vec::new();
    for _ in 0..70 {
        held.push(UnixStream::connect(data.socket()).await.expect("connected"));
    }
    let call =
        serde_json::to_string(&Call::new(Request::Check { whole: false })).expect("JSON") + "\n";
    for _ in 0..70 {
        let mut deaf = UnixStream::connect(data.socket()).await.expect("connected");
        deaf.write_all(call.as_bytes()).await.expect("sent");
        held.push(deaf);
    }
    for _ in 0..3 {
        let mut client = Client::connect(&data.socket()).await.expect("connected");
        let answer = tokio::time::timeout(Duration::from_secs(5), client.call(Request::UserList));
        assert_eq!(answer.await.expect("in time"), Ok(Response::Users(vec![])));
    }
}

async fn raw(data: &DataDir, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(data.socket()).await.expect("connected");
    stream.write_all(bytes).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut answer = String::new();
    // A caller that sent more than was read is reset after the answer.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn serve() -> (DataDir, TempFolder, tokio::task::JoinHandle<()>) {
    let temp = TempFolder::new();
    let data = DataDir::new(temp.path());
    let server = ControlServer::bind(&data).expect("bound");
    (data, temp, tokio::spawn(server.serve(Arc::new(Scripted))))
}

struct Scripted;

impl Execute for Scripted {
    fn execute<'a>(
        &'a self,
        caller: &'a Caller,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>> {
        Box::pin(async move {
            match (request, caller) {
                // More than a socket holds.
                (Request::Check { whole: false }, _) => {
                    Err(Failure::new(FailureKind::Failed, "x".repeat(300 * 1024)))
                }
                (Request::UserList, _) => Ok(Response::Users(vec![])),
                (_, Caller::Local { uid, .. }) => {
                    Err(Failure::new(FailureKind::Failed, format!("uid {uid} asked")))
                }
            }
        })
    }
}
