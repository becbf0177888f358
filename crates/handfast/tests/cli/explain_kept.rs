//! What `explain vpn` and `explain tls` leave behind where that is asked for: a capture and a key log, which tell the same
//! story again, hold no more secrets than they must, and are written where they can do no harm.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use testkit::Authority;
use testkit::secrets::{Secrets, of_key_log};

use crate::Cli;
use crate::logging::Gateway;
use crate::running::Running;
use crate::tls::Service;

const KEPT: &str = "--capture wire.pcap --keylog wire.keys --format json";
const AGAIN: &str = "explain capture wire.pcap --keylog wire.keys --format json";

#[test]
fn a_handshake_with_a_gateway_is_told_again_from_what_was_kept_of_it() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    fs::write(cli.path("alice.ovpn"), gateway.profile()).unwrap();
    // Of one that others may read the second command would say so.
    fs::set_permissions(cli.path("alice.ovpn"), Permissions::from_mode(0o600)).unwrap();
    let look = keeps(&cli, &format!("explain vpn alice.ovpn {KEPT}"));
    let read = cli.ok(&format!("{AGAIN} --tls-auth alice.ovpn"));
    assert_eq!(told(&look), told(&read));
    let (log, keys) = gateway.secrets();
    let mut secrets = of_key_log(&log);
    let written = fs::read_to_string(cli.path("wire.keys")).unwrap();
    for line in log.lines() {
        assert!(written.contains(line), "the gateway has logged {line}");
    }
    assert!(!keys.is_empty() && !secrets.is_empty());
    secrets.extend(keys);
    let search = Secrets::of(secrets);
    assert!(search.found_in(written.as_bytes()).is_some(), "the search finds what is there");
    let wire = fs::read(cli.path("wire.pcap")).unwrap();
    for output in [look.as_bytes(), read.as_bytes(), &wire] {
        assert_eq!(search.found_in(output), None);
    }
}

#[test]
fn a_handshake_with_a_tls_server_is_told_again_from_what_was_kept_of_it() {
    let name = "a_handshake_with_a_tls_server_is_told_again_from_what_was_kept_of_it";
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let Some(service) = Service::begin(&cli, "-rev") else {
        return println!("SKIP {name}: no openssl");
    };
    let at = format!("localhost:{}", service.address.port());
    let look = keeps(&cli, &format!("explain tls {at} {KEPT}"));
    assert_eq!(told(&look), told(&cli.ok(AGAIN)));
    let log = fs::read_to_string(cli.path("wire.keys")).unwrap();
    let search = Secrets::of(of_key_log(&log));
    assert!(search.found_in(log.as_bytes()).is_some());
    for output in [look.as_bytes(), &fs::read(cli.path("wire.pcap")).unwrap()] {
        assert_eq!(search.found_in(output), None);
    }
}

#[test]
fn what_is_kept_is_its_owners_alone_and_written_over_nothing() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    fs::write(cli.path("alice.ovpn"), gateway.profile()).unwrap();
    let vpn = "explain vpn alice.ovpn --short";
    keeps(&cli, &format!("{vpn} --capture wire.pcap --keylog wire.keys"));
    for file in ["wire.pcap", "wire.keys"] {
        let mode = fs::metadata(cli.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let before = fs::read(cli.path("wire.keys")).unwrap();
    let failed = cli.fails(4, &format!("{vpn} --capture other.pcap --keylog wire.keys"));
    assert!(failed.contains("wire.keys is there already"), "{failed}");
    cli.fails(4, &format!("{vpn} --keylog other.keys --capture wire.pcap"));
    assert_eq!(fs::read(cli.path("wire.keys")).unwrap(), before);
    cli.fails(4, &format!("{vpn} --capture one --keylog one"));
    cli.fails(4, &format!("{vpn} --capture one -o one"));
    cli.fails(4, &format!("{vpn} --keylog one -o ./one"));
    for file in ["other.pcap", "other.keys", "one"] {
        assert!(!cli.path(file).exists(), "{file} was made for nothing");
    }
    // A link that somebody else has laid leads to no file of his.
    symlink(cli.path("elsewhere"), cli.path("link.keys")).unwrap();
    cli.fails(4, &format!("{vpn} --keylog link.keys"));
    assert!(!cli.path("elsewhere").exists());
}

#[test]
fn no_secret_is_written_into_a_folder_where_others_can_put_a_file_in_its_place() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    fs::write(cli.path("alice.ovpn"), gateway.profile()).unwrap();
    let vpn = "explain vpn alice.ovpn --short --keylog open/wire.keys";
    fs::create_dir(cli.path("open")).unwrap();
    fs::set_permissions(cli.path("open"), Permissions::from_mode(0o777)).unwrap();
    let failed = cli.run(vpn);
    assert_ne!(failed.code, 0, "{failed:?}");
    assert!(failed.err.contains("other users may write to"), "{failed:?}");
    assert!(!cli.path("open/wire.keys").exists());
    // One like /tmp.
    fs::set_permissions(cli.path("open"), Permissions::from_mode(0o1777)).unwrap();
    cli.ok(vpn);
}

#[test]
fn a_try_at_which_nothing_could_be_said_leaves_no_file_in_the_way_of_the_next() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    let nowhere = gateway.profile().replace("remote 127.0.0.1", "remote nowhere.invalid");
    fs::write(cli.path("alice.ovpn"), nowhere).unwrap();
    let failed = cli.fails(12, "explain vpn alice.ovpn --capture wire.pcap --keylog wire.keys");
    assert!(failed.contains("no server of the profile has an address"), "{failed}");
    assert!(!cli.path("wire.pcap").exists() && !cli.path("wire.keys").exists());
}

/// Runs it, and gives what it prints; how much is kept is said beside that.
fn keeps(cli: &Cli, words: &str) -> String {
    let ran = cli.run(words);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.starts_with("wire.pcap: ") && ran.err.ends_with(" packets\n"), "{ran:?}");
    ran.out
}

/// What a story says whoever tells it: steps with their values, times, keys, frames and bytes; keys; the end.
fn told(json: &str) -> Vec<Value> {
    let stories: Value = serde_json::from_str(json).unwrap();
    let [story] = &stories["stories"].as_array().unwrap()[..] else { panic!("one story: {json}") };
    let steps = story["steps"].as_array().unwrap().iter().map(|step| {
        let same = ["entry", "from", "at", "key", "fields", "bytes", "source", "proves"];
        let frames = step["basis"].as_array().unwrap().iter().map(|place| place["frame"].clone());
        same.iter().map(|name| step[name].clone()).chain(frames).collect::<Value>()
    });
    let rest = ["keys", "began", "client", "server", "transport", "packets"];
    steps
        .chain(rest.map(|name| story[name].clone()))
        .chain([story["ending"]["how"].clone()])
        .collect()
}
