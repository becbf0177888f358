//! The settings file as a whole: what it is read as, and what it is refused for.

use std::net::IpAddr;

use super::*;

fn error(text: &str) -> String {
    Config::parse(Path::new("/d/handfast.toml"), text).expect_err("must be refused").to_string()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse(Path::new("x"), "").expect("valid"), Config::default());
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_known_one() {
    assert_eq!(
        error("[vpn]\nnat = true\nnetwrok = \"10.0.0.0/8\"\n"),
        "/d/handfast.toml:3:1: there is no key `netwrok` in [vpn]; did you mean `network`?"
    );
    assert_eq!(
        error("[vpn.push]\n  redirect-gateway = true\n"),
        "/d/handfast.toml:2:3: there is no key `redirect-gateway` in [vpn.push]; did you mean \
             `redirect_gateway`?"
    );
    assert_eq!(
        error("vpn.lisen = []\n"),
        "/d/handfast.toml:1:5: there is no key `lisen` in [vpn]; did you mean `listen`?"
    );
}

#[test]
fn an_unknown_section_far_from_any_lists_the_known_ones() {
    assert_eq!(
        error("[zebra]\n"),
        "/d/handfast.toml:1:2: there is no section `zebra`; known here are `public`, `vpn`, `publish`, \
             `ca`, `device`, `sessions`, `cert`, `metrics`, `hooks`, `explain`, `tls`, `groups`, `acme`"
    );
}

#[test]
fn a_bad_value_names_its_place_what_it_is_and_what_would_do() {
    assert_eq!(
        error("[vpn]\nnetwork = \"10.71.0.1/16\"\n"),
        "/d/handfast.toml:2:11: 10.71.0.1/16 has bits set behind its prefix; write 10.71.0.0/16"
    );
    assert_eq!(
        error("[vpn]\nlisten = [\"sctp:[::]:1\"]\n"),
        "/d/handfast.toml:2:10: `sctp:[::]:1` is not a listening address; write one like \
             `udp:[::]:1194` or `tcp:[::]:1194`"
    );
    assert_eq!(
        error("[ca]\nkey_type = \"rot13\"\n"),
        "/d/handfast.toml:2:12: unknown variant `rot13`, expected `rsa` or `p256`"
    );
    assert_eq!(
        error("[vpn]\nnat = \"yes\"\n"),
        "/d/handfast.toml:2:7: invalid type: string \"yes\", expected a boolean"
    );
}

#[test]
fn values_that_contradict_each_other_are_refused_with_the_mend() {
    assert_eq!(
        error("[vpn]\nping = 10\nping_restart = 15\n"),
        "/d/handfast.toml:3:16: vpn.ping_restart is 15 s, less than twice vpn.ping (10 s); one \
             lost ping would end sessions: set it to 20 or more"
    );
    assert_eq!(
        error("[vpn]\nciphers = [\"AES-256-CBC\"]\n"),
        "/d/handfast.toml:2:11: vpn.ciphers names `AES-256-CBC`; the data channel knows \
             AES-256-GCM, AES-128-GCM, CHACHA20-POLY1305"
    );
    assert_eq!(
        error("[vpn]\nnetwork = \"10.0.0.0/29\"\nmax_sessions = 100\n"),
        "/d/handfast.toml:3:16: vpn.network 10.0.0.0/29 holds 5 devices, fewer than \
             vpn.max_sessions (100); widen the network or lower the figure"
    );
}

