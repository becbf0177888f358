//! What all profiles share, as the settings of today have it.

use admin::response::{ProfileCommon, Remote};
use admin::secret::SecretText;
use admin::transport::Transport;
use front::Protocol;

use crate::config::{Config, PublicName};
use crate::context::Context;
use crate::error::GatewayError;

/// What all profiles share.
pub(super) fn common(at: &Context) -> Result<ProfileCommon, GatewayError> {
    let policy = at.view.policy();
    let config = &policy.config;
    let remotes = remotes(config);
    if remotes.is_empty() {
        return Err(GatewayError::NoPublicName { file: at.data.config() });
    }
    Ok(ProfileCommon {
        ca_pem: at.authority.issuers().to_pem(),
        tls_auth_key: SecretText::new(at.tls_auth.to_text().to_string()),
        auth: config.vpn.auth.name().to_owned(),
        server_name: at.authority.server_name().to_owned(),
        remotes,
        ciphers: config.vpn.ciphers.iter().map(|cipher| cipher.name().to_owned()).collect(),
    })
}

/// Every public name with every port that it is reached at, in the order of both: the port that it says,
/// else those that are listened on.
pub(crate) fn remotes(config: &Config) -> Vec<Remote> {
    let mut found: Vec<Remote> = Vec::new();
    for name in &config.public.names {
        for remote in reached_by(name, config) {
            // Two names may say the same: one for every transport, one for TCP alone.
            if !found.contains(&remote) {
                found.push(remote);
            }
        }
    }
    found
}

fn reached_by<'a>(name: &'a PublicName, config: &'a Config) -> impl Iterator<Item = Remote> + 'a {
    let wanted = name.transport();
    let doors = config.vpn.listen.iter().map(|l| (l.address.port(), l.transport));
    let shared = config.tls.listen.iter().filter(|listen| listen.takes(Protocol::OpenVpn));
    let doors = doors.chain(shared.map(|listen| (listen.address.port(), Transport::Tcp)));
    let doors =
        doors.filter(move |(_, transport)| wanted.is_none_or(|wanted| wanted == *transport));
    doors.map(|(port, transport)| Remote {
        host: name.host().to_owned(),
        port: name.port().unwrap_or(port),
        transport,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_vpn_shares_is_one_of_its_own() {
        let text = "[public]\nnames = [\"a.example\"]\n[[tls.listen]]\naddress = \"[::]:443\"\n";
        let found = |more: &str| {
            let config: Config = toml::from_str(&format!("{text}{more}")).expect("settings");
            remotes(&config)
                .iter()
                .map(|r| format!("{} {}", r.port, r.transport.word()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(""), ["1194 udp"]);
        assert_eq!(found("mode = \"shared\"\n"), ["1194 udp", "443 tcp"]);
        assert_eq!(found("mode = \"shared\"\nprotocols = [\"tls\"]\n"), ["1194 udp"]);
    }

    #[test]
    fn a_name_with_a_port_is_reached_there_and_others_where_the_gateway_listens() {
        let found = |names: &[&str], listen: &[&str]| -> Vec<String> {
            let mut config = Config::default();
            config.public.names = names.iter().map(|name| name.parse().expect("a name")).collect();
            config.vpn.listen = listen.iter().map(|l| l.parse().expect("a socket")).collect();
            let said = |r: Remote| format!("{} {} {}", r.host, r.port, r.transport.word());
            remotes(&config).into_iter().map(said).collect()
        };
        let both = ["udp:[::]:1194", "tcp:[::]:1194", "tcp:[::]:8443"];
        assert_eq!(
            found(&["a.example", "b.example:443"], &both[..2]),
            ["a.example 1194 udp", "a.example 1194 tcp", "b.example 443 udp", "b.example 443 tcp"]
        );
        assert_eq!(
            found(&["udp:a.example", "tcp:[fd00::1]:443"], &both),
            ["a.example 1194 udp", "fd00::1 443 tcp"]
        );
        assert_eq!(found(&["tcp:a.example"], &both), ["a.example 1194 tcp", "a.example 8443 tcp"]);
        assert_eq!(
            found(&["a.example:443", "tcp:a.example:443"], &both),
            ["a.example 443 udp", "a.example 443 tcp"],
            "the same is said once"
        );
    }
}
