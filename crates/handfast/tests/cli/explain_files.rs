//! The files of `handfast explain`: what is read is not written over, a former story stays until there is a new one, and
//! secrets that others may read are warned of.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::Cli;
use crate::explain::{captures, own_keys};

#[test]
fn nothing_that_is_read_is_written_over_under_whatever_name() {
    let cli = with_files();
    symlink("wire.pcap", cli.path("link")).unwrap();
    symlink("link", cli.path("link-to-link")).unwrap();
    fs::hard_link(cli.path("wire.pcap"), cli.path("hard")).unwrap();
    fs::create_dir(cli.path("folder")).unwrap();
    symlink("folder/../later.pcap", cli.path("to-later")).unwrap();
    let whole = cli.path("wire.pcap").display().to_string();
    let before = contents(&cli);
    let words =
        "explain capture wire.pcap --keylog own.keys --tls-auth ta.key --open-data later.pcap";
    for (out, of) in [
        ("wire.pcap", "wire.pcap"),
        ("folder/../wire.pcap", "wire.pcap"),
        (whole.as_str(), "wire.pcap"),
        ("link", "wire.pcap"),
        ("link-to-link", "wire.pcap"),
        ("hard", "wire.pcap"),
        ("own.keys", "own.keys"),
        ("./ta.key", "ta.key"),
        ("later.pcap", "later.pcap"),
        ("folder/../later.pcap", "later.pcap"),
        ("to-later", "later.pcap"),
    ] {
        let failed = cli.fails(4, &format!("{words} -o {out}"));
        let shown = out.replace(&cli.folder.display().to_string(), "[FOLDER]");
        let expected = format!("error: -o {shown} would write over {of}\n");
        assert!(failed.starts_with(&expected), "-o {out}: {failed}");
        assert_eq!(contents(&cli), before, "-o {out}");
    }
    let opened = cli.fails(9, &words.replace("later.pcap", "link"));
    assert!(opened.contains("link can't be written"), "{opened}");
    assert_eq!(contents(&cli), before);
}

#[test]
fn a_profile_and_stories_that_are_compared_are_not_written_over_either() {
    let cli = with_files();
    cli.ok("explain capture wire.pcap --format json -o a.json");
    fs::copy(cli.path("a.json"), cli.path("b.json")).unwrap();
    let before = contents(&cli);
    for words in [
        "explain diff a.json b.json -o a.json",
        "explain diff a.json b.json -o ./b.json",
        "explain vpn ta.key -o ta.key",
        "explain tls localhost:1 --ca ta.key -o ta.key",
        "explain tls localhost:1 --as ta.key -o ta.key",
    ] {
        let failed = cli.fails(4, words);
        assert!(failed.contains("would write over"), "{words}: {failed}");
        assert_eq!(contents(&cli), before, "{words}");
    }
}