#[test]
fn what_the_settings_name_has_to_be_what_the_ca_may_certify() {
    assert_eq!(
        error("[ca]\npermitted_names = [\"10.1.0.0/8\"]\n"),
        "/d/handfast.toml:2:19: `10.1.0.0/8` is no domain and no network; write one like `example.org`, \
             `10.0.0.0/8` or `2001:db8::/32`"
    );
    let refused = error("[ca]\nexcluded_names = [\"handfast.internal\"]\n");
    assert!(refused.starts_with("/d/handfast.toml:2:18: ca.excluded_names has handfast.internal"));
    let bound = "[ca]\npermitted_names = [\"example.org\"]\n[public]\n";
    let refused =
        error(&format!("{bound}names = [\"vpn.example.org:443\", \"vpn.example.net\"]\n"));
    assert!(
        refused.starts_with("/d/handfast.toml:4:9: public.names has vpn.example.net"),
        "{refused}"
    );
    let wiki = "[[tls.server]]\nnames = [\"wiki.example.net\"]\nbackend = \"tcp:[::1]:80\"\n";
    let refused = error(&format!("{bound}{wiki}"));
    assert!(refused.starts_with("/d/handfast.toml:5:9: the CA may not certify wiki"), "{refused}");
    for fine in [
        format!("{bound}names = [\"vpn.example.org\", \"192.0.2.1\"]\n"),
        format!("{bound}{wiki}certificate = \"acme\"\n[acme]\nterms_agreed = true\n"),
        format!("{bound}{wiki}passthrough = true\n"),
    ] {
        Config::parse(Path::new("x"), &fine).expect(&fine);
    }
}

#[test]
fn the_life_of_the_gateways_certificates_has_a_unit_and_was_once_told_in_days() {
    let life = |line: &str| {
        let text = format!("[ca]\n{line}\n");
        Config::parse(Path::new("x"), &text).map(|config| config.ca.gateway_validity)
    };
    assert_eq!(life("gateway_validity = \"10m\"").expect("valid"), Life::minutes(10));
    assert_eq!(life("gateway_validity_days = 90").expect("valid"), Life::days(90));
    assert_eq!(
        error("[ca]\ngateway_validity = \"0m\"\n"),
        "/d/handfast.toml:2:20: ca.gateway_validity is 0d; choose 1m to 825d"
    );
    assert_eq!(
        error("[ca]\ngateway_validity_days = 826\n"),
        "/d/handfast.toml:2:25: ca.gateway_validity is 826d; choose 1m to 825d"
    );
    let twice = error("[ca]\ngateway_validity = \"9d\"\ngateway_validity_days = 9\n");
    assert!(twice.contains("duplicate field"), "{twice}");
}

#[test]
fn text_that_is_not_toml_names_its_place() {
    let text = error("[vpn\n");
    assert!(text.starts_with("/d/handfast.toml:1:5: "), "{text}");
}

#[test]
fn the_schema_lists_exactly_the_keys_that_the_types_have() {
    let mut config = Config::default();
    config.vpn.network6 = Some(random_ula([7; 8]));
    config.ca.public_url = Some("http://x.example".parse().expect("a url"));
    config.hooks.url = Some("https://x.example/y".parse().expect("a url"));
    config.acme.email = Some("a@example.org".to_owned());
    config.acme.ca = Some("/ca.pem".into());
    config.acme.eab_id = Some("me".to_owned());
    config.acme.eab_key_file = Some("/key".into());
    let service =
        "backend = \"tcp:[::1]:80\"\nhealth = \"/h\"\nbackends = [{ to = \"http://a\" }]\n";
    let trust = "name = \"a\"\nca = \"/a\"\ncertificate = \"/a\"\nkey = \"/a\"\nrevocation = \"off\"\n\
                     pin = \"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n";
    let text = format!(
        "[[listen]]\naddress = \"[::]:443\"\npassive_ports = \"2000-2001\"\n\
             passive_address = \"192.0.2.1\"\n[[server]]\nnames = [\"wiki.example.org\"]\n{service}\
             [server.backend_tls]\n{trust}[[server.route]]\npath = \"/\"\n{service}\
             [[client]]\nlisten = \"127.0.0.1:1\"\ntarget = \"a:1\"\n{trust}"
    );
    config.tls = toml::from_str(&text).expect("the shortest settings");
    let table = toml::Table::try_from(&config).expect("serialises");
    schema::assert_matches(&table);
}

