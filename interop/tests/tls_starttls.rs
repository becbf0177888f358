//! STARTTLS against the daemons of Debian, in both directions; each cell does real work.
//!
//! ```text
//!    a client with STARTTLS (alice) ── router ── gateway: TLS door ── lo ── a daemon in the clear
//!    a client without TLS ── lo ── handfast tls connect (alice) ── router ── a daemon's own STARTTLS
//! ```

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, Subscriber, skip, wait_until};

#[path = "starttls/chat.rs"]
mod chat;
#[path = "starttls/directory.rs"]
mod directory;
#[path = "starttls/house.rs"]
mod house;
#[path = "starttls/mail.rs"]
mod mail;
#[path = "starttls/mariadb.rs"]
mod mariadb;
#[path = "starttls/news.rs"]
mod news;
#[path = "starttls/postgresql.rs"]
mod postgresql;
#[path = "starttls/sid.rs"]
mod sid;

use chat::{Inspircd, Prosody};
use directory::Slapd;
use house::{House, SOON, cell, lacks, listen, python, run};
use mail::{Dovecot, Mailboxes};
use mariadb::Mariadb;
use news::Inn;
use postgresql::Postgresql;

#[test]
fn mail_reaches_postfix_and_is_read_from_dovecot_by_a_program_without_tls() {
    let name = "mail_reaches_postfix_and_is_read_from_dovecot_by_a_program_without_tls";
    if lacks(name, &["postfix", "dovecot", "swaks", "curl"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let (mailboxes, postfix, dovecot) = mail::start(&house);
    let said = |log: &str| format!("{log}\n{}\n{}", postfix.log(), dovecot.log());

    let smtp = house.connect(&alice, "smtp", mail::SMTP);
    let sent = run(
        &alice,
        &format!(
            "swaks --server 127.0.0.1:{} --to alice@mail.test --from bob@x.test --body mark-smtp",
            smtp.port
        ),
    );
    assert!(sent.contains("queued as"), "{}", said(&sent));
    assert!(wait_until(SOON, || mailboxes.have("mark-smtp")), "{}", said(&sent));
    cell("smtp", "postfix", "client");

    let lmtp = house.connect(&alice, "lmtp", mail::LMTP);
    let sent = run(
        &alice,
        &format!(
            "swaks --protocol LMTP --server 127.0.0.1:{} --to alice@mail.test --from bob@x.test --body mark-lmtp",
            lmtp.port
        ),
    );
    assert!(wait_until(SOON, || mailboxes.have("mark-lmtp")), "{}", said(&sent));
    cell("lmtp", "dovecot", "client");

    let imap = house.connect(&alice, "imap", mail::IMAP);
    let url = format!("imap://127.0.0.1:{}/INBOX;MAILINDEX=1", imap.port);
    let read = run(&alice, &format!("curl -sS '{url}' -u alice@mail.test:secret"));
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("imap", "dovecot", "client");

    let pop3 = house.connect(&alice, "pop3", mail::POP3);
    let read = run(
        &alice,
        &format!("curl -sS pop3://127.0.0.1:{}/1 -u alice@mail.test:secret", pop3.port),
    );
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("pop3", "dovecot", "client");

    let sieve = house.connect(&alice, "sieve", mail::SIEVE);
    let script = SIEVE_SESSION.replace("PORT", &sieve.port.to_string());
    let stored = python(&alice, &script);
    assert!(stored.contains("\"keep\""), "{}", said(&stored));
    cell("sieve", "dovecot", "client");
}

#[test]
fn a_query_reaches_postgresql_from_a_program_without_tls() {
    let name = "a_query_reaches_postgresql_from_a_program_without_tls";
    if lacks(name, &["psql", "setpriv"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let postgresql = Postgresql::start(&house.world, &house.certified);
    house.listens(postgresql::PORT);
    let local = house.connect(&alice, "postgresql", postgresql::PORT);
    for mode in ["disable", "prefer"] {
        let asked = format!(
            "psql 'host=127.0.0.1 port={} user=postgres sslmode={mode}' -Atc 'select 6*7, ssl from pg_stat_ssl where pid = pg_backend_pid()'",
            local.port
        );
        let answer = run(&alice, &asked);
        assert!(
            answer.contains("42|t"),
            "{mode}: {answer}\n{}\n{}",
            postgresql.log(),
            local.program.log()
        );
    }
    cell("postgresql", "postgresql 15", "client");
}

#[test]
fn mail_comes_in_to_plain_daemons_behind_the_door_from_clients_with_starttls() {
    let name = "mail_comes_in_to_plain_daemons_behind_the_door_from_clients_with_starttls";
    if lacks(name, &["postfix", "dovecot", "swaks", "curl", "python3"]) {
        return;
    }
    let Some(mut house) = House::start(name, MAIL) else { return };
    let alice = house.world.subscriber("alice", "split");
    let (mailboxes, postfix, dovecot) = mail::start(&house);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let said =
        |log: &str| format!("{log}\n{}\n{}\n{}", postfix.log(), dovecot.log(), house.world.log());

    let swaks = format!(
        "swaks --server {at} --tls-sni mail.test --tls-ca-path {ca} --tls-verify --tls --from bob@x.test --to alice@mail.test"
    );
    let sent = run(&alice, &format!("{swaks} --port 25 --body mark-smtp"));
    assert!(sent.contains("queued as") && !sent.contains("STARTTLS\r\n<~"), "{}", said(&sent));
    assert!(wait_until(SOON, || mailboxes.have("mark-smtp")), "{}", said(&sent));
    let source = format!("client=unknown[{}]", alice.host.v4[0]);
    assert!(postfix.log().contains(&source), "{}", said(&sent));
    cell("smtp", "postfix", "server");
    let sent = run(&alice, &format!("{swaks} --port 24 --protocol LMTP --body mark-lmtp"));
    assert!(wait_until(SOON, || mailboxes.have("mark-lmtp")), "{}", said(&sent));
    cell("lmtp", "dovecot", "server");

    let curl = |protocol: &str, port: u16, path: &str| {
        let to = format!("--resolve mail.test:{port}:{at} --cacert {ca} --ssl-reqd");
        run(
            &alice,
            &format!(
                "curl -sS {to} '{protocol}://mail.test:{port}/{path}' -u alice@mail.test:secret"
            ),
        )
    };
    let read = curl("imap", 143, "INBOX;MAILINDEX=1");
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("imap", "dovecot", "server");
    let read = curl("pop3", 110, "1");
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("pop3", "dovecot", "server");

    let fill = |script: &str| script.replace("HOST", &at.to_string()).replace("CAFILE", &ca);
    let stored = python(&alice, &fill(SIEVE_UNDER_TLS));
    assert!(stored.contains("\"keep\"") && !stored.contains("STARTTLS"), "{}", said(&stored));
    cell("sieve", "dovecot", "server");
    let done = python(&alice, &fill(LIBRARIES));
    assert!(done.contains("all done"), "{}", said(&done));
    assert!(wait_until(SOON, || mailboxes.have("mark-library")), "{}", said(&done));
    cell("smtp", "python's library", "server");
    cell("imap", "python's library", "server");
    cell("pop3", "python's library", "server");
}

#[test]
fn the_published_tester_of_injection_before_starttls_finds_none() {
    let name = "the_published_tester_of_injection_before_starttls_finds_none";
    if lacks(name, &["postfix", "dovecot", "python3"]) {
        return;
    }
    let Some(tester) = std::env::var_os("INJECTION_TESTER").map(PathBuf::from) else {
        return skip(
            name,
            "command-injection-tester (PyPI) can't be had: `cargo xtask test` installs it",
        );
    };
    let Some(mut house) = House::start(name, MAIL) else { return };
    let alice = house.world.subscriber("alice", "split");
    let _daemons = mail::start(&house);
    let named = house.hosts(&alice);
    let logs = alice.folder.join("tester");
    let found = run(
        &alice,
        &format!(
            "{named} '{} --imap --pop3 --smtp --smtp-port 25 --timeout 0.5 --nocolor --logdir {} mail.test'",
            tester.display(),
            logs.display()
        ),
    );
    assert_eq!(found.matches("Sanity test done").count(), 3, "{found}\n{}", house.world.log());
    assert_eq!(found.matches("Server probably closed the connection").count(), 3, "{found}");
    assert!(!found.contains("ommand injection here"), "{found}");
    assert!(house.world.counts("injected_before_tls", 3));
    assert_eq!(house.world.counted("injected_before_tls"), 3);
}

#[test]
fn devices_alone_read_mail_by_starttls_and_a_revocation_ends_that_within_a_second() {
    let name = "devices_alone_read_mail_by_starttls_and_a_revocation_ends_that_within_a_second";
    if lacks(name, &["dovecot", "curl"]) {
        return;
    }
    let closed = MAIL.replace(
        "alpn = [\"imap\"]",
        "alpn = [\"imap\"]\nclients = \"required\"\nusers = [\"alice\"]",
    );
    let Some(mut house) = House::start(name, &closed) else { return };
    let (alice, bob) =
        (house.world.subscriber("alice", "split"), house.world.subscriber("bob", "split"));
    let mailboxes = Mailboxes::at(house.world.file("mail"));
    let dovecot = Dovecot::start(&house.world, &house.certified, &mailboxes);
    house.listens(mail::IMAP);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let read = |who: &Subscriber, own: &str| {
        let own = own.replace("OWN", &who.folder.display().to_string());
        run(
            who,
            &format!(
                "curl -sS --resolve mail.test:143:{at} --cacert {ca} --ssl-reqd {own} imap://mail.test/ -X NOOP -u alice@mail.test:secret; echo status $?"
            ),
        )
    };
    let own = "--cert OWN/vpn.crt --key OWN/vpn.key";
    assert!(read(&alice, own).contains("status 0"), "{}\n{}", read(&alice, own), dovecot.log());
    for (who, own) in [(&alice, ""), (&bob, own)] {
        assert!(!read(who, own).contains("status 0"));
    }
    assert!(house.world.counts("no_certificate", 1) && house.world.counts("not_among_users", 1));

    let mut command = Command::new("sh");
    let folder = alice.folder.display();
    command.args(["-c", &format!(
        "(echo 'a LOGIN alice@mail.test secret'; echo 'b IDLE'; sleep 60) | exec openssl s_client -quiet -starttls imap \
         -connect {at}:143 -servername mail.test -CAfile {ca} -cert {folder}/vpn.crt -key {folder}/vpn.key"
    )]);
    let log = alice.folder.join("open.log");
    let mut open = Program::start_enclosed(&alice.host.netns, &command, &log).expect("it starts");
    assert!(open.says("+ idling", SOON), "{}\n{}", open.log(), dovecot.log());
    assert_eq!(house.over_tls(), 1);
    let begun = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    let gone = wait_until(SOON, || house.over_tls() == 0);
    println!("FIGURE from the order to the session's end: {} ms", begun.elapsed().as_millis());
    assert!(gone && begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!read(&alice, own).contains("status 0"));
}

#[test]
fn psql_reaches_a_server_in_the_clear_under_tls_and_a_revocation_ends_its_query() {
    let name = "psql_reaches_a_server_in_the_clear_under_tls_and_a_revocation_ends_its_query";
    if lacks(name, &["psql", "setpriv"]) {
        return;
    }
    let Some(mut house) = House::start(name, DATABASE) else { return };
    let alice = house.world.subscriber("alice", "split");
    let bob = house.world.subscriber("bob", "split");
    let postgresql = Postgresql::start(&house.world, &house.certified);
    house.listens(postgresql::PORT);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let own = alice.folder.display().to_string();
    let psql = |more: &str, query: &str| {
        format!(
            "psql 'host=mail.test hostaddr={at} port=5432 user=postgres sslmode=verify-full sslrootcert={ca} {more}' -Atc '{query}'"
        )
    };
    let with = format!("sslcert={own}/vpn.crt sslkey={own}/vpn.key");
    let answer = run(&alice, &psql(&with, "select 6*7"));
    assert!(answer.contains("42"), "{answer}\n{}\n{}", postgresql.log(), house.world.log());
    let answer = run(&alice, &psql("sslcert=/none", "select 6*7"));
    assert!(!answer.contains("42"), "{answer}");
    let bobs = with.replace(&own, &bob.folder.display().to_string());
    let answer = run(&bob, &psql(&bobs, "select 6*7"));
    assert!(!answer.contains("42"), "{answer}");
    assert!(house.world.counts("not_among_users", 1), "{answer}");
    let clear = run(
        &alice,
        &format!("psql 'host={at} port=5432 user=postgres sslmode=disable' -Atc 'select 6*7'"),
    );
    assert!(clear.contains("TLS is required here"), "{clear}");
    // As clients of version 17 and newer begin, and what they say first; the server closes after the goodbye.
    let startup = "\\0\\0\\0\\027\\0\\003\\0\\0user\\0postgres\\0\\0";
    let goodbye = "X\\0\\0\\0\\004";
    let direct = format!(
        "openssl s_client -quiet -connect {at}:5432 -servername mail.test -alpn postgresql -CAfile {ca} -cert {own}/vpn.crt -key {own}/vpn.key"
    );
    let asked = Instant::now();
    let answer =
        run(&alice, &format!("sh -c \"printf '{startup}{goodbye}' | {direct}\" | tr -d '\\0'"));
    assert!(answer.contains("server_version"), "{answer}\n{}", house.world.log());
    assert!(asked.elapsed() < Duration::from_secs(10), "it ends by itself: {answer}");
    cell("postgresql", "direct TLS", "server");
    cell("postgresql", "postgresql 15", "server");

    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {}", psql(&with, "select 41 + 1; select pg_sleep(60)"))]);
    let mut open = Program::start(&alice.host.netns, command, &alice.folder.join("open.log"))
        .expect("it starts");
    assert!(wait_until(SOON, || house.over_tls() == 1), "{}", open.log());
    let begun = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    assert!(open.ends(SOON).is_some_and(|status| !status.success()), "{}", open.log());
    println!("FIGURE from the order to psql's end: {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    house.change("clients = \"required\"\nusers = [\"alice\"]", "clients = \"optional\"");
    for (own, is_in) in [("sslcert=/none", true), (bobs.as_str(), true), (with.as_str(), false)] {
        let answer = run(&bob, &psql(own, "select 6*7"));
        assert_eq!(answer.contains("42"), is_in, "{own}: {answer}\n{}", house.world.log());
    }
}

#[test]
fn an_entry_is_added_and_found_in_slapd_by_starttls_in_both_directions() {
    let name = "an_entry_is_added_and_found_in_slapd_by_starttls_in_both_directions";
    if lacks(name, &["slapd", "ldapsearch"]) {
        return;
    }
    let settings = listen("ldap", 389, directory::PORT, "clients = \"optional\"");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let slapd = Slapd::start(&house.world, &house.certified);
    house.listens(directory::PORT);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let entry = alice.folder.join("entry.ldif");
    fs::write(&entry, directory::ENTRY).expect("written");
    let named = house.hosts(&alice);
    let own = alice.folder.display();
    let tls = format!("LDAPTLS_CACERT={ca} LDAPTLS_CERT={own}/vpn.crt LDAPTLS_KEY={own}/vpn.key");
    let admin = "-x -D cn=admin,dc=test -w secret";
    let added = run(
        &alice,
        &format!("{named} '{tls} ldapadd -ZZ -H ldap://mail.test {admin} -f {}'", entry.display()),
    );
    assert!(added.contains("adding new entry"), "{added}\n{}\n{}", slapd.log(), house.world.log());
    let found =
        run(&alice, &format!("{named} '{tls} ldapsearch -ZZ -H ldap://mail.test -x -b dc=test'"));
    assert!(found.contains("o: mark-ldap"), "{found}\n{}", slapd.log());
    let bob = house.world.subscriber("bob", "split");
    let nobodys = run(
        &alice,
        &format!("{named} 'LDAPTLS_CACERT={ca} ldapsearch -ZZ -H ldap://mail.test -x -b dc=test'"),
    );
    assert!(nobodys.contains("o: mark-ldap"), "{nobodys}");
    house.change("clients = \"optional\"", "clients = \"required\"\nusers = [\"alice\"]");
    for (who, is_in) in [(&alice, true), (&bob, false)] {
        let own = who.folder.display();
        let tls =
            format!("LDAPTLS_CACERT={ca} LDAPTLS_CERT={own}/vpn.crt LDAPTLS_KEY={own}/vpn.key");
        let named = house.hosts(who);
        let found =
            run(who, &format!("{named} '{tls} ldapsearch -ZZ -H ldap://mail.test -x -b dc=test'"));
        assert_eq!(found.contains("o: mark-ldap"), is_in, "{found}");
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!(
        "exec openssl s_client -quiet -starttls ldap -connect {at}:389 -servername mail.test -CAfile {ca} \
         -cert {own}/vpn.crt -key {own}/vpn.key"
    )]);
    let log = alice.folder.join("open.log");
    let mut open = Program::start_enclosed(&alice.host.netns, &command, &log).expect("it starts");
    assert!(wait_until(SOON, || house.over_tls() == 1), "{}\n{}", open.log(), house.world.log());
    let begun = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    let gone = wait_until(SOON, || house.over_tls() == 0);
    println!("FIGURE from the order to the session's end: {} ms", begun.elapsed().as_millis());
    assert!(gone && begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(open.ends(SOON).is_some(), "{}", open.log());
    let found =
        run(&alice, &format!("{named} '{tls} ldapsearch -ZZ -H ldap://mail.test -x -b dc=test'"));
    assert!(!found.contains("o: mark-ldap"), "{found}");
    let clear = run(&alice, &format!("ldapsearch -H ldap://{at} -x -b dc=test"));
    assert!(clear.contains("onfidentiality required"), "{clear}");
    cell("ldap", "slapd", "server");

    let local = house.connect(&alice, "ldap", directory::PORT);
    let found =
        run(&alice, &format!("ldapsearch -H ldap://127.0.0.1:{} -x -b dc=test", local.port));
    assert!(found.contains("o: mark-ldap"), "{found}\n{}\n{}", slapd.log(), local.program.log());
    cell("ldap", "slapd", "client");
}

#[test]
fn a_message_is_said_and_heard_by_starttls_at_prosody_and_inspircd_in_both_directions() {
    let name = "a_message_is_said_and_heard_by_starttls_at_prosody_and_inspircd_in_both_directions";
    if lacks(name, &["prosody", "inspircd", "python3"]) {
        return;
    }
    let settings = listen("xmpp", 5222, chat::XMPP, "") + &listen("irc", 6667, chat::IRC, "");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let prosody = Prosody::start(&house.world, &house.certified);
    let inspircd = Inspircd::start(&house.world, &house.certified);
    house.listens(chat::XMPP);
    house.listens(chat::IRC);
    let (at, ca) = (house.world.gateway.v4[0].to_string(), house.ca.display().to_string());
    let fill = |script: &str, host: &str, port: u16, ca: &str| {
        let script = script.replace("HOST", host).replace("PORT", &port.to_string());
        script
            .replace("CAFILE", ca)
            .replace("DOMAIN", if ca.is_empty() { "inner.test" } else { "mail.test" })
    };
    let log = |said: String| {
        format!("{said}\n{}\n{}\n{}", prosody.log(), inspircd.log(), house.world.log())
    };
    for (protocol, daemon, script, outer, inner) in [
        ("xmpp", "prosody", chat::XMPP_SESSION, 5222, chat::XMPP),
        ("irc", "inspircd", chat::IRC_SESSION, 6667, chat::IRC),
    ] {
        let said = python(&alice, &fill(script, &at, outer, &ca));
        assert!(said.contains("all done"), "{}", log(said));
        cell(protocol, daemon, "server");
        let local = house.connect(&alice, protocol, inner);
        let said = python(&alice, &fill(script, "127.0.0.1", local.port, ""));
        assert!(said.contains("all done"), "{}\n{}", log(said), local.program.log());
        cell(protocol, daemon, "client");
    }
}

#[test]
fn an_article_is_posted_and_read_by_starttls_at_inn_in_both_directions() {
    let name = "an_article_is_posted_and_read_by_starttls_at_inn_in_both_directions";
    if lacks(name, &["python3"]) {
        return;
    }
    let Some(programs) = news::programs() else {
        return skip(name, "INN can't be had: `cargo xtask test` unpacks it");
    };
    let settings = listen("nntp", 119, news::PORT, "");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    if python(&alice, "import nntplib").contains("No module") {
        return skip(name, "this Python has no nntplib");
    }
    let inn = Inn::start(&house.world, &house.certified, &programs);
    house.greets(news::PORT, "200 ");
    let (at, ca) = (house.world.gateway.v4[0].to_string(), house.ca.display().to_string());
    let fill = |host: &str, port: u16, ca: &str| {
        let script = news::SESSION.replace("HOST", host).replace("PORT", &port.to_string());
        script.replace("CAFILE", ca)
    };
    let said = python(&alice, &fill(&at, 119, &ca));
    assert!(said.contains("all done"), "{said}\n{}\n{}", inn.log(), house.world.log());
    cell("nntp", "inn2", "server");
    let local = house.connect(&alice, "nntp", news::PORT);
    let said = python(&alice, &fill("127.0.0.1", local.port, ""));
    assert!(said.contains("all done"), "{said}\n{}\n{}", inn.log(), local.program.log());
    cell("nntp", "inn2", "client");
}

#[test]
fn a_query_is_answered_by_mariadb_under_tls_in_both_directions() {
    let name = "a_query_is_answered_by_mariadb_under_tls_in_both_directions";
    if lacks(name, &["mariadbd", "mariadb"]) {
        return;
    }
    let settings = listen("mysql", 3306, mariadb::PORT, "");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let database = Mariadb::start(&house.world, &house.certified);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let named = house.hosts(&alice);
    let query = |at: &str, more: &str| {
        format!(
            "mariadb --no-defaults {at} -u alice -psecret {more} -Ne \"select concat(40 + 2, repeat(0, 100000)) as x; select variable_value from information_schema.session_status where variable_name = 0x53534c5f434950484552\""
        )
    };
    let tls = format!("--ssl-ca={ca} --ssl-verify-server-cert");
    let answer = run(&alice, &format!("{named} '{}'", query("-h mail.test", &tls)));
    assert!(answer.contains("42000"), "{answer}\n{}\n{}", database.log(), house.world.log());
    let clear = run(&alice, &query(&format!("-h {at}"), "--skip-ssl"));
    assert!(clear.contains("without TLS are not taken"), "{clear}");
    cell("mysql", "mariadb 10.11", "server");

    let local = house.connect(&alice, "mysql", mariadb::PORT);
    let answer = run(&alice, &query(&format!("-h 127.0.0.1 -P {}", local.port), "--skip-ssl"));
    assert!(answer.contains("42000"), "{answer}\n{}\n{}", database.log(), local.program.log());
    assert!(answer.contains("TLS_") || answer.contains("AES"), "it is under TLS: {answer}");
    cell("mysql", "mariadb 10.11", "client");
}

const SIEVE_SESSION: &str = r#"
import base64, socket
line = socket.create_connection(("127.0.0.1", PORT), 10).makefile("rwb")
def answer():
    text = b""
    while not text.split(b"\r\n")[-2:][0].startswith((b"OK", b"NO", b"BYE")):
        text += line.readline()
    return text.decode()
print(answer())
def say(what):
    line.write(what.encode() + b"\r\n"); line.flush(); print(answer())
say('AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0alice@mail.test\0secret").decode() + '"')
say('PUTSCRIPT "keep" {6+}\r\nkeep;\n')
say('LISTSCRIPTS')
"#;

const SIEVE_UNDER_TLS: &str = r#"
import base64, socket, ssl
plain = socket.create_connection(("HOST", 4190), 10)
def answer():
    text = b""
    while not text.split(b"\r\n")[-2:][0].startswith((b"OK", b"NO", b"BYE")):
        text += line.readline()
    return text.decode()
line = plain.makefile("rwb", 0)
assert "STARTTLS" in answer()
line.write(b"STARTTLS\r\n"); assert answer().startswith("OK")
line = ssl.create_default_context(cafile="CAFILE").wrap_socket(plain, server_hostname="mail.test").makefile("rwb")
print(answer())
def say(what):
    line.write(what.encode() + b"\r\n"); line.flush(); print(answer())
say('AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0alice@mail.test\0secret").decode() + '"')
say('PUTSCRIPT "keep" {6+}\r\nkeep;\n')
say('LISTSCRIPTS')
"#;

const LIBRARIES: &str = r#"
import imaplib, poplib, smtplib, socket, ssl
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: known("HOST" if host == "mail.test" else host, *more, **named)
tls = ssl.create_default_context(cafile="CAFILE")
smtp = smtplib.SMTP("mail.test", 25, timeout=10)
smtp.starttls(context=tls)
smtp.ehlo()
assert not smtp.has_extn("starttls")
smtp.sendmail("bob@x.test", ["alice@mail.test"], "Subject: x\r\n\r\nmark-library\r\n")
smtp.quit()
imap = imaplib.IMAP4("mail.test", 143)
imap.starttls(tls)
assert "STARTTLS" not in imap.capabilities, imap.capabilities
imap.login("alice@mail.test", "secret")
assert imap.select()[0] == "OK"
imap.logout()
pop = poplib.POP3("mail.test", 110, timeout=10)
pop.stls(tls)
assert "STLS" not in pop.capa()
pop.user("alice@mail.test"); pop.pass_("secret")
assert pop.stat()[0] > 0
pop.quit()
print("all done")
"#;

const MAIL: &str = "
[[tls.listen]]
address = \"[::]:25\"
mode = \"starttls:smtp\"

[[tls.listen]]
address = \"[::]:24\"
mode = \"starttls:lmtp\"

[[tls.listen]]
address = \"[::]:143\"
mode = \"starttls:imap\"

[[tls.listen]]
address = \"[::]:110\"
mode = \"starttls:pop3\"

[[tls.listen]]
address = \"[::]:4190\"
mode = \"starttls:sieve\"

[[tls.server]]
names = [\"mail.test\"]
alpn = [\"smtp\"]
backend = \"tcp:127.0.0.1:10025\"
proxy = \"xclient\"

[[tls.server]]
names = [\"mail.test\"]
alpn = [\"lmtp\"]
backend = \"tcp:127.0.0.1:10024\"

[[tls.server]]
names = [\"mail.test\"]
alpn = [\"imap\"]
backend = \"tcp:127.0.0.1:10143\"

[[tls.server]]
names = [\"mail.test\"]
alpn = [\"pop3\"]
backend = \"tcp:127.0.0.1:10110\"

[[tls.server]]
names = [\"mail.test\"]
alpn = [\"sieve\"]
backend = \"tcp:127.0.0.1:14190\"
";

const DATABASE: &str = "
[[tls.listen]]
address = \"[::]:5432\"
mode = \"starttls:postgresql\"

[[tls.server]]
names = [\"mail.test\"]
clients = \"required\"
users = [\"alice\"]
backend = \"tcp:127.0.0.1:15432\"
";
