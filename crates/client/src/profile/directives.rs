//! What each directive means. One entry for each; what is not here is an error.
//!
//! Invariant: a directive that would change who is trusted or what is protected is honoured or
//! refused, never skipped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pki::{NameRule, Timestamp};
use wire::cipher::Cipher;
use wire::config::Directive;
use wire::mtu::Transport;
use wire::push::PushOption;
use wire::static_key::KeyDirection;
use wire::tls_auth::AuthDigest;

use super::material::{self, Material};
use super::tables::{HARMLESS, LIKE_PUSHED, PASSED_OVER, PER_SERVER, UNSUPPORTED};
use super::values::{Family, Filter, MssLimit, Remote, TunName};
use super::{NotYet, Profile, ProfileError, ProfileErrorKind, RetrySettings, Timers};
use crate::Warning;

/// Takes directives one after the other, and makes a profile of them.
pub(super) struct Reader<'a> {
    file: &'a Path,
    remotes: Vec<Pending>,
    connections: Vec<Pending>,
    port: Option<u16>,
    proto: Option<Proto>,
    random_order: bool,
    pub(super) tun: TunName,
    pub(super) tun_mtu: u16,
    pub(super) mssfix: MssLimit,
    ca: Option<Material>,
    cert: Option<Material>,
    key: Option<Material>,
    tls_auth: Option<Material>,
    direction: KeyDirection,
    auth: AuthDigest,
    ciphers: Option<Vec<Cipher>>,
    name: NameRule,
    pub(super) timers: Timers,
    pub(super) retry: RetrySettings,
    pub(super) peer_info: Vec<(String, String)>,
    options: Vec<PushOption>,
    filters: Vec<Filter>,
    route_nopull: bool,
    may_be_unknown: Vec<String>,
    all_may_be_unknown: bool,
    pub(super) warnings: Vec<Warning>,
}

/// A remote before the defaults that stand outside of it are known.
struct Pending {
    host: String,
    port: Option<u16>,
    proto: Option<Proto>,
}