#[test]
fn virtual_servers_that_contradict_each_other_are_refused_with_the_mend() {
    let wiki = "[[tls.server]]\nnames = [\"wiki.example.org\"]\nbackend = \"tcp:[::1]:80\"\n";
    let web = |line: &str| format!("[[tls.server]]\nnames = [\"a.org\"]\n{line}\n");
    let http = web("backend = \"http://[::1]:80\"");
    let wiki_of_a = wiki.replace("wiki.example.org", "a.org");
    let listen = "[[tls.listen]]\naddress = \"[::]:443\"\n";
    let client = |at: &str, more: &str| {
        format!("[[tls.client]]\nlisten = \"{at}\"\ntarget = \"db.example.org:5432\"\n{more}")
    };
    for (text, line, said) in [
        (format!("{listen}{listen}{wiki}"), 4, "tls.listen names [::]:443 twice"),
        (
            format!("{listen}{}{wiki}", listen.replace("[::]", "192.0.2.1")),
            4,
            "tls.listen has [::]:443, which takes 192.0.2.1:443 too",
        ),
        (
            format!(
                "{}{}{wiki}",
                listen.replace("[::]", "[::1]"),
                listen.replace("[::]", "0.0.0.0")
            ),
            1,
            "",
        ),
        (
            format!("{listen}{}", wiki.replace("org\"]", "org\", \"WIKI.example.org\"]")),
            4,
            "wiki.example.org stands here twice",
        ),
        (format!("{listen}{wiki}{wiki}"), 7, "wiki.example.org belongs to two virtual servers"),
        (
            format!("{listen}{http}{http}alpn = [\"h2\"]\nclients = \"required\"\n"),
            7,
            "a.org belongs to two virtual servers",
        ),
        (format!("{listen}{http}{wiki_of_a}alpn = [\"postgresql\"]\n"), 1, ""),
        (wiki.to_owned(), 1, ""),
        (
            format!("[vpn]\nlisten = [\"tcp:[::]:443\"]\n{wiki}"),
            4,
            "no [[tls.listen]] says where this server is reached, and vpn.listen has TCP port 443 already",
        ),
        (format!("{listen}{wiki}passthrough = true\nclients = \"required\"\n"), 7, "the backend"),
        (format!("{listen}{wiki}users = [\"alice\"]\n"), 6, "clients = \"required\""),
        (
            format!(
                "[groups]\nops = [\"alice\"]\n{listen}{wiki}clients = \"required\"\nusers = [\"@osp\"]\n"
            ),
            9,
            "there is no group osp",
        ),
        (
            format!("[groups]\nops = [\"@all-of-us\"]\nall-of-us = [\"alice\"]\n{listen}{wiki}"),
            1,
            "ops has @all-of-us in it",
        ),
        (
            format!(
                "[groups]\nops = [\"alice\"]\n{listen}{wiki}clients = \"required\"\nusers = [\"@ops\"]\n"
            ),
            1,
            "",
        ),
        (format!("{listen}[[tls.server]]\nnames = [\"a.org\"]\n"), 4, "needs a backend"),
        (format!("{listen}{wiki}backends = [{{ to = \"tcp:a:1\" }}]\n"), 6, "leave one out"),
        (
            format!("{listen}{}", web("backends = [{ to = \"http://a\" }, { to = \"http://a\" }]")),
            5,
            "http://a:80 stands here twice",
        ),
        (
            format!("{listen}{}", web("backends = [{ to = \"http://a\" }, { to = \"files:/a\" }]")),
            5,
            "where all are http://HOST:PORT or https://HOST",
        ),
        (
            format!("{listen}{}", web("backends = [{ to = \"http://a\", wieght = 2 }]")),
            5,
            "did you mean `weight`",
        ),
        (
            format!("{listen}{}", web("backends = [{ to = \"http://a\", weight = 0 }]")),
            5,
            "choose 1 to 256",
        ),
        (format!("{listen}{wiki}health = \"/h\"\n"), 6, "leave `health` out"),
        (
            format!(
                "{listen}mode = \"starttls:mysql\"\n{}alpn = [\"mysql\"]\n",
                wiki.replace("tcp:", "tls:")
            ),
            6,
            "heard in the clear",
        ),
        (format!("{listen}{}", web("backend = \"imap://mail.example.org\"")), 1, ""),
        (format!("{listen}{}", web("backend = \"mysql://a\"")), 1, ""),
        (
            format!(
                "{listen}mode = \"starttls:mysql\"\n{}alpn = [\"mysql\"]\n",
                web("backend = \"mysql://a\"")
            ),
            1,
            "",
        ),
        (format!("{listen}{wiki}backend_tls = {{ name = \"a\" }}\n"), 6, "reached over TLS"),
        (
            format!("{listen}{}backend_tls = {{ key = \"/a\" }}\n", wiki.replace("tcp:", "tls:")),
            6,
            "a certificate needs its key",
        ),
        (
            format!("{listen}{}passthrough = true\n", wiki.replace("tcp:", "tls:")),
            5,
            "it can't begin anew",
        ),
        (
            format!(
                "{listen}{}",
                web("backends = [{ to = \"tcp:a:1\", weight = 2 }, { to = \"tls:a:2\" }]")
            ),
            1,
            "",
        ),
        (format!("{listen}{wiki}health = \"h\"\n"), 6, "`h` is no path"),
        (
            format!("{listen}{wiki}[[tls.server.route]]\npath = \"/a\"\nbackend = \"http://a\"\n"),
            6,
            "routes are for requests",
        ),
        (
            format!(
                "{listen}{}\n[[tls.server.route]]\npath = \"/\"\nbackend = \"http://a\"\n",
                web("backend = \"http://a\"")
            ),
            7,
            "/ leads to two services",
        ),
        (
            format!(
                "{listen}{}\n[[tls.server.route]]\npath = \"/a\"\n",
                web("backend = \"http://a\"")
            ),
            7,
            "needs either `backend` or `backends`",
        ),
        (
            format!(
                "{listen}{}\n[[tls.server.route]]\npath = \"/a\"\nbackend = \"files:/srv\"\n",
                web("backends = [{ to = \"http://a\", weight = 2 }, { to = \"http://b\" }]")
            ),
            1,
            "",
        ),
        (client("0.0.0.0:7000", ""), 2, "can be reached from other machines"),
        (format!("{listen}{}", client("127.0.0.1:443", "")), 4, "is listened on already"),
        (client("127.0.0.1:7000", "certificate = \"/a\"\n"), 3, "a certificate needs its key"),
        (client("127.0.0.1:7000", "ca = \"a.pem\"\n"), 3, "a.pem is no whole path"),
        (client("127.0.0.1:7000", "ac = \"/a.pem\"\n"), 4, "did you mean `ca`"),
        (client("127.0.0.1:7000", "revocation = \"prefer\"\n"), 1, ""),
        (format!("{listen}{wiki}clients = \"requird\"\n"), 6, "`requird`"),
        (
            format!("{listen}{wiki}clint = 3\n"),
            6,
            "no key `clint` in [tls.server]; did you mean `clients`",
        ),
        (format!("{listen}{}", wiki.replace("wiki.", "*.")), 4, "can't be the first name"),
        (format!("{listen}{}", wiki.replace("[\"wiki", "[\"example.org\", \"wiki")), 1, ""),
        (
            format!(
                "{listen}{wiki}alpn = [\"h2\"]\n{}",
                wiki.replace("org\"]", "org\", \"x.org\"]")
            ),
            8,
            "the same `names`",
        ),
        ("[acme]\ndirectory = \"http://ca.test/\"\n".to_owned(), 2, "is no ACME directory"),
        ("[acme]\nemail = \"me\"\n".to_owned(), 2, "acme.email is no address"),
        ("[acme]\neab_id = \"me\"\n".to_owned(), 2, "needs acme.eab_key_file"),
        ("[acme]\nca = \"ca.pem\"\n".to_owned(), 2, "ca.pem is no whole path"),
        ("[acme]\nchallenges = []\n".to_owned(), 2, "choose from tls-alpn-01"),
        (
            format!(
                "{listen}{}certificate = \"acme\"\n",
                wiki.replace("org\"]", "org\", \"*.x.org\"]")
            ),
            4,
            "by DNS alone",
        ),
        (format!("{listen}{wiki}certificate = \"letsencrypt\"\n"), 6, "expected \"own\", \"acme\""),
        (
            format!("{listen}{wiki}certificate = {{ chain = \"a.pem\", key = \"/b.pem\" }}\n"),
            6,
            "a.pem is no whole path",
        ),
        (
            format!("{listen}{wiki}certificate = {{ chain = \"/a.pem\" }}\n"),
            6,
            "missing field `key`",
        ),
        (
            format!("{listen}{wiki}passthrough = true\ncertificate = \"acme\"\n"),
            7,
            "the backend has the certificate",
        ),
        (
            format!(
                "{listen}{wiki}alpn = [\"h2\"]\n{wiki}alpn = [\"imap\"]\ncertificate = \"acme\"\n"
            ),
            8,
            "and `certificate`",
        ),
        (format!("{listen}{}", wiki.replace("tcp:", "")), 5, "is no backend"),
        (
            format!("{listen}{}", wiki.replace("wiki", "wi ki")),
            4,
            "no name that a client can ask for",
        ),
        (format!("[vpn]\nlisten = [\"tcp:[::]:443\"]\n{listen}{wiki}"), 4, "vpn.listen has"),
        (
            format!("[vpn]\nlisten = [\"tcp:[::]:443\"]\n{listen}mode = \"shared\"\n{wiki}"),
            4,
            "443 too, which is shared here; take it out there",
        ),
        (format!("{}mode = \"http\"\n", listen.replace("443", "80")), 2, "to HTTPS already"),
        (format!("{listen}mode = \"http\"\n{wiki}"), 5, "that takes TLS"),
        (format!("{listen}mode = \"sharde\"\n{wiki}"), 3, "`sharde` is no mode"),
        (format!("{listen}passive_ports = \"2000-2001\"\n{wiki}"), 3, "which FTP alone has"),
        (
            format!("{listen}mode = \"starttls:ftp\"\npassive_ports = \"2001-2000\"\n{wiki}"),
            4,
            "`2001-2000` is no range of ports",
        ),
        (
            format!("{listen}mode = \"starttls:ftp\"\nproxies = [\"192.0.2.0/24\"]\n{wiki}"),
            4,
            "don't come by a proxy",
        ),
        (format!("{listen}mode = \"starttls:ftp\"\npassive_ports = \"2000-2001\"\n{wiki}"), 1, ""),
        (format!("{listen}passive_address = \"192.0.2.1\"\n{wiki}"), 3, "which FTP alone has"),
        (
            format!("{listen}mode = \"starttls:ftp\"\npassive_address = \"0.0.0.0\"\n{wiki}"),
            4,
            "0.0.0.0 is where nobody can connect to",
        ),
        (
            format!("{listen}mode = \"starttls:ftp\"\npassive_address = \"192.0.2.1\"\n{wiki}"),
            1,
            "",
        ),
        (format!("{listen}protocols = [\"tls\"]\n{wiki}"), 3, "mode = \"shared\" too"),
        (
            format!("{listen}mode = \"shared\"\nprotocols = [\"tls\", \"smtp\"]\n{wiki}"),
            4,
            "clients of smtp wait for the server to speak first",
        ),
        (format!("{listen}mode = \"shared\"\nprotocols = []\n{wiki}"), 4, "protocols is empty"),
        (format!("{listen}mode = \"shared\"\n{wiki}"), 1, ""),
        (format!("[publish]\nlisten = [\"[::]:443\"]\n{listen}{wiki}"), 4, "publish.listen has"),
    ] {
        if said.is_empty() {
            assert!(Config::parse(Path::new("x"), &text).is_ok(), "{text}");
            continue;
        }
        let error = error(&text);
        assert!(error.starts_with(&format!("/d/handfast.toml:{line}:")), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn networks_that_may_begin_are_checked_and_need_the_gateways_firewall() {
    assert_eq!(
        error("[vpn]\nallow_in = [\"192.168.1.7/24\"]\n"),
        "/d/handfast.toml:2:12: vpn.allow_in: 192.168.1.7/24 has bits set behind its prefix; \
             write 192.168.1.0/24"
    );
    assert_eq!(
        error("[vpn]\nnat = false\nallow_in = [\"192.168.1.0/24\"]\n"),
        "/d/handfast.toml:3:12: vpn.allow_in stands beside vpn.nat = false, which leaves the \
             firewall to you; allow them there"
    );
}

#[test]
fn pushes_that_can_do_nothing_on_a_client_are_refused_with_the_mend() {
    let inside = "which is inside the tunnel's own network; subscribers have that, leave it out";
    let nowhere = "which never leaves a machine; leave it out";
    for (key, value, why) in [
        ("routes", "10.71.0.0/16", inside),
        ("routes", "10.71.3.0/24", inside),
        ("routes", "fd71::8:0/112", inside),
        ("routes", "127.0.0.0/8", nowhere),
        ("routes", "224.0.0.0/4", nowhere),
        ("routes", "fe80::/64", nowhere),
        (
            "routes",
            "0.0.0.0/0",
            "which takes the way to the gateway itself into the tunnel; for all traffic set \
                 vpn.push.redirect_gateway",
        ),
        (
            "dns",
            "127.0.0.53",
            "which each client takes for itself or for nobody; name one that it can reach",
        ),
    ] {
        let text = format!("[vpn]\nnetwork6 = \"fd71::/64\"\n[vpn.push]\n{key} = [\"{value}\"]\n");
        let column = key.len() + 4;
        assert_eq!(
            error(&text),
            format!("/d/handfast.toml:4:{column}: vpn.push.{key} has {value}, {why}")
        );
    }
    assert_eq!(
        error("[vpn.push]\nroutes = [\"fd09::/64\"]\n"),
        "/d/handfast.toml:2:10: vpn.push.routes has fd09::/64, and there is no IPv6 inside to go there \
             with; set vpn.network6, or leave it out"
    );
    assert_eq!(
        error("[vpn.push]\ndns = [\"fd09::53\"]\nredirect_gateway = true\n"),
        "/d/handfast.toml:2:7: vpn.push.dns has fd09::53, and vpn.push.redirect_gateway without \
             vpn.network6 leaves clients no IPv6; name an IPv4 one"
    );
}

#[test]
fn a_start_leaves_out_the_pushes_that_can_do_nothing_and_names_each() {
    let text = "[vpn.push]\nroutes = [\"10.9.0.0/16\", \"10.71.3.0/24\", \"127.0.0.0/8\"]\n\
                    dns = [\"127.0.0.53\", \"10.9.0.1\"]\ndns_search = [\"\", \"example.org\"]\n";
    let started = Config::parse_for_start(Path::new("x"), text).expect("it starts");
    let push = started.config.vpn.push;
    let routes: Vec<_> = push.routes.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["10.9.0.0/16"]);
    assert_eq!(push.dns, ["10.9.0.1".parse::<IpAddr>().expect("an address")]);
    assert_eq!(push.dns_search, ["example.org"]);
    let told: Vec<_> = started.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].starts_with("x:2:10: vpn.push.routes has 10.71.3.0/24"), "{told:?}");
    // Other mistakes stop it all the same.
    let wrong = Config::parse_for_start(Path::new("x"), "[vpn]\nping = 0\n");
    assert!(wrong.is_err());
}

