//! What is behind a door that begins in the clear and is not in the clear itself: a database under TLS again, a chat
//! server's own peers.
//!
//! ```text
//!    a client with STARTTLS (alice) ── router ── gateway: TLS door ── lo ── a database's own TLS
//!    a chat server (alice) ── router ── gateway: TLS door ── lo ── a chat server in the clear
//!            └──────────────── router ── handfast tls connect ── lo ──┘
//! ```

use std::fs;
use std::process::Command;

use interop::{Program, skip};

#[path = "starttls/chat_between.rs"]
mod chat_between;
#[path = "starttls/house.rs"]
mod house;
#[path = "starttls/mariadb.rs"]
mod mariadb;
#[path = "starttls/postgresql.rs"]
mod postgresql;
#[path = "starttls/sid.rs"]
mod sid;

use chat_between::{OTHERS_CLIENTS, SERVERS, Server, TO_OTHER, Terms};
use house::{Certified, House, SOON, cell, lacks, listen, python, run};
use mariadb::Mariadb;
use postgresql::Postgresql;
use sid::sid;

#[test]
fn users_of_two_chat_servers_hear_each_other_though_one_of_both_has_no_tls() {
    let name = "users_of_two_chat_servers_hear_each_other_though_one_of_both_has_no_tls";
    if lacks(name, &["prosody", "python3"]) {
        return;
    }
    let settings = listen("xmpp-server", 5269, SERVERS, "");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let (at, there) = (house.world.gateway.v4[0], alice.host.v4[0]);
    let peers = house.certify("peer.test", "peer");
    // Each knows where the other one is, and the one in the clear a port of its own machine for that.
    let outer = Terms {
        domain: "peer.test",
        clients: OTHERS_CLIENTS,
        servers: 5269,
        tls: Some((&peers.certificate, &peers.key)),
        names: &format!(
            "{{'_xmpp-server._tcp.mail.test': (5269, 'mail.test'), 'mail.test': '{at}', 'peer.test': '{there}'}}"
        ),
    };
    let inner = Terms {
        domain: "mail.test",
        clients: chat_between::CLIENTS,
        servers: SERVERS,
        tls: None,
        names: &format!(
            "{{'_xmpp-server._tcp.peer.test': ({TO_OTHER}, 'here.test'), 'here.test': '127.0.0.1', 'mail.test': '127.0.0.1'}}"
        ),
    };
    let outer = Server::start(&house.world, &alice.host.netns, &outer);
    let inner = Server::start(&house.world, &house.world.gateway.netns, &inner);
    let mut command = Command::new(interop::binary());
    command.args(["tls", "connect", &format!("xmpp-server://{there}:5269"), "--name", "peer.test"]);
    command.args(["--revocation", "prefer", "--listen", &format!("127.0.0.1:{TO_OTHER}")]);
    command.arg("--ca").arg(&house.ca);
    let log = house.world.file("connect.log");
    let mut connect = Program::start(&house.world.gateway.netns, command, &log).expect("it starts");
    assert!(connect.says("listens on", SOON), "{}", connect.log());
    house.listens(SERVERS);
    house.listens(chat_between::CLIENTS);
    let script = chat_between::SESSION.replace("FIRST", &at.to_string());
    let said = python(&alice, &script.replace("SECOND", "127.0.0.1"));
    assert!(
        said.contains("all done"),
        "{said}\n--- outer\n{}\n--- inner\n{}\n--- connect\n{}\n--- gateway\n{}",
        outer.log(),
        inner.log(),
        connect.log(),
        house.world.log()
    );
    assert!(connect.log().contains("connected"), "it went by TLS: {}", connect.log());
    cell("xmpp-server", "prosody", "server");
    cell("xmpp-server", "prosody", "client");
}