/// What `proto` says: what carries the packets, and over which IP versions.
type Proto = (Transport, Family);

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path) -> Self {
        Self {
            file,
            remotes: Vec::new(),
            connections: Vec::new(),
            port: None,
            proto: None,
            random_order: false,
            tun: TunName::Any,
            tun_mtu: 1500,
            mssfix: MssLimit::Default,
            ca: None,
            cert: None,
            key: None,
            tls_auth: None,
            direction: KeyDirection::Bidirectional,
            auth: AuthDigest::Sha1,
            ciphers: None,
            name: NameRule::Any,
            timers: Timers::default(),
            retry: RetrySettings::default(),
            peer_info: Vec::new(),
            options: Vec::new(),
            filters: Vec::new(),
            route_nopull: false,
            may_be_unknown: Vec::new(),
            all_may_be_unknown: false,
            warnings: Vec::new(),
        }
    }

    pub(super) fn take_all(&mut self, directives: &[Directive]) -> Result<(), ProfileError> {
        let wrong = directives.iter().filter_map(|directive| self.take(directive).err());
        let mut wrong = wrong.collect::<Vec<_>>().into_iter();
        let Some(mut first) = wrong.next() else { return Ok(()) };
        first.more = wrong.filter_map(|error| Some((error.line?, error.kind))).collect();
        Err(first)
    }

    fn take(&mut self, d: &Directive) -> Result<(), ProfileError> {
        match d.name.as_str() {
            "remote" => self.remotes.push(self.remote(d)?),
            "connection" => self.take_connection(d)?,
            "proto" => self.proto = Some(self.proto(d, arg(d, 0))?),
            "port" | "rport" => self.port = Some(self.number(d, 0, "port NUMBER")?),
            "remote-random" => self.random_order = true,
            "dev" => self.take_dev(d)?,
            "dev-type" if arg(d, 0) == Some("tun") => {}
            "dev-type" => return self.not_yet(d, NotYet::Tap),
            "tun-mtu" => self.tun_mtu = self.mtu(d)?,
            "mssfix" => self.mssfix = self.take_mssfix(d)?,
            "ca" => self.ca = Some(self.material(d, "ca")?),
            "cert" => self.cert = Some(self.material(d, "cert")?),
            "key" => self.key = Some(self.material(d, "key")?),
            "tls-auth" => self.take_tls_auth(d)?,
            "key-direction" => self.direction = self.direction(d, arg(d, 0))?,
            "auth" => self.auth = self.digest(d)?,
            "data-ciphers" | "ncp-ciphers" => self.ciphers = Some(self.cipher_list(d)?),
            "remote-cert-tls" if arg(d, 0) == Some("server") => {}
            "remote-cert-tls" => return self.bad(d, "remote-cert-tls server"),
            "verify-x509-name" => self.name = self.name_rule(d)?,
            "tls-version-min" => self.take_tls_floor(d)?,
            "reneg-sec" => self.timers.reneg = self.seconds(d, 0)?,
            "hand-window" => self.timers.hand_window = self.seconds(d, 0)?,
            "tran-window" => self.timers.tran_window = self.seconds(d, 0)?,
            "ping-restart" => self.timers.ping_restart = self.seconds(d, 0)?,
            "keepalive" => self.timers.ping_restart = self.seconds(d, 1)?,
            "connect-retry" => self.take_retry(d)?,
            "connect-retry-max" => self.take_rounds(d)?,
            "connect-timeout" | "server-poll-timeout" => {
                self.retry.first_packet = Some(self.seconds(d, 0)?);
            }
            "setenv" | "setenv-safe" => self.take_setenv(d)?,
            "ignore-unknown-option" => self.may_be_unknown.extend(d.args.iter().cloned()),
            "route-nopull" => self.route_nopull = true,
            "pull-filter" => self.take_filter(d)?,
            "cipher" => self.take_cipher(d),
            "comp-lzo" | "compress" if is_stub(d) => self.pass_over(d),
            name if LIKE_PUSHED.contains(&name) => self.take_option(d)?,
            name if HARMLESS.contains(&name) => {}
            name if PASSED_OVER.contains(&name) => self.pass_over(d),
            "up" | "down" if is_dns_script(d) => self.pass_over(d),
            name => return self.refuse(d, name),
        }
        Ok(())
    }

    fn refuse(&mut self, d: &Directive, name: &str) -> Result<(), ProfileError> {
        if let Some((_, why)) = UNSUPPORTED.iter().find(|(names, _)| names.contains(&name)) {
            return self.not_yet(d, *why);
        }
        if self.all_may_be_unknown || self.may_be_unknown.iter().any(|other| other == name) {
            self.pass_over(d);
            return Ok(());
        }
        self.fail(d, ProfileErrorKind::Unknown(d.name.clone()))
    }

    fn take_connection(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let Some(block) = &d.block else {
            return self.fail(d, ProfileErrorKind::NoMaterial("connection"));
        };
        let grammar = |error| ProfileErrorKind::Grammar(error);
        let inner = block.directives().map_err(|error| self.error(d, grammar(error)))?;
        let (mut remote, mut proto, mut port) = (None, self.proto, self.port);
        for d in &inner {
            match d.name.as_str() {
                "remote" => remote = Some(self.remote(d)?),
                "proto" => proto = Some(self.proto(d, arg(d, 0))?),
                "port" | "rport" => port = Some(self.number(d, 0, "port NUMBER")?),
                "connect-timeout" | "server-poll-timeout" => {}
                name if HARMLESS.contains(&name) => {}
                name if PASSED_OVER.contains(&name) => self.pass_over(d),
                name if PER_SERVER.contains(&name) => return self.not_yet(d, NotYet::PerServer),
                name => return self.refuse(d, name),
            }
        }
        let Some(remote) = remote else {
            return self.fail(d, ProfileErrorKind::Missing("remote"));
        };
        self.connections.push(Pending {
            host: remote.host,
            port: remote.port.or(port),
            proto: remote.proto.or(proto),
        });
        Ok(())
    }

    fn remote(&self, d: &Directive) -> Result<Pending, ProfileError> {
        let usage = "remote HOST [PORT] [udp|tcp]";
        let Some(host) = arg(d, 0) else { return self.bad(d, usage) };
        let port = match arg(d, 1) {
            Some(_) => Some(self.number(d, 1, usage)?),
            None => None,
        };
        let proto = match arg(d, 2) {
            Some(proto) => Some(self.proto(d, Some(proto))?),
            None => None,
        };
        Ok(Pending { host: host.trim_matches(['[', ']']).to_owned(), port, proto })
    }

    fn proto(&self, d: &Directive, proto: Option<&str>) -> Result<Proto, ProfileError> {
        match proto {
            Some("udp") => Ok((Transport::Udp, Family::Any)),
            Some("udp4") => Ok((Transport::Udp, Family::V4)),
            Some("udp6") => Ok((Transport::Udp, Family::V6)),
            Some("tcp" | "tcp-client") => Ok((Transport::Tcp, Family::Any)),
            Some("tcp4" | "tcp4-client") => Ok((Transport::Tcp, Family::V4)),
            Some("tcp6" | "tcp6-client") => Ok((Transport::Tcp, Family::V6)),
            _ => self.bad(d, "proto udp (or tcp)"),
        }
    }

    fn take_dev(&mut self, d: &Directive) -> Result<(), ProfileError> {
        match arg(d, 0) {
            Some("tun") => self.tun = TunName::Any,
            Some(name) if name.starts_with("tap") => return self.not_yet(d, NotYet::Tap),
            Some(name) => self.tun = TunName::Named(name.to_owned()),
            None => return self.bad(d, "dev tun"),
        }
        Ok(())
    }

    fn mtu(&self, d: &Directive) -> Result<u16, ProfileError> {
        let usage = "tun-mtu NUMBER, from 576 to 1600";
        let mtu: u16 = self.number(d, 0, usage)?;
        if (576..=1600).contains(&mtu) { Ok(mtu) } else { self.bad(d, usage) }
    }

    fn take_mssfix(&self, d: &Directive) -> Result<MssLimit, ProfileError> {
        let usage = "mssfix [NUMBER [mtu|fixed]]";
        if d.args.is_empty() {
            return Ok(MssLimit::Default);
        }
        let limit: u16 = self.number(d, 0, usage)?;
        match arg(d, 1) {
            _ if limit == 0 => Ok(MssLimit::Off),
            None => Ok(MssLimit::Link(limit)),
            Some("mtu") => Ok(MssLimit::Mtu(limit)),
            Some("fixed") => Ok(MssLimit::Fixed(limit)),
            Some(_) => self.bad(d, usage),
        }
    }

    fn take_tls_auth(&mut self, d: &Directive) -> Result<(), ProfileError> {
        self.tls_auth = Some(self.material(d, "tls-auth")?);
        if let Some(number) = arg(d, 1) {
            self.direction = self.direction(d, Some(number))?;
        }
        Ok(())
    }

    fn direction(&self, d: &Directive, text: Option<&str>) -> Result<KeyDirection, ProfileError> {
        let number = text.and_then(|text| text.parse().ok());
        match number.and_then(KeyDirection::from_number) {
            Some(direction) => Ok(direction),
            None => self.bad(d, "key-direction 1"),
        }
    }

    fn digest(&self, d: &Directive) -> Result<AuthDigest, ProfileError> {
        match arg(d, 0).and_then(AuthDigest::from_name) {
            Some(digest) => Ok(digest),
            None => self.bad(d, "auth SHA256 (or SHA1, SHA384, SHA512)"),
        }
    }

    fn cipher_list(&self, d: &Directive) -> Result<Vec<Cipher>, ProfileError> {
        let Some(list) = arg(d, 0) else {
            return self.bad(d, "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305");
        };
        let known = Cipher::parse_list(list);
        if known.is_empty() { self.not_yet(d, NotYet::Cipher) } else { Ok(known) }
    }

    /// Only servers without negotiation heed it; the others choose from `data-ciphers`.
    fn take_cipher(&mut self, d: &Directive) {
        if arg(d, 0).is_some_and(|name| Cipher::parse_list(name).is_empty()) {
            self.warnings.push(Warning::CipherPassedOver { line: d.line });
        }
    }

    fn name_rule(&self, d: &Directive) -> Result<NameRule, ProfileError> {
        let usage = "verify-x509-name NAME [name|name-prefix|subject]";
        let Some(name) = arg(d, 0).map(str::to_owned) else { return self.bad(d, usage) };
        match arg(d, 1) {
            None | Some("subject") => Ok(NameRule::Subject(name)),
            Some("name") => Ok(NameRule::Name(name)),
            Some("name-prefix") => Ok(NameRule::NamePrefix(name)),
            Some(_) => self.bad(d, usage),
        }
    }

    /// TLS 1.2 is the floor in any case.
    fn take_tls_floor(&self, d: &Directive) -> Result<(), ProfileError> {
        match arg(d, 0) {
            Some("1.0" | "1.1" | "1.2") => Ok(()),
            Some("1.3") if arg(d, 1) == Some("or-highest") => self.not_yet(d, NotYet::TlsPolicy),
            Some("1.3") => self.not_yet(d, NotYet::TlsPolicy),
            _ => self.bad(d, "tls-version-min 1.2"),
        }
    }

    fn take_retry(&mut self, d: &Directive) -> Result<(), ProfileError> {
        self.retry.first = self.seconds(d, 0)?.max(Duration::from_secs(1));
        if d.args.len() > 1 {
            self.retry.longest = self.seconds(d, 1)?.max(self.retry.first);
        }
        Ok(())
    }

    fn take_rounds(&mut self, d: &Directive) -> Result<(), ProfileError> {
        self.retry.rounds = match arg(d, 0) {
            Some("unlimited") => None,
            _ => Some(self.number(d, 0, "connect-retry-max NUMBER")?),
        };
        Ok(())
    }

    fn take_setenv(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let value = d.args.get(1..).unwrap_or_default().join(" ");
        match arg(d, 0) {
            Some("opt") => self.take_optional(d)?,
            Some("FORWARD_COMPATIBLE") => self.all_may_be_unknown = value == "1",
            Some("GENERIC_CONFIG") => return self.fail(d, ProfileErrorKind::Missing("cert")),
            Some(name) if name.starts_with("UV_") || INFO_NAMES.contains(&name) => {
                self.peer_info.push((name.to_owned(), value));
            }
            // For other programs' windows.
            _ => {}
        }
        Ok(())
    }

    /// `setenv opt NAME ...`: the directive, if it is one.
    fn take_optional(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let Some(name) = arg(d, 1) else { return self.bad(d, "setenv opt DIRECTIVE ...") };
        let inner = Directive {
            name: name.to_owned(),
            args: d.args.get(2..).unwrap_or_default().to_vec(),
            block: None,
            line: d.line,
            columns: d.columns.get(2..).unwrap_or_default().to_vec(),
        };
        match self.take(&inner) {
            Err(ProfileError { kind: ProfileErrorKind::Unknown(_), .. }) => {
                self.pass_over(&inner);
                Ok(())
            }
            result => result,
        }
    }

    fn take_filter(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let usage = "pull-filter accept|ignore \"TEXT\"";
        let accept = match arg(d, 0) {
            Some("accept") => true,
            Some("ignore") => false,
            _ => return self.bad(d, usage),
        };
        let Some(prefix) = arg(d, 1).map(str::to_owned) else { return self.bad(d, usage) };
        self.filters.push(Filter { prefix, accept });
        Ok(())
    }

    fn take_option(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let mut text = d.name.clone();
        for argument in &d.args {
            text.push(' ');
            text.push_str(argument);
        }
        match PushOption::parse(&text) {
            Ok(option) => {
                self.options.push(option);
                Ok(())
            }
            Err(_) => self.bad(d, "route 192.0.2.0 255.255.255.0, and so on: addresses, no names"),
        }
    }

    fn material(&mut self, d: &Directive, what: &'static str) -> Result<Material, ProfileError> {
        if let Some(block) = &d.block {
            return Ok(Material { line: d.line, text: material::without_margins(&block.text) });
        }
        match arg(d, 0) {
            Some("[inline]") | None => self.fail(d, ProfileErrorKind::NoMaterial(what)),
            Some(path) => {
                let path = self.beside(path);
                self.warn_if_exposed(what, &path);
                let text = material::read(&path).map_err(|source| {
                    self.error(d, ProfileErrorKind::FileUnreadable { what, path, source })
                })?;
                Ok(Material { line: d.line, text: material::without_margins(&text) })
            }
        }
    }

    /// A secret that other users of this machine may read.
    fn warn_if_exposed(&mut self, what: &'static str, path: &Path) {
        if SECRETS.contains(&what) && material::is_exposed(path) {
            self.warnings.push(Warning::Exposed { path: path.to_owned() });
        }
    }

    fn beside(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new(".")).join(path)
    }

    fn pass_over(&mut self, d: &Directive) {
        self.warnings.push(Warning::PassedOver { line: d.line, directive: d.name.clone() });
    }

    fn seconds(&self, d: &Directive, index: usize) -> Result<Duration, ProfileError> {
        let seconds: u32 = self.number(d, index, "a number of seconds")?;
        Ok(Duration::from_secs(seconds.into()))
    }

    fn number<T: std::str::FromStr>(
        &self,
        d: &Directive,
        index: usize,
        usage: &'static str,
    ) -> Result<T, ProfileError> {
        match arg(d, index).and_then(|text| text.parse().ok()) {
            Some(number) => Ok(number),
            None => self.bad(d, usage),
        }
    }

    fn bad<T>(&self, d: &Directive, usage: &'static str) -> Result<T, ProfileError> {
        self.fail(d, ProfileErrorKind::BadArguments { directive: d.name.clone(), usage })
    }

    fn not_yet<T>(&self, d: &Directive, why: NotYet) -> Result<T, ProfileError> {
        self.fail(d, ProfileErrorKind::NotYet(d.name.clone(), why))
    }

    fn fail<T>(&self, d: &Directive, kind: ProfileErrorKind) -> Result<T, ProfileError> {
        Err(self.error(d, kind))
    }

    fn error(&self, d: &Directive, kind: ProfileErrorKind) -> ProfileError {
        ProfileError::new(self.file, Some(d.line), kind)
    }
}

