//! The addresses of a device that was revoked come free after the set time, and not before; with a new
//! certificate it has others.

mod house;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use admin::names::DeviceName;
use admin::request::{HistoryQuery, Request};
use admin::response::{ProfileMaterial, Response, Session};
use gateway::doors::{BoxFuture, Door};

use house::{House, inside};

#[test]
fn who_asks_for_sessions_of_the_past_hears_of_open_ones_as_they_are_then() {
    inside("who_asks_for_sessions_of_the_past", async {
        let house = House::start().await;
        let alice = house.add("alice").await;
        let _open = house.connect(&alice).await;
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        let all = HistoryQuery { limit: 50, ..HistoryQuery::default() };
        let answer = house.ask(Request::SessionHistory(all)).await;
        let Response::History(sessions) = answer else { panic!("{answer:?}") };
        assert_eq!((sessions.len(), sessions[0].ended.as_deref()), (1, None));
        let known = sessions[0].seen_at.since(sessions[0].opened_at);
        assert!(known.as_secs() >= 1, "{known:?}");
        house.stop().await;
    });
}

#[test]
fn a_revoked_devices_addresses_come_free_after_the_set_time_and_a_renewed_one_connects_with_others()
{
    let test = "a_revoked_devices_addresses_come_free_after_the_set_time";
    inside(test, async {
        let house = House::start().await;
        house.add("alice").await;
        house.add("bob").await;
        let (alice, bob) = (addresses(&house, "alice").await, addresses(&house, "bob").await);
        house.revoke("alice").await;
        house.pass(29).await;
        assert_eq!(addresses(&house, "alice").await, alice);
        house.pass(2).await;
        assert_eq!(addresses(&house, "alice").await, [] as [IpAddr; 0]);
        assert_eq!(addresses(&house, "bob").await, bob);

        let again = renewed(&house, "alice").await;
        let others = addresses(&house, "alice").await;
        assert!(!others.is_empty() && others != alice, "{others:?}");
        let subscriber = house.connect(&again).await;
        assert_eq!(house.connected().await, ["alice"]);
        drop(subscriber);
        house.stop().await;
    });
}

/// One that lost its right and is not closed yet, or can't be: its packets come and go under its addresses.
#[test]
fn an_open_session_keeps_its_addresses_whatever_became_of_its_device() {
    inside("an_open_session_keeps_its_addresses", async {
        let house = House::start().await;
        let material = house.add("alice").await;
        let had = addresses(&house, "alice").await;
        let subscriber = house.connect(&material).await;
        let Response::Sessions(sessions) = house.ask(Request::Sessions).await else { panic!() };
        let still_there = Arc::new(StillThere(Mutex::new(sessions)));
        house.gateway.doors().attach(Arc::clone(&still_there) as Arc<dyn Door>);
        house.revoke("alice").await;
        drop(subscriber);
        house.pass(100).await;
        assert_eq!(addresses(&house, "alice").await, had);
        still_there.0.lock().expect("no panic").clear();
        house.pass(0).await;
        assert_eq!(addresses(&house, "alice").await, [] as [IpAddr; 0]);
        house.stop().await;
    });
}

/// A door whose sessions stay.
#[derive(Debug)]
struct StillThere(Mutex<Vec<Session>>);

impl Door for StillThere {
    fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
        let sessions = self.0.lock().expect("no panic").clone();
        Box::pin(async { sessions })
    }
}

async fn addresses(house: &House, user: &str) -> Vec<IpAddr> {
    let device = DeviceName::parse(user).expect("a name");
    let Response::Device(detail) = house.ask(Request::DeviceShow { device }).await else {
        panic!("no device")
    };
    detail.device.addresses
}

async fn renewed(house: &House, user: &str) -> ProfileMaterial {
    let device = DeviceName::parse(user).expect("a name");
    let request = Request::ProfileMaterial { device, renew: true };
    let Response::Profile(material) = house.ask(request).await else { panic!("no profile") };
    *material
}
