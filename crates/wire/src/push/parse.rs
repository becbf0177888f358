//! Pushed options from text.
//!
//! An unknown option becomes [`PushOption::Other`]; a known one whose arguments are wrong is refused
//! with its reason, and the rest of the reply stays good.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use zeroize::Zeroizing;

use super::{
    DhcpOption, DnsOption, DnsServer, DnsTransport, Dnssec, MAX_OPTION, ProtocolFlag, PushOption,
    RedirectFlags, RouteTarget, Secret, Topology,
};
use crate::domain::DomainName;
use crate::header::PeerId;
use crate::words::{self, WordErrorKind};

/// Why a pushed option is refused: the server's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOptionError {
    /// Nothing between two commas.
    Empty,
    /// More than 255 bytes.
    TooLong,
    /// A comma, NUL, newline or another control character.
    Unprintable,
    /// It can't be split into words.
    Words(WordErrorKind),
    /// An argument is missing.
    Missing,
    /// An argument too many.
    Surplus,
    /// An argument that should be an address.
    NotAnAddress,
    /// An argument that should be a number in the option's range.
    NotANumber,
    /// An argument that should be a domain name.
    NotADomainName,
    /// An argument that should be one of a few words.
    UnknownWord,
}

impl fmt::Display for PushOptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it has more than 255 bytes",
            Self::Unprintable => "it has a comma or a control character",
            Self::Words(kind) => return kind.fmt(f),
            Self::Missing => "an argument is missing",
            Self::Surplus => "there is an argument too many",
            Self::NotAnAddress => "an argument is not an address",
            Self::NotANumber => "an argument is not a number in range",
            Self::NotADomainName => "an argument is not a domain name",
            Self::UnknownWord => "an argument is not one of the known words",
        })
    }
}

impl Error for PushOptionError {}

impl PushOption {
    /// Parses one option, as pushed or as an administrator writes it.
    pub fn parse(text: &str) -> Result<PushOption, PushOptionError> {
        check_text(text)?;
        let words = words::split(text).map_err(|error| PushOptionError::Words(error.kind))?;
        let mut words = words.iter().map(|word| word.text.as_str());
        let name = words.next().ok_or(PushOptionError::Empty)?;
        let name = name.strip_prefix("--").unwrap_or(name);
        let mut args = Args(words.collect::<Vec<_>>().into_iter());
        let option = match parse_known(name, &mut args)? {
            Some(option) => option,
            // Only what separates words: without another space the rest might read as a known option.
            None => return Ok(PushOption::Other(text.trim_ascii().to_owned())),
        };
        args.end()?;
        Ok(option)
    }
}

/// What every option has to obey to be pushed at all.
pub(super) fn check_text(text: &str) -> Result<(), PushOptionError> {
    if text.trim_ascii().is_empty() {
        return Err(PushOptionError::Empty);
    }
    if text.len() > MAX_OPTION {
        return Err(PushOptionError::TooLong);
    }
    if text.chars().any(|c| c == ',' || c.is_control()) {
        return Err(PushOptionError::Unprintable);
    }
    Ok(())
}

