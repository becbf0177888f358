//! `handfast explain tls` where nothing comes of it: who said no, and what to do.

use crate::Cli;

#[test]
fn a_device_of_ours_whose_key_is_not_kept_is_said_with_the_mend() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let fresh = cli.fails(4, "explain tls 127.0.0.1:1 --as alice/default");
    assert!(fresh.contains("alice/default has no key yet"), "{fresh}");
    assert!(fresh.contains("handfast profile alice/default"), "{fresh}");
    cli.ok("profile alice --out files --form unified --os linux");
    for words in ["explain tls 127.0.0.1:1", "tls test 127.0.0.1:1"] {
        let gone = cli.fails(4, &format!("{words} --as alice/default"));
        assert!(gone.contains("the private key of alice/default is not kept here"), "{gone}");
        assert!(gone.contains("--as FILE.ovpn"), "{gone}");
    }
    let nobody = cli.fails(3, "explain tls 127.0.0.1:1 --as bob/phone");
    assert!(nobody.contains("bob"), "{nobody}");
}

#[test]
fn what_is_neither_a_profile_nor_a_device_is_told_both_forms() {
    let (with, without) = (Cli::with_data(), Cli::new());
    let missing = with.fails(3, "explain tls 127.0.0.1:1 --as gone.ovpn");
    let elsewhere = without.fails(3, "explain tls 127.0.0.1:1 --as alice/default");
    for said in [missing, elsewhere] {
        assert!(said.contains("--as FILE.ovpn") && said.contains("--as USER/DEVICE"), "{said}");
    }
}

#[test]
fn a_server_that_is_not_reached_is_said_with_the_mend_of_that() {
    let cli = Cli::with_data();
    let closed = cli.fails(12, "explain tls 127.0.0.1:1");
    assert!(closed.contains("nothing listens at that port"), "{closed}");
    let unknown = cli.fails(12, "explain tls nobody.invalid:443");
    assert!(unknown.contains("see whether the name is right"), "{unknown}");
    for said in [closed, unknown] {
        assert!(!said.contains("VPN gateway"), "no option takes a certificate's file: {said}");
    }
    let asked = cli.fails(12, "ocsp ask 127.0.0.1:1");
    assert!(asked.contains("name its certificate's file"), "here one does: {asked}");
}