impl Reader<'_> {
    /// Checks that nothing is missing and that what belongs together fits.
    pub(super) fn finish(mut self, now: Timestamp) -> Result<Profile, ProfileError> {
        let missing = |name| ProfileError::new(self.file, None, ProfileErrorKind::Missing(name));
        let mut remotes = self.remotes();
        if remotes.is_empty() {
            return Err(missing("remote"));
        }
        if self.random_order {
            shuffle(&mut remotes);
        }
        let ca = self.ca.take().ok_or_else(|| missing("ca"))?;
        let cert = self.cert.take().ok_or_else(|| missing("cert"))?;
        let key = self.key.take().ok_or_else(|| missing("key"))?;
        let ca = material::authorities(self.file, &ca)?;
        let identity = material::identity(self.file, &cert, &key)?;
        let dates = material::dates(self.file, &cert, &identity)?;
        self.warnings.extend(dates.check(self.file, cert.line, now)?);
        let tls_auth = match &self.tls_auth {
            Some(text) => Some((material::static_key(self.file, text)?, self.direction)),
            None => None,
        };
        if tls_auth.is_none() {
            self.warnings.push(Warning::NoTlsAuth);
        }
        Ok(Profile {
            file: self.file.to_owned(),
            remotes,
            tun: self.tun,
            tun_mtu: self.tun_mtu,
            mssfix: self.mssfix,
            ca,
            identity,
            tls_auth,
            auth: self.auth,
            ciphers: self.ciphers.unwrap_or_else(|| Cipher::DEFAULT.to_vec()),
            name: self.name,
            timers: self.timers,
            retry: self.retry,
            peer_info: self.peer_info,
            options: self.options,
            filters: self.filters,
            route_nopull: self.route_nopull,
            warnings: self.warnings,
        })
    }

    /// As soon as there is a block, remotes outside of blocks do not count.
    pub(super) fn remotes(&mut self) -> Vec<Remote> {
        let outside = std::mem::take(&mut self.remotes);
        let inside = std::mem::take(&mut self.connections);
        let chosen = if inside.is_empty() { outside } else { inside };
        let complete = chosen.into_iter().map(|pending| {
            let (transport, family) =
                pending.proto.or(self.proto).unwrap_or((Transport::Udp, Family::Any));
            let port = pending.port.or(self.port).unwrap_or(DEFAULT_PORT);
            Remote { host: pending.host, port, transport, family }
        });
        complete.collect()
    }
}