fn parse_known(name: &str, args: &mut Args<'_>) -> Result<Option<PushOption>, PushOptionError> {
    Ok(Some(match name {
        "ifconfig" => PushOption::Ifconfig { local: args.addr()?, netmask: args.addr()? },
        "ifconfig-ipv6" => {
            let (addr, bits) = args.prefix(64..=124)?;
            PushOption::IfconfigV6 { addr, bits, remote: args.addr()? }
        }
        "route" => PushOption::Route {
            network: route_target(args.word()?)?,
            netmask: args.or_default(Args::parsed_addr)?,
            gateway: args.or_default(route_target)?,
            metric: args.or_default(Args::parsed_number)?,
        },
        "route-ipv6" => {
            let (network, bits) = args.prefix(0..=128)?;
            let gateway = args.or_default(Args::parsed_addr)?;
            PushOption::RouteV6 {
                network,
                bits,
                gateway,
                metric: args.or_default(Args::parsed_number)?,
            }
        }
        "route-gateway" => match args.word()? {
            "dhcp" => PushOption::RouteGateway(None),
            addr => PushOption::RouteGateway(Some(Args::parsed_addr(addr)?)),
        },
        "route-metric" => PushOption::RouteMetric(args.number()?),
        "topology" => PushOption::Topology(match args.word()? {
            "subnet" => Topology::Subnet,
            "net30" => Topology::Net30,
            "p2p" => Topology::P2p,
            _ => return Err(PushOptionError::UnknownWord),
        }),
        "ping" => PushOption::Ping(args.number()?),
        "ping-restart" => PushOption::PingRestart(args.number()?),
        "ping-exit" => PushOption::PingExit(args.number()?),
        "peer-id" => {
            PushOption::PeerId(PeerId::new(args.number()?).ok_or(PushOptionError::NotANumber)?)
        }
        "cipher" => PushOption::Cipher(args.token()?),
        "protocol-flags" => PushOption::ProtocolFlags(args.rest().map(protocol_flag).collect()),
        "key-derivation" => match args.word()? {
            "tls-ekm" => PushOption::KeyDerivationTlsEkm,
            _ => return Err(PushOptionError::UnknownWord),
        },
        "dhcp-option" => return dhcp_option(args),
        "dns" => PushOption::Dns(dns_option(args)?),
        "redirect-gateway" => PushOption::RedirectGateway(redirect_flags(args)?),
        "redirect-private" => PushOption::RedirectPrivate(redirect_flags(args)?),
        "block-ipv6" => PushOption::BlockIpv6,
        "block-outside-dns" => PushOption::BlockOutsideDns,
        "tun-mtu" => PushOption::TunMtu(args.number::<u16>().and_then(|mtu| match mtu {
            100.. => Ok(mtu),
            _ => Err(PushOptionError::NotANumber),
        })?),
        "explicit-exit-notify" => {
            PushOption::ExplicitExitNotify(args.or_default(Args::parsed_number)?.unwrap_or(1))
        }
        "inactive" => PushOption::Inactive {
            seconds: args.number()?,
            bytes: args.or_default(Args::parsed_number)?,
        },
        "session-timeout" => PushOption::SessionTimeout(args.number()?),
        "auth-token" => PushOption::AuthToken(Secret(Zeroizing::new(args.word()?.to_owned()))),
        "auth-token-user" => PushOption::AuthTokenUser(args.base64()?),
        "setenv-safe" => match args.word()? {
            "HANDFAST_RCVBUF" => PushOption::ReceiveBuffer(args.number()?),
            _ => return Ok(None),
        },
        "tun-ipv6" => PushOption::TunIpv6,
        _ => return Ok(None),
    }))
}

fn route_target(word: &str) -> Result<RouteTarget, PushOptionError> {
    match word {
        "vpn_gateway" => Ok(RouteTarget::VpnGateway),
        "net_gateway" => Ok(RouteTarget::NetGateway),
        "remote_host" => Ok(RouteTarget::RemoteHost),
        addr => Args::parsed_addr(addr).map(RouteTarget::Addr),
    }
}

fn protocol_flag(word: &str) -> ProtocolFlag {
    match word {
        "cc-exit" => ProtocolFlag::CcExit,
        "tls-ekm" => ProtocolFlag::TlsEkm,
        "dyn-tls-crypt" => ProtocolFlag::DynTlsCrypt,
        "aead-epoch" => ProtocolFlag::AeadEpoch,
        word => ProtocolFlag::Unknown(word.to_owned()),
    }
}

fn redirect_flags(args: &mut Args<'_>) -> Result<RedirectFlags, PushOptionError> {
    args.rest().try_fold(RedirectFlags::default(), |flags, word| {
        RedirectFlags::from_name(word)
            .map(|flag| flags.with(flag))
            .ok_or(PushOptionError::UnknownWord)
    })
}

/// None for the kinds that only other systems know.
fn dhcp_option(args: &mut Args<'_>) -> Result<Option<PushOption>, PushOptionError> {
    let option = match args.word()? {
        "DNS" => DhcpOption::Dns(args.addr()?),
        "DNS6" => DhcpOption::Dns(IpAddr::V6(args.addr()?)),
        "DOMAIN" => DhcpOption::Domain(args.domain()?),
        "ADAPTER_DOMAIN_SUFFIX" => DhcpOption::AdapterDomainSuffix(args.domain()?),
        "DOMAIN-SEARCH" => DhcpOption::DomainSearch(args.domain()?),
        "WINS" => DhcpOption::Wins(args.addr()?),
        "NTP" => DhcpOption::Ntp(args.addr()?),
        "NBDD" => DhcpOption::Nbdd(args.addr()?),
        "NBT" => match args.number::<u8>()? {
            kind @ (1 | 2 | 4 | 8) => DhcpOption::Nbt(kind),
            _ => return Err(PushOptionError::NotANumber),
        },
        "DISABLE-NBT" => DhcpOption::DisableNbt,
        _ => return Ok(None),
    };
    Ok(Some(PushOption::DhcpOption(option)))
}

fn dns_option(args: &mut Args<'_>) -> Result<DnsOption, PushOptionError> {
    match args.word()? {
        "search-domains" => Ok(DnsOption::SearchDomains(args.domains()?)),
        "server" => {
            let priority = args.number::<u8>()?;
            if priority > 127 {
                return Err(PushOptionError::NotANumber);
            }
            Ok(DnsOption::Server { priority, setting: dns_server(args)? })
        }
        _ => Err(PushOptionError::UnknownWord),
    }
}

