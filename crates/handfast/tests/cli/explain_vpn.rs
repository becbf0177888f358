//! `handfast explain vpn`: what its client thinks of the gateway's certificate, by the profile, and the key that it leaves
//! unused.

use std::fs;

use testkit::Authority;

use crate::Cli;
use crate::logging::Gateway;

#[test]
fn what_a_client_thinks_of_the_gateways_certificate_is_told_by_the_profile() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    let told = |more: &str, code: i32| {
        fs::write(cli.path("alice.ovpn"), format!("{}{more}", gateway.profile())).unwrap();
        let ran = cli.run("explain vpn alice.ovpn");
        assert_eq!(ran.code, code, "{ran:?}");
        ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let any = told("", 0);
    for said in [
        "this client says: the chain of the server's certificate is right: it leads to the CA of the profile (`<ca>`)",
        "this client says: the usage of the server's certificate is right: it was issued for servers",
        "this client says: the name of the server's certificate is to note: the profile asks for none",
        "this client says: the dates of the server's certificate are right: it holds until",
    ] {
        assert!(any.contains(said), "{said}: {any}");
    }
    // What is judged here is left open nowhere.
    assert!(any.contains("This client trusts the CA, as its findings say."), "{any}");
    assert!(!any.contains("Whether the client trusts the CA"), "{any}");
    let right = told("verify-x509-name gateway.test name\n", 0);
    assert!(
        right.contains("name of the server's certificate is right: it is for gateway.test"),
        "{right}"
    );
    let wrong = told("verify-x509-name other.test name\n", 11);
    assert!(
        wrong.contains("this client says: the chain of the server's certificate is right"),
        "{wrong}"
    );
    assert!(
        wrong.contains("this client says: the name of the server's certificate is wrong"),
        "{wrong}"
    );
    assert!(wrong.contains("(name_mismatch; by: client)"), "{wrong}");
    assert!(wrong.contains("does not accept the certificate, as its findings say"), "{wrong}");
}

#[test]
fn the_gateway_of_another_ca_is_a_wrong_chain() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    let other = testkit::certificate_pem(Authority::new("another CA").certificate());
    let profile = gateway.profile();
    let (before, rest) = profile.split_once("<ca>\n").unwrap();
    let (_, after) = rest.split_once("</ca>").unwrap();
    fs::write(cli.path("alice.ovpn"), format!("{before}<ca>\n{other}</ca>{after}")).unwrap();
    let ran = cli.run("explain vpn alice.ovpn");
    assert_eq!(ran.code, 11, "{ran:?}");
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the chain of the server's certificate is wrong: The gateway's certificate comes from another CA"),
        "{said}"
    );
    assert!(!said.contains("the usage of"), "of a stranger nothing else is believed: {said}");
}

#[test]
fn the_key_of_a_tunnel_that_carried_nothing_is_listed_with_what_would_renew_it() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    for (line, says) in [
        ("", "renews its data channel key after 3600 s (`reneg-sec`"),
        ("reneg-sec 90\n", "renews its data channel key after 90 s (`reneg-sec`"),
        ("reneg-sec 0\n", "leaves it to the gateway to renew its data channel key (`reneg-sec 0`)"),
    ] {
        fs::write(cli.path("alice.ovpn"), format!("{}{line}", gateway.profile())).unwrap();
        let told = cli.ok("explain vpn alice.ovpn");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in
            ["data0: data channel key, AES-256-GCM. Made: +", "No packet under it was seen.", says]
        {
            assert!(told.contains(said), "{said}: {told}");
        }
        assert!(told.contains("Nothing took its place: the session ended at +"), "{told}");
    }
}
