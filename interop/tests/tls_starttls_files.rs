//! Files by FTP under TLS against vsftpd, in both directions.
//!
//! ```text
//!    a client with AUTH TLS (alice) ── router ── gateway: TLS door, and doors for data ── lo ── vsftpd in the clear
//!    a client without TLS ── lo ── handfast tls connect (alice) ── router ── vsftpd's own AUTH TLS
//! ```

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, wait_until};

#[path = "starttls/files.rs"]
mod files;
#[path = "starttls/house.rs"]
mod house;

use files::Vsftpd;
use house::{House, SOON, cell, lacks, listen, python, run};

#[test]
fn a_file_is_stored_and_fetched_at_vsftpd_under_tls_in_both_directions() {
    let name = "a_file_is_stored_and_fetched_at_vsftpd_under_tls_in_both_directions";
    if lacks(name, &["vsftpd", "curl", "python3"]) {
        return;
    }
    let settings = listen("ftp", 21, files::PORT, "clients = \"optional\"");
    let settings = settings.replacen("\n\n", "\npassive_ports = \"50000-50009\"\n\n", 1);
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let vsftpd = Vsftpd::start(&house.world, &house.certified, false);
    house.listens(files::PORT);
    let (at, ca) = (house.world.gateway.v4[0].to_string(), house.ca.display().to_string());
    let own = alice.folder.display().to_string();
    let fill = |host: &str, port: u16, ca: &str, own: &str, name: &str| {
        let script = files::SESSION.replace("HOST", host).replace("PORT", &port.to_string());
        script.replace("CAFILE", ca).replace("OWN", own).replace("NAME", name)
    };
    for (own, file) in [("", "python"), (own.as_str(), "python-known")] {
        let said = python(&alice, &fill(&at, 21, &ca, own, file));
        assert!(said.contains("all done"), "{said}\n{}\n{}", vsftpd.log(), house.world.log());
        assert_eq!(vsftpd.has(file).map(|text| text.len()), Some(1000));
    }
    cell("ftp", "python's library", "server");

    let file = alice.folder.join("to-store");
    fs::write(&file, b"mark-ftp\n".repeat(50_000)).expect("written");
    let curl = format!("curl -sS --resolve mail.test:21:{at} --cacert {ca} --ssl-reqd");
    let url = "ftp://mail.test/files/curl";
    for more in ["", "--disable-epsv", &format!("--cert {own}/vpn.crt --key {own}/vpn.key")] {
        let said = run(&alice, &format!("{curl} {more} -T {} {url}", file.display()));
        assert!(said.is_empty(), "{said}\n{}\n{}", vsftpd.log(), house.world.log());
        let there =
            run(&alice, &format!("{curl} {more} {url} | cmp - {} && echo same", file.display()));
        assert!(there.contains("same"), "{there}\n{}\n{}", vsftpd.log(), house.world.log());
        run(&alice, &format!("{curl} {more} {url} -Q '-DELE files/curl' -o /dev/null"));
    }
    cell("ftp", "vsftpd", "server");

    let local = house.connect(&alice, "ftp", files::PORT);
    let said = python(&alice, &fill("127.0.0.1", local.port, "", "", "client"));
    assert!(said.contains("all done"), "{said}\n{}\n{}", vsftpd.log(), local.program.log());
    assert_eq!(vsftpd.has("client").map(|text| text.len()), Some(1000));
    cell("ftp", "vsftpd", "client");
}

#[test]
fn a_service_that_takes_no_data_of_another_tls_session_gets_it_of_the_same() {
    let name = "a_service_that_takes_no_data_of_another_tls_session_gets_it_of_the_same";
    if lacks(name, &["vsftpd", "python3"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let vsftpd = Vsftpd::start(&house.world, &house.certified, true);
    house.listens(files::STRICT_PORT);
    let local = house.connect(&alice, "ftp", files::STRICT_PORT);
    let script =
        files::SESSION.replace("HOST", "127.0.0.1").replace("PORT", &local.port.to_string());
    let said = python(&alice, &script.replace("CAFILE", "").replace("NAME", "strict"));
    assert!(said.contains("all done"), "{said}\n{}\n{}", vsftpd.log(), local.program.log());
    cell("ftp", "vsftpd, strict", "client");
}

#[test]
fn a_revocation_ends_an_upload_under_tls_within_a_second_and_vsftpd_hears_that_it_is_no_whole_file()
{
    let name = "a_revocation_ends_an_upload_under_tls_within_a_second_and_vsftpd_hears_that_it_is_no_whole_file";
    if lacks(name, &["vsftpd", "curl"]) {
        return;
    }
    let settings = listen("ftp", 21, files::PORT, "clients = \"required\"");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let vsftpd = Vsftpd::start(&house.world, &house.certified, false);
    house.listens(files::PORT);
    let (at, ca, own) = (house.world.gateway.v4[0], house.ca.display(), alice.folder.display());
    let mut command = Command::new("sh");
    command.args(["-c", &format!(
        "(head -c 100000 /dev/zero; sleep 60) | exec curl -sS --resolve mail.test:21:{at} --cacert {ca} --ssl-reqd \
         --cert {own}/vpn.crt --key {own}/vpn.key -T - ftp://mail.test/files/half; echo ended"
    )]);
    let log = alice.folder.join("upload.log");
    let upload = Program::start_enclosed(&alice.host.netns, &command, &log).expect("it starts");
    let begun = || vsftpd.has("half").is_some_and(|file| file.len() >= 100_000);
    assert!(wait_until(SOON, begun), "{}\n{}\n{}", upload.log(), vsftpd.log(), house.world.log());
    let ordered = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    let gone = wait_until(SOON, || vsftpd.log().contains("426 Failure reading"));
    println!("FIGURE from the order to the upload's end: {} ms", ordered.elapsed().as_millis());
    assert!(
        gone && ordered.elapsed() < Duration::from_secs(1),
        "{}\n{:?}",
        vsftpd.log(),
        ordered.elapsed()
    );
}
