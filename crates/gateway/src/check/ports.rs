//! The addresses that a stopped gateway is to listen at: whether it may, and who is there already.
//!
//! A running one has them, and says which it could not have. Invariant: each is given back before the next is tried.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use admin::response::Finding;

use super::{bad, good, taken, warning};
use crate::config::{Config, Transport};

/// Of the VPN, of virtual servers, of what the CA publishes, and ports that lead elsewhere.
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let tls = config.tls.clone().with_usual_port();
    let of_vpn = config.vpn.listen.iter().map(|one| Wanted {
        transport: one.transport,
        address: one.address,
        door: Door::Vpn,
    });
    let over_tcp = |door| move |address| Wanted { transport: Transport::Tcp, address, door };
    let of_servers = tls.listen.iter().map(|one| one.address).map(over_tcp(Door::Tls));
    let of_ca = config.publish.listen.iter().copied().map(over_tcp(Door::Publish));
    let elsewhere = tls.client.iter().map(|one| one.listen).map(over_tcp(Door::Client));
    let all = of_vpn.chain(of_servers).chain(of_ca).chain(elsewhere);
    all.map(|wanted| wanted.finding()).collect()
}

/// An address that is to be listened at.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    transport: Transport,
    address: SocketAddr,
    door: Door,
}

/// What for.
#[derive(Clone, Copy, Debug)]
enum Door {
    Vpn,
    Tls,
    Publish,
    Client,
}

impl Wanted {
    fn finding(&self) -> Finding {
        let (subject, key) = (self.to_string(), self.door.key());
        match self.is_to_be_had() {
            Ok(()) => good(&subject, format!("it is free for {}", self.door)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => self.taken(&subject),
            Err(_) if self.is_any() && ipv6_is_off() => warning(
                &subject,
                "IPv6 is off on this machine, so that only IPv4 is listened on",
                format!("write {} into {key}", Self { address: self.any_ipv4(), ..*self }),
            ),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => self.lacks(
                &subject,
                "this user may not listen there",
                "run as root, or with the capability CAP_NET_BIND_SERVICE",
            ),
            Err(error) => self.lacks(
                &subject,
                format!("it can't be listened on: {error}"),
                format!("put an address of this machine into {key}"),
            ),
        }
    }

    fn taken(&self, subject: &str) -> Finding {
        let holders = taken::by(self.transport, self.address);
        if !holders.is_empty() && holders.iter().all(taken::Holder::is_systemd) {
            return warning(
                subject,
                "systemd listens there",
                "all is well if it does so for the gateway: systemctl list-sockets; else end that socket unit",
            );
        }
        let names: Vec<_> = holders.iter().map(ToString::to_string).collect();
        let which = match self.transport {
            Transport::Udp => "-ulpn",
            Transport::Tcp => "-tlpn",
        };
        let port = self.address.port();
        match names.as_slice() {
            [] => self.lacks(
                subject,
                "another program listens there",
                format!("see which, as root: ss {which} sport = :{port}"),
            ),
            names => self.lacks(
                subject,
                format!("{} listens there", names.join(", ")),
                format!("end it, or choose another {}", self.door.key()),
            ),
        }
    }

    /// Without the VPN's own there is no gateway; without another it serves all the same.
    fn lacks(&self, subject: &str, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
        match self.door {
            Door::Vpn => bad(subject, seen, mend),
            Door::Tls | Door::Publish | Door::Client => warning(subject, seen, mend),
        }
    }

    fn is_to_be_had(&self) -> io::Result<()> {
        match self.transport {
            Transport::Udp => UdpSocket::bind(self.address).map(drop),
            Transport::Tcp => TcpListener::bind(self.address).map(drop),
        }
    }

    fn is_any(&self) -> bool {
        self.address.ip() == Ipv6Addr::UNSPECIFIED
    }

    fn any_ipv4(&self) -> SocketAddr {
        (Ipv4Addr::UNSPECIFIED, self.address.port()).into()
    }
}

/// As `vpn.listen` writes it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.word(), self.address)
    }
}

impl Door {
    /// The setting that has its addresses.
    fn key(self) -> &'static str {
        match self {
            Self::Vpn => "vpn.listen",
            Self::Tls => "tls.listen",
            Self::Publish => "publish.listen",
            Self::Client => "tls.client",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vpn => "the VPN",
            Self::Tls => "virtual servers",
            Self::Publish => "what the CA publishes",
            Self::Client => "a service elsewhere",
        })
    }
}

fn ipv6_is_off() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err()
}

#[cfg(test)]
mod tests {
    use admin::response::Level;

    use super::*;

    #[test]
    fn each_door_has_its_addresses_looked_at_the_usual_one_of_virtual_servers_too() {
        let config = settings(
            "[vpn]\nlisten = [\"udp:127.0.0.1:0\"]\n[publish]\nlisten = [\"127.0.0.1:0\"]\n\
             [[tls.server]]\nnames = [\"web.test\"]\nbackend = \"tcp:127.0.0.1:1\"\n",
        );
        let subjects: Vec<_> = ports(&config).into_iter().map(|one| one.subject).collect();
        assert_eq!(subjects, ["udp:127.0.0.1:0", "tcp:[::]:443", "tcp:127.0.0.1:0"]);
    }

    #[test]
    fn a_taken_port_is_told_with_its_program_and_the_setting_that_names_it_and_a_free_one_is_good()
    {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = holder.local_addr().expect("an address");
        let config = settings(&format!(
            "[vpn]\nlisten = []\n[publish]\nlisten = []\n[[tls.listen]]\naddress = \"{at}\"\n"
        ));
        let [found] = <[Finding; 1]>::try_from(ports(&config)).expect("one");
        assert_eq!(found.level, Level::Warning, "the VPN goes on without it");
        let own = format!("(process {}) listens there", std::process::id());
        assert!(found.seen.ends_with(&own), "{found:?}");
        assert!(found.mend.is_some_and(|mend| mend.contains("tls.listen")));
        drop(holder);
        let found = &ports(&config)[0];
        assert_eq!((found.level, &*found.seen), (Level::Good, "it is free for virtual servers"));
    }

    #[test]
    fn a_taken_port_over_udp_and_an_address_of_another_machine_are_told_too() {
        let holder = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let at = holder.local_addr().expect("an address");
        let config = settings(&format!(
            "[vpn]\nlisten = [\"udp:{at}\", \"tcp:192.0.2.1:1194\"]\n[publish]\nlisten = []\n"
        ));
        let [taken, elsewhere] = <[Finding; 2]>::try_from(ports(&config)).expect("two");
        assert_eq!(taken.level, Level::Bad);
        assert!(taken.seen.contains(&std::process::id().to_string()), "{taken:?}");
        assert!(elsewhere.mend.is_some_and(|mend| mend.contains("vpn.listen")));
    }

    fn settings(text: &str) -> Config {
        toml::from_str(text).expect("settings")
    }
}
