//! Listings: which rows, in which order, how wide; and what shells and manual pages say of the commands.

use std::fs;

use serde_json::Value;

use crate::Cli;

#[test]
fn rows_are_in_natural_order_and_counted_and_fit_a_terminal() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let long = "a-user-of-this-company-with-a-name-of-fifty-six-letters.";
    cli.ok(&format!("user add {long}"));
    for device in ["phone10", "phone2", "phone1"] {
        cli.ok(&format!("device add alice/{device}"));
    }
    let text = cli.ok("device list");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let places = ["phone1 ", "phone2 ", "phone10 "].map(|name| text.find(name));
    assert!(places.is_sorted() && places[0].is_some(), "{text}");
    assert!(text.ends_with("\n5 devices\n"), "{text}");
    assert!(!text.contains(long));
    let wide = cli.ok("device list --wide");
    assert!(wide.contains(long) && wide.contains("10.71.0.2, [ULA]::2"), "{wide}");
    let named = |device: &Value| device["name"]["device"].as_str().unwrap().to_owned();
    let alices: Vec<Value> = serde_json::from_str(&cli.ok("device list alice --json")).unwrap();
    let alices: Vec<_> = alices.iter().map(named).collect();
    assert_eq!(alices, ["default", "phone1", "phone2", "phone10"]);
    assert!(cli.ok("user list").ends_with("\n2 users\n"));
    for words in ["user list", "events", "check"] {
        let text = cli.ok(words);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(words == "check" || widest <= Some(80), "{words}: {text}");
    }
}

#[test]
fn only_what_fits_is_listed() {
    let cli = Cli::with_data();
    for user in ["alice", "albert", "bob"] {
        cli.ok(&format!("user add {user}"));
    }
    cli.ok("user disable bob");
    cli.ok("profile alice --out files");
    let rows = |words: &str| -> Vec<String> {
        let text = cli.ok(words);
        let names = text.lines().skip(1).filter_map(|line| line.split(' ').next());
        names
            .filter(|name| name.contains(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rows("user list --begins al"), ["albert", "alice"]);
    assert_eq!(rows("user list --disabled"), ["bob"]);
    assert_eq!(rows("device list --disabled"), ["bob/default"]);
    assert_eq!(rows("device list --begins alice/"), ["alice/default"]);
    assert_eq!(rows("device list --begins al --never-connected").len(), 2);
    // A certificate of a year.
    assert_eq!(rows("device list --expiring 400"), ["alice/default"]);
    assert_eq!(cli.ok("device list --expiring 30"), "none fits\n");
    assert_eq!(cli.ok("device list --expiring 30 --json"), "[]\n");
    let said = cli.fails(6, "device list --connected");
    assert!(said.contains("who is connected"), "{said}");
}

#[test]
fn shells_and_manual_pages_know_every_command() {
    let cli = Cli::with_data();
    for shell in ["bash", "zsh", "fish"] {
        let script = cli.ok(&format!("completions {shell}"));
        assert!(script.contains("never-connected") && script.contains("revoke"), "{shell}");
        assert!(!script.contains("connect-guard"), "{shell}");
    }
    cli.ok("manual --out man");
    let page = fs::read_to_string(cli.path("man/handfast-device-list.1")).unwrap();
    assert!(page.contains(r"\-\-never\-connected"), "{page}");
    assert!(cli.path("man/handfast.1").exists());
    assert!(cli.ok("help device list").contains("--never-connected"));
}

#[test]
fn help_fits_a_terminal() {
    let cli = Cli::with_data();
    for words in ["--help", "help device list", "bench --help", "service install --help"] {
        let text = cli.ok(words);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{words}: {text}");
    }
}

#[test]
fn a_listing_has_the_columns_that_are_asked_for() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(cli.ok("device list --columns state,name"), "STATE  NAME\nnew    alice/default\n");
    let said = cli.fails(2, "device list --columns nmae");
    assert!(said.contains("there are: added_at, addresses, connected, "), "{said}");
    assert!(cli.fails(2, "crl show --columns number").contains("no columns"));
}