#[test]
fn pushes_around_the_tunnels_network_and_beside_it_are_taken() {
    let text = "[vpn]\nnetwork6 = \"fd71::/64\"\n[vpn.push]\n\
                    routes = [\"10.0.0.0/8\", \"10.72.0.0/16\", \"fd00::/8\"]\n\
                    dns = [\"10.71.0.1\", \"fd71::1\"]\n";
    let config = Config::parse(Path::new("x"), text).expect("valid");
    assert_eq!(config.vpn.push.routes.len(), 3);
}

#[test]
fn what_a_reload_can_not_change_is_named() {
    let old = Config::default();
    let mut new = old.clone();
    new.vpn.nat = false;
    new.vpn.push.redirect_gateway = true;
    assert_eq!(old.only_at_start(&new), ["vpn.nat"]);
}

#[test]
fn udp_and_tcp_may_share_a_port() {
    let text = "[vpn]\nlisten = [\"udp:[::]:1194\", \"tcp:[::]:1194\"]\n";
    let config = Config::parse(Path::new("x"), text).expect("valid");
    let transports: Vec<_> = config.vpn.listen.iter().map(|l| l.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    assert_eq!(config.vpn.listen[1].to_string(), "tcp:[::]:1194");
    assert_eq!(
        error("[vpn]\nlisten = [\"tcp:[::]:1\", \"tcp:[::]:1\"]\n"),
        "/d/handfast.toml:2:10: vpn.listen names tcp:[::]:1 twice"
    );
}
