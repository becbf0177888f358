//! A thousand virtual servers on one port.
//!
//! Alone: it times a start and a reload.

mod tls_house;

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use interop::wait_until;
use rustls::CertificateError;
use tls_house::{House, ask};

#[test]
fn a_thousand_servers_on_one_port_each_answer_with_their_own_certificate() {
    let name = "a_thousand_servers_on_one_port_each_answer_with_their_own_certificate";
    let Some(mut house) = House::start(name, SETTINGS) else { return };
    let text = fs::read_to_string(house.settings()).expect("settings");
    fs::write(house.settings(), text + &many()).expect("written");
    let host = house.world.host();
    let client = house.client.clone();

    let begun = Instant::now();
    house.world.handfast(&["reload"]);
    let made = begun.elapsed();
    let everybody = || house.world.json(&["tls", "list"])["servers"].as_array().map_or(0, Vec::len);
    assert_eq!(everybody(), SERVERS + 2);
    // Whose name the certificate has is what the client looks at.
    let ask_each = |step: usize| -> Vec<String> {
        let names = (0..SERVERS).step_by(step).map(|number| format!("n{number}.many.test"));
        let failed = |name: String| match client.connect(&name) {
            Ok(mut stream) => ask(&mut stream, "hello").err().map(|why| format!("{name}: {why}")),
            Err(why) => Some(format!("{name}: {why}")),
        };
        names.filter_map(failed).collect()
    };
    let failed = host.netns.run(|| ask_each(1)).expect("a thread");
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);

    host.netns.run(|| odd_names(&client)).expect("a thread");

    let begun = Instant::now();
    house.world.handfast(&["reload"]);
    let again = begun.elapsed();
    house.world.bring_down();
    let begun = Instant::now();
    house.world.bring_up();
    let up = begun.elapsed();
    let last = format!("n{}.many.test", SERVERS - 1);
    let answers = || host.netns.run(|| client.connect(&last).is_ok()).expect("a thread");
    assert!(wait_until(Duration::from_secs(20), answers), "{}", house.world.log());
    println!(
        "FIGURE {SERVERS} virtual servers: {} ms for the reload that makes their certificates, {} ms for one that \
         changes nothing, {} ms from a start to the first answer to an administrator, {} ms until the last server is \
         reached, {} MiB",
        made.as_millis(),
        again.as_millis(),
        up.as_millis(),
        begun.elapsed().as_millis(),
        house.memory() >> 20
    );
    let failed = host.netns.run(|| ask_each(10)).expect("a thread");
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    assert!(again < Duration::from_secs(10), "{again:?}");
}

/// Wildcard, default and no name.
fn odd_names(client: &tls_house::Client) {
    let answered = |name: &str| {
        let mut stream = client.connect(name).map_err(|why| why.to_string())?;
        ask(&mut stream, "hello").map_err(|why| why.to_string())
    };
    assert_eq!(answered("one.wild.test").as_deref(), Ok("answered: hello"));
    assert_eq!(answered("N7.Many.Test").as_deref(), Ok("answered: hello"));
    // The default's certificate has another name.
    let not_valid = format!("{:?}", CertificateError::NotValidForName);
    let refused = |name: &str| answered(name).expect_err("another's certificate");
    for name in ["nobody.test", "two.one.wild.test", "many.test"] {
        let said = refused(name);
        assert!(said.contains("not valid for name") || said.contains(&not_valid), "{name}: {said}");
    }
    let mut nameless = client.clone();
    let config = std::sync::Arc::make_mut(&mut nameless.config);
    config.enable_sni = false;
    assert!(nameless.connect("wild.test").is_ok(), "without a name the default answers");
}

fn many() -> String {
    let mut text = String::new();
    for number in 0..SERVERS {
        let _ = write!(
            text,
            "\n[[tls.server]]\nnames = [\"n{number}.many.test\"]\nbackend = \"tcp:127.0.0.1:7000\"\n"
        );
    }
    text
}

const SERVERS: usize = 1000;
const SETTINGS: &str = r#"
[[tls.listen]]
address = "[::]:443"

[[tls.server]]
names = ["wild.test"]
default = true
backend = "tcp:127.0.0.1:7000"

[[tls.server]]
names = ["apps.test", "*.wild.test"]
backend = "tcp:127.0.0.1:7000"
"#;
