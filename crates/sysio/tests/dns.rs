//! A resolv.conf that is a mount, as in containers: it can be written but not replaced. In a
//! throw-away namespace; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use support::netns;
use sysio::{Dns, DnsMethod, DnsSettings};

#[test]
fn a_mounted_resolv_conf_is_rewritten_and_put_back() {
    let Some(mut netns) = netns() else { return };
    let folder = std::env::temp_dir().join(format!("sysio-dns-mount-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let private = folder.join("private");
    std::fs::write(&private, "nameserver 192.0.2.53\n").unwrap();
    if let Err(error) = netns.private_resolv_conf(&private) {
        return println!("SKIP name servers: {error}");
    }
    let settings = DnsSettings {
        interface: "hf0".to_owned(),
        servers: vec!["10.71.0.1".parse().unwrap(), "fd71::1".parse().unwrap()],
        search: Vec::new(),
        all_names: true,
    };
    let dns = netns.run(|| Dns::apply(&settings, &folder.join("backup"))).unwrap().unwrap();
    if dns.method() == DnsMethod::ResolvConf {
        let inside = netns.run(|| std::fs::read_to_string("/etc/resolv.conf").unwrap()).unwrap();
        assert!(inside.contains("nameserver 10.71.0.1\nnameserver fd71::1\n"), "{inside}");
    }
    netns.run(|| dns.release()).unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(&private).unwrap(), "nameserver 192.0.2.53\n");
    std::fs::remove_dir_all(folder).unwrap();
}