#[test]
fn a_file_that_is_missing_closed_or_something_else_is_told_the_same_way_whatever_it_was_to_be() {
    let cli = with_files();
    fs::create_dir(cli.path("folder")).unwrap();
    fs::write(cli.path("bytes"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    fs::write(cli.path("words"), "some words\n").unwrap();
    for (words, what) in [
        ("explain capture FILE", "no capture"),
        ("explain capture wire.pcap --keylog FILE", "no key log"),
        ("explain capture wire.pcap --tls-auth FILE", "no tls-auth key"),
        ("explain diff FILE FILE", "no file of stories"),
    ] {
        for (file, code) in [("gone", 3), ("folder", 1), ("bytes", 1), ("words", 1)] {
            let failed = cli.fails(code, &words.replace("FILE", file));
            let expected = match file {
                "gone" => format!("error: {file} can't be read\n"),
                "folder" => format!("error: {file} "),
                _ => format!("error: {file} is {what}\n"),
            };
            assert!(failed.contains(&expected), "{words}, {file}: {failed}");
        }
    }
}

#[test]
fn a_former_story_gives_way_to_a_whole_one_and_to_no_other() {
    let cli = with_files();
    fs::write(cli.path("story"), "a former story").unwrap();
    fs::set_permissions(cli.path("story"), Permissions::from_mode(0o640)).unwrap();
    symlink("story", cli.path("link")).unwrap();
    let before = contents(&cli);
    let full = on_a_full_disk(&cli, "explain capture wire.pcap --format html -o link");
    assert!(full.starts_with("9 error: link can't be written\n"), "{full}");
    assert_eq!(contents(&cli), before, "neither the former one nor a piece of the new one");

    assert_eq!(cli.ok("explain capture wire.pcap -o link"), "link\n");
    let told = fs::read_to_string(cli.path("story")).unwrap();
    assert!(told.contains("END: the handshake is complete."), "{told}");
    assert_eq!(fs::metadata(cli.path("story")).unwrap().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(cli.path("link")).unwrap().is_symlink());
    assert_eq!(contents(&cli).len(), before.len(), "nothing stands beside it");
}

#[test]
fn what_is_no_file_is_written_to_as_it_is() {
    let cli = with_files();
    assert_eq!(cli.ok("explain capture wire.pcap -o /dev/null"), "/dev/null\n");
    let printed = cli.ok("explain capture wire.pcap -o /dev/stdout");
    assert!(printed.contains("END:") && printed.ends_with("/dev/stdout\n"), "{printed}");
}

#[test]
fn of_packets_that_could_not_be_opened_no_file_is_left() {
    let cli = with_files();
    fs::write(cli.path("text"), "no capture").unwrap();
    let before = contents(&cli);
    let failed = cli.fails(1, "explain capture text --keylog own.keys --open-data new.pcap");
    assert!(failed.starts_with("error: text is no capture\n"), "{failed}");
    assert_eq!(contents(&cli), before);
}

#[test]
fn whoever_may_read_secrets_of_others_is_warned_of_with_the_mend() {
    let cli = with_files();
    let words = "explain capture wire.pcap --keylog own.keys --tls-auth ta.key";
    assert_eq!(cli.run(words).err, "");
    for (file, mode) in [("own.keys", 0o640), ("own.keys", 0o604), ("ta.key", 0o644)] {
        fs::set_permissions(cli.path(file), Permissions::from_mode(mode)).unwrap();
        let warned = cli.run(words);
        let expected = format!(
            "warning: {file} holds secrets, and other users of this machine may read it: chmod 600 {file}\n"
        );
        assert_eq!((warned.code, warned.err), (0, expected), "{mode:o}");
        let mend = Command::new("chmod").args(["600", file]).current_dir(&cli.folder).status();
        assert!(mend.unwrap().success());
        assert_eq!(cli.run(words).err, "");
    }
    fs::rename(cli.path("own.keys"), cli.path("bob's keys")).unwrap();
    fs::set_permissions(cli.path("bob's keys"), Permissions::from_mode(0o644)).unwrap();
    let mut command = cli.command("explain capture wire.pcap --keylog");
    let warned = String::from_utf8(command.arg("bob's keys").output().unwrap().stderr).unwrap();
    assert!(warned.ends_with("chmod 600 'bob'\\''s keys'\n"), "{warned}");
}

/// A capture of OpenVPN, and the secrets that open it, as their owner has them.
fn with_files() -> Cli {
    let cli = Cli::new();
    fs::copy(captures("vpn-connect.pcap"), cli.path("wire.pcap")).unwrap();
    fs::rename(own_keys(&cli, "vpn-connect.keys"), cli.path("own.keys")).unwrap();
    fs::rename(own_keys(&cli, "ta.key"), cli.path("ta.key")).unwrap();
    cli
}

/// All files and what they hold.
fn contents(cli: &Cli) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(&cli.folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The exit code and the complaint where a file may have one block.
fn on_a_full_disk(cli: &Cli, words: &str) -> String {
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec {} {words}", env!("CARGO_BIN_EXE_handfast"));
    let output =
        Command::new("sh").args(["-c", &script]).current_dir(&cli.folder).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    format!("{} {complaint}", output.status.code().unwrap())
}