#[test]
fn mariadb_is_reached_by_its_own_tls_behind_the_doors_from_both_debians_clients() {
    let name = "mariadb_is_reached_by_its_own_tls_behind_the_doors_from_both_debians_clients";
    if lacks(name, &["mariadbd", "mariadb"]) {
        return;
    }
    let Some(mut house) = House::start(name, &again("mysql", 3306, mariadb::PORT)) else { return };
    let alice = house.world.subscriber("alice", "split");
    let database = Mariadb::start(&house.world, &house.certified);
    let (named, ca) = (house.hosts(&alice), house.ca.display().to_string());
    let query = |user: &str, ca: &str| {
        format!(
            "mariadb --no-defaults -h mail.test -u {user} -psecret --ssl-ca={ca} --ssl-verify-server-cert -Ne \"select 6*7; \
             select variable_value from information_schema.session_status where variable_name = \
             0x53534c5f56455253494f4e\""
        )
    };
    let said = |log: &str| format!("{log}\n{}\n{}", database.log(), house.world.log());
    // He is let in over TLS alone, so that the way to the database has it.
    let answer = run(&alice, &format!("{named} '{}'", query("careful", &ca)));
    assert!(answer.contains("42") && answer.contains("TLSv1."), "{}", said(&answer));
    cell("mysql", "mariadb, TLS again", "server");
    if let Some(sid) = sid(name) {
        let answer = sid.run(&house, &alice, &query("careful", "/mnt/ca.pem"));
        assert!(answer.contains("42") && answer.contains("TLSv1."), "{}", said(&answer));
        cell("mysql", "sid's, TLS again", "server");
    }
    house.change("name = \"inner.test\"", "name = \"other.test\"");
    let answer = run(&alice, &format!("{named} '{}'", query("careful", &ca)));
    assert!(!answer.contains("42"), "{answer}");
    assert!(house.world.counts("backend_unreachable", 1), "{}", house.world.log());
}

#[test]
fn mariadbs_client_of_another_debian_takes_the_tls_that_the_gateways_ca_vouches_for() {
    let name = "mariadbs_client_of_another_debian_takes_the_tls_that_the_gateways_ca_vouches_for";
    let Some(sid) = sid(name) else { return };
    if lacks(name, &["mariadbd", "mariadb"]) {
        return;
    }
    let Some(mut house) = House::start(name, &listen("mysql", 3306, mariadb::PORT, "")) else {
        return;
    };
    let alice = house.world.subscriber("alice", "split");
    let database = Mariadb::start(&house.world, &house.certified);
    let query = |more: &str| {
        format!("mariadb --no-defaults -h mail.test -u alice -psecret {more} -Ne \"select 6*7\"")
    };
    let answer = sid.run(&house, &alice, &query("--ssl-ca=/mnt/ca.pem --ssl-verify-server-cert"));
    assert!(answer.contains("42"), "{answer}\n{}\n{}", database.log(), house.world.log());
    let answer = sid.run(&house, &alice, &query("--ssl-verify-server-cert"));
    println!("FIGURE mariadb of sid without a CA: {}", answer.lines().next().unwrap_or_default());
    cell("mysql", "mariadb of sid", "server");
}

