//! What is on record of sessions, asked for while no gateway runs.

use std::net::IpAddr;
use std::sync::Arc;

use admin::permission::Caller;
use admin::request::{HistoryQuery, Request};
use admin::response::{PastSession, Response};
use clock::{Clock as _, SystemClock, Timestamp};
use gateway::control::Execute as _;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};
use store::SessionNote;

#[tokio::test]
async fn what_is_open_on_record_ended_with_its_gateway_and_a_time_to_come_has_no_session() {
    let folder = std::env::temp_dir().join(format!("handfast-history-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let started =
        Gateway::start(DataDir::new(&folder), Arc::new(SystemClock), FirstStart::default());
    let gateway = started.await.expect("started");
    let add = Request::UserAdd { name: "alice".parse().expect("a name") };
    gateway.execute(&ROOT, add).await.expect("added");
    let now = Timestamp::from(SystemClock.now());
    let [opened, seen, to_come] = [
        Timestamp::from_millis(now.millis() - 600_000),
        Timestamp::from_millis(now.millis() - 300_000),
        Timestamp::from_millis(now.millis() + 86_400_000),
    ];
    let notes = Arc::new([note(&gateway, opened, seen)]);
    gateway.store().sessions_note(notes).await.expect("noted");

    let all = history(&gateway, HistoryQuery::default()).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].ended.as_deref(), Some("gateway_ended"), "nobody runs it any longer");
    let had = |at| HistoryQuery { address: Some((ADDRESS, Some(at))), ..HistoryQuery::default() };
    assert_eq!(history(&gateway, had(seen)).await.len(), 1);
    assert_eq!(history(&gateway, had(to_come)).await, []);
    let since = HistoryQuery { since: Some(to_come), ..HistoryQuery::default() };
    assert_eq!(history(&gateway, since).await, []);
    gateway.close().await;
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

async fn history(gateway: &Gateway, asked: HistoryQuery) -> Vec<PastSession> {
    let asked = Request::SessionHistory(HistoryQuery { limit: 10, ..asked });
    let answer = gateway.execute(&ROOT, asked).await.expect("answered");
    let Response::History(sessions) = answer else { panic!("{answer:?}") };
    sessions
}

fn note(gateway: &Gateway, opened: Timestamp, seen: Timestamp) -> SessionNote {
    let snapshot = gateway.store().snapshot();
    SessionNote {
        opened,
        number: 7,
        device: snapshot.devices().next().expect("hers").id,
        source: ([192, 0, 2, 7], 4000).into(),
        tcp: false,
        addresses: vec![ADDRESS],
        client: String::new(),
        tells_profile: true,
        profile: None,
        seen,
        bytes_in: 1,
        bytes_out: 2,
        ended: None,
    }
}

const ROOT: Caller = Caller::Local { uid: 0, name: None };
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 71, 0, 2));
