//! `backup` and `restore`: one private file, back into an empty folder and nowhere else.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::Cli;

#[test]
fn a_backup_comes_back_into_an_empty_folder_and_nowhere_else() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert!(cli.ok("backup one").starts_with("wrote one ("));
    assert_eq!(fs::metadata(cli.path("one")).unwrap().mode() & 0o777, 0o600);
    cli.ok("user add later");
    assert!(cli.fails(4, "backup one").contains("one is there already"));
    let refused = cli.fails(4, "restore one");
    assert!(refused.contains("is not empty"), "{refused}");
    assert!(cli.ok("user list").contains("later"), "a refused restore changes nothing");

    assert!(cli.ok("restore one --data other").starts_with("restored other;"));
    let users = cli.ok("user list --data other");
    assert!(users.contains("alice") && !users.contains("later"), "{users}");
    for file in ["handfast.toml", "ca.crt"] {
        let read = |folder: &str| fs::read(cli.path(folder).join(file)).unwrap();
        assert_eq!(read("data"), read("other"), "{file}");
    }
    // The CA's key came along.
    cli.ok("profile alice --out new --data other");
    let refused = cli.fails(1, "restore data/handfast.toml --data third");
    assert!(refused.contains("is no backup"), "{refused}");
}

#[test]
fn a_folder_that_was_half_restored_starts_nothing_and_is_restored_again() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("backup one");
    let half = cli.path("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("handfast.db.restoring"), "a part").unwrap();
    for file in ["handfast.toml", "ca.crt"] {
        fs::copy(cli.path("data").join(file), half.join(file)).unwrap();
    }
    let refused = cli.run("user list --data half");
    assert_ne!(refused.code, 0, "{refused:?}");
    cli.ok("restore one --data half");
    assert!(cli.ok("user list --data half").contains("alice"));
}