#[test]
fn who_checks_mariadb_by_the_password_takes_tls_of_a_door_with_the_databases_own_certificate() {
    let name =
        "who_checks_mariadb_by_the_password_takes_tls_of_a_door_with_the_databases_own_certificate";
    let Some(sid) = sid(name) else { return };
    if !sid.has("usr/sbin/mariadbd") {
        return skip(name, "that Debian sid was unpacked without a MariaDB of its own");
    }
    if lacks(name, &["mariadb"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    // With the root, without which that client takes whatever it is shown.
    let with_root = |certified: Certified| {
        let chain = [&certified.certificate, &house.ca];
        let chain = chain.map(|file| fs::read_to_string(file).expect("read"));
        fs::write(&certified.certificate, chain.concat()).expect("written");
        certified
    };
    let another = with_root(house.certify("mail.test", "another"));
    let own = with_root(house.certify_again("mail.test", "own"));
    let database = Mariadb::start_newer(&house.world, &own, &sid);
    let server = again("mysql", 3306, mariadb::PORT).replace("inner.test", "mail.test");
    house.add(&server.replace("alpn = [\"mysql\"]", &files("mysql", &another)));
    let logs_in = |more: &str| {
        let query = format!("-u alice -psecret {more} -Ne \"select 6*7\"");
        sid.run(&house, &alice, &format!("mariadb --no-defaults -h mail.test {query}"))
    };
    let said = |log: &str| format!("{log}\n{}\n{}", database.log(), house.world.log());
    let by_ca = "--ssl-ca=/mnt/ca.pem";
    for (more, is_in) in [(by_ca, true), ("--disable-ssl-verify-server-cert", true), ("", false)] {
        let answer = logs_in(more);
        assert_eq!(answer.contains("42"), is_in, "{more:?}: {}", said(&answer));
    }
    house.change(&files("mysql", &another), &files("mysql", &own));
    for more in [by_ca, ""] {
        let answer = logs_in(more);
        assert!(answer.contains("42"), "{more:?}: {}", said(&answer));
    }
    // It proves the certificate that it has, whether that was shown by itself or not.
    let at = format!("127.0.0.1:{}\"\n", mariadb::PORT);
    house.change(&format!("mysql://{at}backend_tls ="), &format!("tcp:{at}#"));
    let answer = logs_in("");
    assert!(answer.contains("42"), "{}", said(&answer));
    house.change(&files("mysql", &own), &files("mysql", &another));
    let answer = logs_in("");
    assert!(!answer.contains("42"), "{}", said(&answer));
    cell("mysql", "sid's, by the password", "server");
}

#[test]
fn a_password_that_psql_binds_to_tls_is_taken_where_door_and_database_show_one_certificate() {
    let name =
        "a_password_that_psql_binds_to_tls_is_taken_where_door_and_database_show_one_certificate";
    if lacks(name, &["psql", "setpriv"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let own = house.certify("mail.test", "own");
    let database = Postgresql::start(&house.world, &own);
    house.listens(postgresql::PORT);
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let direct = format!("host={at} port={} user=postgres sslmode=disable", postgresql::PORT);
    let role = "create role alice login password $$secret$$";
    let made = run(&alice, &format!("psql \"{direct}\" -c '{role}'"));
    assert!(made.contains("CREATE ROLE"), "{made}\n{}", database.log());

    house.add(&again("postgresql", 5432, postgresql::PORT).replace("inner.test", "mail.test"));
    let logs_in = |binding: &str| {
        let to = format!("host=mail.test hostaddr={at} user=alice password=secret dbname=postgres");
        let tls = format!("sslmode=verify-full sslrootcert={ca} channel_binding={binding}");
        let asks = "select 6*7, ssl from pg_stat_ssl where pid = pg_backend_pid()";
        run(&alice, &format!("psql '{to} {tls}' -Atc '{asks}'"))
    };
    let said = |log: &str| format!("{log}\n{}\n{}", database.log(), house.world.log());
    for (binding, is_in) in [("disable", true), ("prefer", false), ("require", false)] {
        let answer = logs_in(binding);
        assert_eq!(answer.contains("42|t"), is_in, "{binding}: {}", said(&answer));
    }
    let found = house.world.try_handfast(&["check"]);
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.contains("channel_binding=disable"), "{found}");

    house.change("alpn = [\"postgresql\"]", &files("postgresql", &own));
    for binding in ["disable", "prefer", "require"] {
        let answer = logs_in(binding);
        assert!(answer.contains("42|t"), "{binding}: {}", said(&answer));
    }
    cell("postgresql", "SCRAM, TLS again", "server");
}

/// A door of this protocol, whose daemon is reached by its own STARTTLS.
fn again(protocol: &str, port: u16, inner: u16) -> String {
    let trust = "backend_tls = { name = \"inner.test\", revocation = \"prefer\" }";
    let clear = listen(protocol, port, inner, trust);
    clear.replace(&format!("tcp:127.0.0.1:{inner}"), &format!("{protocol}://127.0.0.1:{inner}"))
}

/// A server of this protocol that shows this certificate.
fn files(protocol: &str, Certified { certificate, key }: &Certified) -> String {
    let [chain, key] = [certificate, key].map(|file| file.display().to_string());
    format!("alpn = [\"{protocol}\"]\ncertificate = {{ chain = \"{chain}\", key = \"{key}\" }}")
}
