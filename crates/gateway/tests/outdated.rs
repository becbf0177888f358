//! A device's profile counts as up to date only where what the device uses is known to be so.

mod house;

use admin::request::Request;
use admin::response::{ProfileMaterial, Response};
use gateway::profile::settings_mark;
use house::{House, device, inside};

#[test]
fn a_profile_that_was_written_again_counts_once_the_device_says_so_or_connects_with_a_new_key() {
    inside("outdated", async {
        let house = House::start().await;
        let alice = house.add("alice").await;
        let (_bob, carol) = (house.add("bob").await, house.add("carol").await);
        assert_eq!(outdated(&house).await, [""; 0]);
        house.ask(set("public.names", "vpn.example.org")).await;
        house.ask(Request::Reload).await;
        assert_eq!(outdated(&house).await, ["alice/default", "bob/default", "carol/default"]);

        // Written again with the same key: nobody knows which of the two each device has.
        let again = again(&house, &alice).await;
        assert!(outdated(&house).await.contains(&"alice/default".to_owned()));
        let former = settings_mark(&alice.common).to_string();
        let today = settings_mark(&again.common).to_string();
        drop(connect(&house, &alice, &[(MARK, &former)]).await);
        assert!(outdated(&house).await.contains(&"alice/default".to_owned()), "by its own word");
        drop(connect(&house, &alice, &[(MARK, &today)]).await);
        assert!(soon(&house, &["bob/default", "carol/default"]).await, "by its own word");
        drop(connect(&house, &alice, &[(MARK, "no mark")]).await);
        let all = ["alice/default", "bob/default", "carol/default"];
        assert!(soon(&house, &all).await, "it says nothing");

        // With a new key: until the device connects with it, it has the former profile.
        drop(connect(&house, &carol, &[]).await);
        let renew = Request::ProfileMaterial { device: device("carol"), renew: true };
        let Response::Profile(renewed) = house.ask(renew).await else { panic!("no profile") };
        assert!(outdated(&house).await.contains(&"carol/default".to_owned()));
        drop(connect(&house, &renewed, &[]).await);
        house.pass(0).await;
        assert!(soon(&house, &["alice/default", "bob/default"]).await);
        house.stop().await;
    });
}

const MARK: &str = "UV_HANDFAST_PROFILE";

fn set(key: &str, value: &str) -> Request {
    Request::ConfigSet { key: key.to_owned(), values: vec![value.to_owned()] }
}

async fn again(house: &House, of: &ProfileMaterial) -> ProfileMaterial {
    let request = Request::ProfileAgain { certificate_pem: of.certificate.pem.clone() };
    let Response::Profile(material) = house.ask(request).await else { panic!("no profile") };
    *material
}

async fn connect(
    house: &House,
    material: &ProfileMaterial,
    peer_info: &[(&str, &str)],
) -> house::Subscriber {
    let options = "V4,dev-type tun,tls-client";
    let cas = &material.common.ca_pem;
    house.try_connect_as(material, cas, options, peer_info).await.expect("connected")
}

/// Whom `status` and `device list` both name; what a connection says of its profile is written beside it.
async fn outdated(house: &House) -> Vec<String> {
    for _ in 0..LOOKS {
        let status = house.status().await;
        let Response::Devices(devices) = house.ask(Request::DeviceList { user: None }).await else {
            panic!("no list")
        };
        let listed = devices.into_iter().filter(|device| device.profile_outdated == Some(true));
        let listed: Vec<_> = listed.map(|device| device.name.to_string()).collect();
        let told = status.outdated_profiles.iter().map(ToString::to_string);
        if told.eq(listed.iter().cloned()) {
            return listed;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("`status` and `device list` never agreed")
}

/// Whether these alone are outdated, soon.
async fn soon(house: &House, expected: &[&str]) -> bool {
    for _ in 0..LOOKS {
        if outdated(house).await == expected {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

const LOOKS: usize = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
