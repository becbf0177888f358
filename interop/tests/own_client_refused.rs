//! What `handfast connect` says when it is refused, and when it refuses.

mod forged;

use std::fs;
use std::time::Duration;

use interop::{Own, World, wait_until};
use pki::Profile;

use forged::{DAY, Forger, impostor};

#[test]
fn a_key_that_does_not_match_its_certificate_is_refused_before_anything_is_sent() {
    let name = "a_key_that_does_not_match_its_certificate_is_refused_before_anything_is_sent";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let device = Profile::Device { user: "alice".into(), device: "default".into() };
    let other = Forger::new().issue(device, (-DAY, 30 * DAY));
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    let (before, _) = text.split_once("<key>").expect("the key comes last");
    let path = alice.folder.join("mismatch.conf");
    fs::write(&path, format!("{before}<key>\n{}</key>\n", other.key)).expect("written");
    let mut client = Own::start(&alice.host, &path);
    let end = client.0.ends(Duration::from_secs(10)).expect("it ends by itself");
    assert!(!end.success(), "{}", client.0.log());
    assert!(client.0.log().contains("does not belong to the certificate"), "{}", client.0.log());
    assert!(world.figure("handfast_handshakes_total").abs() < f64::EPSILON);
}

#[test]
fn a_revoked_device_is_told_so_and_another_server_of_the_ca_is_refused_by_name() {
    let name = "a_revoked_device_is_told_so_and_another_server_of_the_ca_is_refused_by_name";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    world.handfast(&["device", "revoke", "alice/default"]);
    let told = client.0.says("revoked", Duration::from_secs(10));
    assert!(told, "{}\n{}", client.0.log(), world.log());
    let gone = wait_until(Duration::from_secs(5), || world.sessions().is_empty());
    assert!(gone, "{}", world.log());
    drop(client);

    world.bring_down();
    let _impostor = impostor(&world, &alice);
    let mut client = Own::start(&alice.host, &alice.profile());
    let refused = client.0.says("impostor.example", Duration::from_secs(20));
    assert!(refused, "{}", client.0.log());
    assert!(!client.0.log().contains("connected to"), "{}", client.0.log());
}