fn dns_server(args: &mut Args<'_>) -> Result<DnsServer, PushOptionError> {
    Ok(match args.word()? {
        "address" => DnsServer::Address(
            match args.rest().map(dns_address).collect::<Result<Vec<_>, _>>()? {
                none if none.is_empty() => return Err(PushOptionError::Missing),
                many if many.len() > 8 => return Err(PushOptionError::Surplus),
                some => some,
            },
        ),
        "resolve-domains" => DnsServer::ResolveDomains(args.domains()?),
        "dnssec" => DnsServer::Dnssec(match args.word()? {
            "yes" => Dnssec::Yes,
            "optional" => Dnssec::Optional,
            "no" => Dnssec::No,
            _ => return Err(PushOptionError::UnknownWord),
        }),
        "transport" => DnsServer::Transport(match args.word()? {
            "plain" => DnsTransport::Plain,
            "DoT" => DnsTransport::Dot,
            "DoH" => DnsTransport::Doh,
            _ => return Err(PushOptionError::UnknownWord),
        }),
        "sni" => DnsServer::Sni(args.domain()?),
        _ => return Err(PushOptionError::UnknownWord),
    })
}

fn dns_address(word: &str) -> Result<(IpAddr, Option<u16>), PushOptionError> {
    if let Ok(addr) = word.parse::<IpAddr>() {
        return Ok((addr, None));
    }
    let bracketed = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(Ok(addr)) = bracketed.map(Ipv6Addr::from_str) {
        return Ok((addr.into(), None));
    }
    match word.parse::<SocketAddr>() {
        Ok(SocketAddr::V6(addr)) if addr.scope_id() != 0 => Err(PushOptionError::NotAnAddress),
        Ok(addr) if addr.port() != 0 => Ok((addr.ip(), Some(addr.port()))),
        _ => Err(PushOptionError::NotAnAddress),
    }
}

struct Args<'a>(std::vec::IntoIter<&'a str>);

impl<'a> Args<'a> {
    fn word(&mut self) -> Result<&'a str, PushOptionError> {
        self.0.next().ok_or(PushOptionError::Missing)
    }

    fn rest(&mut self) -> impl Iterator<Item = &'a str> {
        self.0.by_ref()
    }

    fn addr<T: FromStr>(&mut self) -> Result<T, PushOptionError> {
        Self::parsed_addr(self.word()?)
    }

    fn number<T: FromStr>(&mut self) -> Result<T, PushOptionError> {
        Self::parsed_number(self.word()?)
    }

    fn parsed_addr<T: FromStr>(word: &str) -> Result<T, PushOptionError> {
        word.parse().map_err(|_| PushOptionError::NotAnAddress)
    }

    fn parsed_number<T: FromStr>(word: &str) -> Result<T, PushOptionError> {
        // `parse` would take a plus sign.
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PushOptionError::NotANumber);
        }
        word.parse().map_err(|_| PushOptionError::NotANumber)
    }

    /// The next word, if there is one and it isn't `default`.
    fn or_default<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, PushOptionError>,
    ) -> Result<Option<T>, PushOptionError> {
        match self.0.next() {
            None | Some("default") => Ok(None),
            Some(word) => parse(word).map(Some),
        }
    }

    fn prefix(
        &mut self,
        range: std::ops::RangeInclusive<u8>,
    ) -> Result<(Ipv6Addr, u8), PushOptionError> {
        let (addr, bits) = self.word()?.split_once('/').ok_or(PushOptionError::NotAnAddress)?;
        let bits = Self::parsed_number(bits)?;
        if !range.contains(&bits) {
            return Err(PushOptionError::NotANumber);
        }
        Ok((Self::parsed_addr(addr)?, bits))
    }

    fn domain(&mut self) -> Result<DomainName, PushOptionError> {
        DomainName::new(self.word()?).ok_or(PushOptionError::NotADomainName)
    }

    fn domains(&mut self) -> Result<Vec<DomainName>, PushOptionError> {
        let names: Option<Vec<_>> = self.rest().map(DomainName::new).collect();
        let names = names.ok_or(PushOptionError::NotADomainName)?;
        if names.is_empty() { Err(PushOptionError::Missing) } else { Ok(names) }
    }

    fn token(&mut self) -> Result<String, PushOptionError> {
        let word = self.word()?;
        let clean =
            word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if clean && word.len() <= 64 {
            Ok(word.to_owned())
        } else {
            Err(PushOptionError::UnknownWord)
        }
    }

    fn base64(&mut self) -> Result<String, PushOptionError> {
        let word = self.word()?;
        let clean = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if clean { Ok(word.to_owned()) } else { Err(PushOptionError::UnknownWord) }
    }

    fn end(&mut self) -> Result<(), PushOptionError> {
        if self.0.next().is_some() { Err(PushOptionError::Surplus) } else { Ok(()) }
    }
}

