//! What the settings of virtual servers do that their author may not have meant.

use admin::response::Finding;
use front::{Listen, Protocol, Settings, VirtualServer};

use super::warning;

/// Servers that name no protocol answer by STARTTLS and without: to a browser, a mail server at the web's port.
pub(super) fn reached_both_ways(settings: &Settings) -> Option<Finding> {
    let met = settings.server.iter().filter_map(|server| both_ways(settings, server));
    let met: Vec<_> = met.collect();
    let spoken = &met.first()?.0;
    let mut seen: Vec<_> = met.iter().map(|(_, seen)| seen.clone()).collect();
    let more = seen.len().saturating_sub(NAMED);
    seen.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Some(warning(
        "virtual servers",
        format!(
            "without `alpn`, a server takes clients of whatever protocol: {}{more}",
            seen.join("; ")
        ),
        format!(
            "name what it speaks, as alpn = [\"{spoken}\"] in its [[tls.server]]: who offers something else is \
             refused then; handfast tls list has the ports"
        ),
    ))
}

/// What is spoken before TLS at one of its addresses, where TLS begins at once at another, and which they are.
fn both_ways(settings: &Settings, server: &VirtualServer) -> Option<(String, String)> {
    if !server.protocols().is_empty() {
        return None;
    }
    let at: Vec<&Listen> = settings.reached_at(server).collect();
    let by_starttls = at.iter().find(|listen| listen.mode.starttls().is_some())?;
    let at_once = at.iter().find(|listen| listen.takes(Protocol::Tls))?;
    let seen = format!(
        "{} answers at {} and, where TLS begins at once, at {}",
        server.label(),
        by_starttls.address,
        at_once.address
    );
    by_starttls.mode.starttls().map(|spoken| (spoken.to_string(), seen))
}

/// PostgreSQL's clients bind their password to the certificate that they were shown.
pub(super) fn part_a_channel(settings: &Settings) -> Option<Finding> {
    let part = settings.server.iter().filter(|server| server.parts_a_channel());
    let part: Vec<_> = part.map(VirtualServer::label).take(NAMED).collect();
    (!part.is_empty()).then(|| {
        warning(
            "virtual servers",
            format!(
                "TLS ends here and begins anew to the database, under another certificate: {}. A password by SCRAM is \
                 bound to the one that was shown, and refused",
                part.join(", ")
            ),
            "show the database's own here (`certificate` with its files), or have clients connect with \
             channel_binding=disable",
        )
    })
}

const NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_for_starttls_without_protocols_is_named_with_the_web_port_where_it_answers_too() {
        let found = reached_both_ways(&settings("[::]:443", "")).expect("a finding");
        assert!(found.seen.contains("mail.test answers at [::]:587"), "{found:?}");
        assert!(found.seen.contains("at [::]:443"), "{found:?}");
        assert!(found.mend.expect("a mend").contains("alpn = [\"submission\"]"));
    }

    #[test]
    fn one_that_names_its_protocol_or_has_no_other_address_is_as_it_should_be() {
        let named = settings("[::]:443", "alpn = [\"submission\"]\n");
        assert_eq!(reached_both_ways(&named), None);
        let requests = settings("[::]:443", "").server.remove(0);
        let mut web = settings("[::]:443", "");
        web.server[0] = VirtualServer { backend: "http://127.0.0.1:1".parse().ok(), ..requests };
        assert_eq!(reached_both_ways(&web), None);
        let mut alone = settings("[::]:443", "");
        alone.listen.remove(0);
        assert_eq!(reached_both_ways(&alone), None);
    }

    #[test]
    fn a_database_behind_another_certificate_is_named_with_what_its_clients_have_to_set() {
        let database = |backend: &str, more: &str| {
            let mut settings = settings("[::]:443", more);
            settings.server[0].backend = backend.parse().ok();
            part_a_channel(&settings)
        };
        let found = database("postgresql://127.0.0.1", "").expect("a finding");
        assert!(found.seen.contains("mail.test"), "{found:?}");
        assert!(found.mend.expect("a mend").contains("channel_binding=disable"));
        let alpn = "alpn = [\"postgresql\"]\n";
        assert!(database("tls:127.0.0.1:5432", alpn).is_some());
        assert_eq!(database("tcp:127.0.0.1:5432", alpn), None);
        assert_eq!(database("tls:127.0.0.1:5432", ""), None);
        let files = "certificate = { chain = \"/c\", key = \"/k\" }\n";
        assert_eq!(database("postgresql://127.0.0.1", files), None, "it may be the same one");
    }

    fn settings(web: &str, more: &str) -> Settings {
        let text = format!(
            "[[listen]]\naddress = \"{web}\"\n[[listen]]\naddress = \"[::]:587\"\nmode = \
             \"starttls:submission\"\n[[server]]\nnames = [\"mail.test\"]\nbackend = \
             \"tcp:127.0.0.1:1\"\n{more}"
        );
        toml::from_str(&text).expect("settings")
    }
}
