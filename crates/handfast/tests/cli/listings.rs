//! Listings: which rows, in which order, how wide; and what shells and manual pages say of the commands.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::Cli;

#[test]
fn rows_are_in_natural_order_and_counted() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok(&format!("user add {LONG}"));
    for device in ["phone10", "phone2", "phone1"] {
        cli.ok(&format!("device add alice/{device}"));
    }
    let text = cli.ok("device list");
    let places = ["phone1 ", "phone2 ", "phone10 "].map(|name| text.find(name));
    assert!(places.is_sorted() && places[0].is_some(), "{text}");
    assert!(text.ends_with("\n5 devices\n"), "{text}");
    let wide = cli.ok("device list --wide");
    assert!(wide.contains(LONG) && wide.contains("10.71.0.2, [ULA]::2"), "{wide}");
    let named = |device: &Value| device["name"]["device"].as_str().unwrap().to_owned();
    let alices: Vec<Value> = serde_json::from_str(&cli.ok("device list alice --json")).unwrap();
    let alices: Vec<_> = alices.iter().map(named).collect();
    assert_eq!(alices, ["default", "phone1", "phone2", "phone10"]);
    assert!(cli.ok("user list").ends_with("\n2 users\n"));
}

#[test]
fn a_pipe_gets_whole_rows_of_the_columns_that_a_terminal_gets_cut() {
    let cli = Cli::with_data();
    cli.ok(&format!("user add {LONG}"));
    let device = format!("{LONG}/default");
    let piped = cli.ok("device list");
    let row = piped.lines().find(|line| line.contains(&device));
    assert!(row.is_some_and(|row| row.contains(" 10.71.0.2 ")), "{piped}");
    assert!(!piped.contains('…') && !piped.contains("::2"), "{piped}");
    for words in ["device list", "user list", "events"] {
        let Some(text) = on_a_terminal(&cli, words) else {
            return println!("SKIP a_pipe_gets_whole_rows_of_the_columns: no script(1)");
        };
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{words}: {text}");
        assert!(words == "events" || text.contains('…'), "{words}: {text}");
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

/// What a terminal shows; nothing where there is no program that has one to offer.
fn on_a_terminal(cli: &Cli, words: &str) -> Option<String> {
    let run = format!("{} {words}", env!("CARGO_BIN_EXE_handfast"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
    script.env("HANDFAST_DATA", cli.path("data")).current_dir(cli.path(""));
    let shown = script.output().ok()?;
    let text = String::from_utf8_lossy(&shown.stdout).replace("\r\n", "\n");
    assert!(shown.status.success(), "{text}");
    Some(text)
}

const LONG: &str = "a-user-of-this-company-with-a-name-of-fifty-six-letters.";
