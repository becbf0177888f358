//! Who is refused has a name, and hears what to do: inside TLS, where rustls has no room for whose certificate
//! it was, and for what its client is configured with.

mod house;

use admin::request::Request;
use admin::response::ProfileMaterial;
use engine::DisconnectReason;
use house::{House, device, inside};

#[test]
fn whoever_is_refused_inside_tls_is_named() {
    inside("whoever_is_refused_inside_tls_is_named", async {
        let house = House::start().await;
        let [alice, bob, carol, dave] = [
            house.add("alice").await,
            house.add("bob").await,
            house.add("carol").await,
            house.add("dave").await,
        ];
        house.revoke("alice").await;
        house.ask(Request::UserDisable { name: "bob".parse().expect("a name") }).await;
        house.ask(Request::UserRemove { name: "carol".parse().expect("a name") }).await;
        refused(&house, &alice, "revoked").await;
        refused(&house, &bob, "user_disabled").await;
        refused(&house, &carol, "revoked").await;
        house.pass(31).await;
        refused(&house, &dave, "expired").await;
        refused(&house, &alice, "revoked").await;
        let counted = house.status().await.refusals;
        assert_eq!((counted["revoked"], counted["expired"], counted["user_disabled"]), (3, 1, 1));
        house.stop().await;
    });
}

#[test]
fn a_client_whose_packets_could_not_be_read_is_refused_by_name_and_told_which_line_to_remove() {
    inside("a_client_whose_packets_could_not_be_read", async {
        let house = House::start().await;
        let alice = house.add("alice").await;
        for (options, reason, line) in [
            ("V4,dev-type tap,link-mtu 1581,tls-client", "client_dev_tap", "dev tap"),
            ("V4,dev-type tun,mtu-dynamic,tls-client", "client_fragment", "fragment"),
            ("V4,dev-type tun,comp-lzo,tls-client", "client_compression", "comp-lzo"),
        ] {
            let why = connect_as(&house, &alice, options, &[]).await.expect_err(reason);
            assert!(why.to_string().contains(line), "{why}");
            let last = house.last_refusal().await;
            assert_eq!((last.reason.as_str(), last.device), (reason, Some(device("alice"))));
            assert!(last.sentence.contains(line), "{}", last.sentence);
            assert_eq!(house.status().await.endings[reason], 1);
        }
        assert_eq!(house.connected().await, Vec::<String>::new());
        house.stop().await;
    });
}

#[test]
fn a_client_that_can_be_told_to_do_without_compression_is_told_and_served() {
    inside("a_client_that_can_be_told_to_do_without_compression", async {
        let house = House::start().await;
        let alice = house.add("alice").await;
        let options = "V4,dev-type tun,comp-lzo,tls-client";
        let peer_info = [("IV_COMP_STUBv2", "1")];
        let served = connect_as(&house, &alice, options, &peer_info).await;
        let mut subscriber = served.expect("it is served");
        let pushed = subscriber.pushed.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(pushed.contains(&"compress stub-v2".to_owned()), "{pushed:?}");
        subscriber.renew_keys().await;
        assert_eq!(house.connected().await, ["alice"]);
        house.stop().await;
    });
}

async fn refused(house: &House, material: &ProfileMaterial, reason: &str) {
    let ca = &material.common.ca_pem;
    house.try_connect(material, ca).await.expect_err("refused");
    let last = house.last_refusal().await;
    let whose = Some(material.name.clone());
    assert_eq!((last.reason.as_str(), last.device), (reason, whose));
}

async fn connect_as(
    house: &House,
    material: &ProfileMaterial,
    options: &str,
    peer_info: &[(&str, &str)],
) -> Result<house::Subscriber, DisconnectReason> {
    house.try_connect_as(material, &material.common.ca_pem, options, peer_info).await
}