/// Compression that compresses nothing. A server that frames its packets for it says so when it is
/// connected to.
fn is_stub(d: &Directive) -> bool {
    match (d.name.as_str(), arg(d, 0)) {
        ("comp-lzo", Some(word)) => word == "no",
        ("compress", word) => word.is_none_or(|word| STUBS.contains(&word)),
        _ => false,
    }
}

fn arg(d: &Directive, index: usize) -> Option<&str> {
    d.args.get(index).map(String::as_str)
}

/// The scripts that distributions ship for setting name servers, which is done here without one.
fn is_dns_script(d: &Directive) -> bool {
    let name = arg(d, 0).and_then(|path| Path::new(path).file_name()?.to_str());
    name.is_some_and(|name| DNS_SCRIPTS.contains(&name))
}

/// Any order will do that differs between clients; nothing secret hangs on it.
fn shuffle(remotes: &mut [Remote]) {
    use std::hash::{BuildHasher, RandomState};
    let state = RandomState::new();
    remotes
        .sort_by_cached_key(|remote| state.hash_one((&remote.host, remote.port, remote.transport)));
}

const DEFAULT_PORT: u16 = 1194;
const STUBS: [&str; 3] = ["stub", "stub-v2", "migrate"];
pub(super) const SECRETS: [&str; 2] = ["key", "tls-auth"];
const DNS_SCRIPTS: [&str; 3] =
    ["update-resolv-conf", "update-systemd-resolved", "update-systemd-resolved.sh"];
/// `setenv` names that are told to the server.
const INFO_NAMES: [&str; 3] = ["IV_GUI_VER", "IV_SSO", "IV_PLAT_VER"];