impl PushOption {
    /// An IPv4 route into the tunnel.
    pub fn route(network: Ipv4Addr, netmask: Ipv4Addr) -> PushOption {
        let network = RouteTarget::Addr(network);
        PushOption::Route { network, netmask: Some(netmask), gateway: None, metric: None }
    }

    /// An IPv6 route into the tunnel.
    pub fn route_v6(network: Ipv6Addr, bits: u8) -> PushOption {
        PushOption::RouteV6 { network, bits, gateway: None, metric: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_does_not_turn_into_a_known_one() {
        let option = PushOption::parse("\u{a0}ping 7").unwrap();
        assert_eq!(PushOption::parse(&option.to_string()), Ok(option));
    }

    #[test]
    fn every_known_option_comes_back_as_it_went() {
        for text in [
            "ifconfig 10.9.1.2 255.255.255.0",
            "ifconfig-ipv6 fd00::2/64 fd00::1",
            "route 10.0.0.0 255.0.0.0",
            "route 10.0.0.0",
            "route vpn_gateway default net_gateway 7",
            "route-ipv6 2000::/3",
            "route-ipv6 fd01::/48 default 7",
            "route-gateway 10.9.1.1",
            "route-gateway dhcp",
            "topology subnet",
            "ping 1",
            "ping-restart 10",
            "peer-id 16777214",
            "cipher AES-256-GCM",
            "protocol-flags cc-exit tls-ekm dyn-tls-crypt new-thing",
            "protocol-flags \"one  flag\" tls-ekm",
            "key-derivation tls-ekm",
            "dhcp-option DNS 1.1.1.1",
            "dhcp-option DNS6 2606:4700::1111",
            "dhcp-option DOMAIN-SEARCH corp.example",
            "dns search-domains a.example b.example",
            "dns server 0 address 1.1.1.1:853 [2606:4700::1111]:853 ::1",
            "dns server 127 dnssec optional",
            "dns server 1 transport DoT",
            "dns server 1 sni one.one.one.one",
            "redirect-gateway def1 bypass-dhcp ipv6 !ipv4",
            "redirect-private",
            "block-ipv6",
            "tun-mtu 1400",
            "explicit-exit-notify 1",
            "inactive 60 1000",
            "session-timeout 3600",
            "auth-token SESS_ID_AT_abc",
            "auth-token-user YWxpY2U=",
            "setenv-safe HANDFAST_RCVBUF 25165824",
            "tun-ipv6",
        ] {
            let option = PushOption::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(option.to_string(), text);
            assert!(!matches!(option, PushOption::Other(_)), "{text}");
        }
    }

    #[test]
    fn unknown_options_are_kept_as_text() {
        for text in
            ["echo \"hello world\"", "dhcp-option PROXY_HTTP h 1", "setenv-safe A b", "verb 3"]
        {
            assert_eq!(PushOption::parse(text), Ok(PushOption::Other(text.into())));
        }
    }

    #[test]
    fn names_and_addresses_can_not_smuggle_anything() {
        let error = |text| PushOption::parse(text).unwrap_err();
        assert_eq!(error("dhcp-option DOMAIN \"a;reboot\""), PushOptionError::NotADomainName);
        assert_eq!(error("dhcp-option DNS $(reboot)"), PushOptionError::NotAnAddress);
        assert_eq!(error("dhcp-option DOMAIN x\nreboot"), PushOptionError::Unprintable);
        assert_eq!(error("route example.com"), PushOptionError::NotAnAddress);
        assert_eq!(error("ifconfig 10.0.0.1"), PushOptionError::Missing);
        assert_eq!(error("ifconfig 10.0.0.1 255.0.0.0 x"), PushOptionError::Surplus);
        assert_eq!(error("ifconfig-ipv6 fd00::1/63 fd00::2"), PushOptionError::NotANumber);
        assert_eq!(error("peer-id 16777216"), PushOptionError::NotANumber);
        assert_eq!(error("ping +5"), PushOptionError::NotANumber);
        assert_eq!(error("tun-mtu 68"), PushOptionError::NotANumber);
        assert_eq!(error("dns server 128 dnssec no"), PushOptionError::NotANumber);
        assert_eq!(error("dns server 1 address fe80::1%1"), PushOptionError::NotAnAddress);
        assert_eq!(error("a,b"), PushOptionError::Unprintable);
        assert_eq!(error(" "), PushOptionError::Empty);
        assert_eq!(error(&"x".repeat(256)), PushOptionError::TooLong);
    }

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let option = PushOption::parse("auth-token topsecret").unwrap();
        assert!(!format!("{option:?}").contains("topsecret"));
    }
}
