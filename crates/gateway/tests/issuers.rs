//! Several CAs at work: devices of two issuers are connected side by side, each is revoked by the CRL of its
//! own issuer, and the gateway's own chain is replaced under sessions.

mod house;

use std::fs;

use authority::Signs;
use house::{House, id, inside};

#[test]
fn devices_of_two_issuers_are_connected_and_each_is_revoked_by_its_own_crl() {
    inside("devices_of_two_issuers", async {
        let house = House::start().await;
        let of_first = house.add("alice").await;
        let mut alice = house.connect(&of_first).await;

        let second = house.another_issuer().await;
        house.sign_by(&second, Signs::Devices).await;
        let of_second = house.add("bob").await;
        assert_ne!(id(&of_first).issuer, id(&of_second).issuer);
        assert_eq!(id(&of_second).issuer, second.generation().issuer);
        let mut bob = house.connect(&of_second).await;
        assert_eq!(house.connected().await, ["alice", "bob"], "both at once");
        alice.renew_keys().await;

        let changed = house.revoke("bob").await;
        assert_eq!((changed.sessions_closed, changed.crl_number.is_some()), (1, true));
        assert_eq!(changed.pending, Vec::<String>::new());
        bob.ended().await;
        assert_eq!(house.connected().await, ["alice"], "the other issuer's device stays");
        assert_eq!(house.listed(&second).await, [id(&of_second).serial]);
        assert_eq!(house.listed(&house.first()).await, []);

        let changed = house.revoke("alice").await;
        assert_eq!((changed.sessions_closed, changed.crl_number.is_some()), (1, true));
        alice.ended().await;
        assert_eq!(house.listed(&house.first()).await, [id(&of_first).serial]);
        assert_eq!(house.listed(&second).await, [id(&of_second).serial]);
        for material in [&of_first, &of_second] {
            assert!(house.try_connect(material, &material.common.ca_pem).await.is_err());
        }
        house.stop().await;
    });
}

#[test]
fn the_gateways_own_chain_is_replaced_under_a_session() {
    inside("the_gateways_own_chain", async {
        let house = House::start().await;
        let former = house.add("alice").await;
        let alice = house.connect(&former).await;
        let second = house.another_issuer().await;
        // Profiles that are made from here on trust both.
        let both = house.add("bob").await;
        let mut bob = house.connect(&both).await;

        house.sign_by(&second, Signs::Gateway).await;
        assert_eq!(house.connected().await, ["alice", "bob"], "sessions stay");
        bob.renew_keys().await;
        let first_alone = &former.common.ca_pem;
        let second_alone = second.certificate().to_pem();
        house.try_connect(&former, first_alone).await.expect_err("this gateway is of another CA");
        let mut again = house.try_connect(&former, &second_alone).await.expect("the new chain");
        drop(alice);
        again.renew_keys().await;
        assert_eq!(house.connected().await, ["alice", "bob"]);
        house.stop().await;
    });
}

#[test]
fn who_signs_what_is_the_same_after_a_start() {
    inside("who_signs_what", async {
        let house = House::start().await;
        let first = house.first();
        let second = house.another_issuer().await;
        house.sign_by(&second, Signs::Devices).await;
        let both = [first.certificate().to_pem(), second.certificate().to_pem()].concat();
        assert_eq!(house.gateway.authority().issuers().to_pem(), both);
        let house = house.restart().await;
        let issuers = house.gateway.authority().issuers();
        let signing = |what| issuers.signing(what).generation().id;
        assert_eq!(issuers.all().len(), 2);
        assert_eq!(signing(Signs::Devices), second.generation().id);
        assert_eq!(signing(Signs::Gateway), first.generation().id);
        assert_eq!(issuers.to_pem(), both);
        assert_eq!(fs::read_to_string(house.folder.0.join("data/ca.crt")).expect("there"), both);
        let bob = house.add("bob").await;
        assert_eq!(id(&bob).issuer, second.generation().issuer);
        house.stop().await;
    });
}
