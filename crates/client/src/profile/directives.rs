//! What each directive means. One entry for each; what is not here is an error.
//!
//! Invariant: a directive that would change who is trusted or what is protected is honoured or
//! refused, never skipped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pki::{NameRule, Timestamp};
use wire::cipher::Cipher;
use wire::config::Directive;
use wire::push::PushOption;
use wire::static_key::KeyDirection;
use wire::tls_auth::AuthDigest;

use super::arguments;
use super::line::Line;
use super::material::{self, Material};
use super::servers::{Pending, Servers};
use super::tables::{HARMLESS, LIKE_PUSHED, PASSED_OVER, PER_SERVER, UNSUPPORTED};
use super::values::{Filter, MssLimit, TunName};
use super::{Expired, NotYet, Profile, ProfileError, ProfileErrorKind, RetrySettings, Timers};
use crate::Warning;

/// Takes directives one after the other, and makes a profile of them.
pub(super) struct Reader<'a> {
    file: &'a Path,
    pub(super) servers: Servers,
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

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path) -> Self {
        Self {
            file,
            servers: Servers::default(),
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

    /// Takes all, and tells of all that are wrong at once.
    pub(super) fn take_all(&mut self, directives: &[Directive]) -> Result<(), ProfileError> {
        let wrong = directives.iter().filter_map(|directive| self.take(directive).err());
        let mut wrong = wrong.collect::<Vec<_>>().into_iter();
        let Some(mut first) = wrong.next() else { return Ok(()) };
        first.more = wrong.filter_map(|error| Some((error.line?, error.kind))).collect();
        Err(first)
    }

    fn take(&mut self, d: &Directive) -> Result<(), ProfileError> {
        let line = Line::new(self.file, d);
        match d.name.as_str() {
            "remote" => self.servers.take_remote(line)?,
            "connection" => self.take_connection(line, d)?,
            "proto" => self.servers.proto = Some(arguments::proto(line, line.arg(0))?),
            "port" | "rport" => self.servers.port = Some(arguments::port(line)?),
            "remote-random" => self.servers.random_order = true,
            "dev" => self.tun = tun_name(line)?,
            "dev-type" if line.arg(0) == Some("tun") => {}
            "dev-type" => return line.not_yet(NotYet::Tap),
            "tun-mtu" => self.tun_mtu = arguments::mtu(line)?,
            "mssfix" => self.mssfix = arguments::mss_limit(line)?,
            "ca" | "cert" | "key" | "tls-auth" | "key-direction" => self.take_secret(line, d)?,
            "auth" => self.auth = arguments::digest(line)?,
            "data-ciphers" | "ncp-ciphers" => self.ciphers = Some(arguments::ciphers(line)?),
            "cipher" => self.warnings.extend(passed_over_cipher(line)),
            "remote-cert-tls" if line.arg(0) == Some("server") => {}
            "remote-cert-tls" => return line.bad("remote-cert-tls server"),
            _ if arguments::is_demanded_anyway(line) => {}
            "verify-x509-name" => self.name = arguments::name_rule(line)?,
            "tls-version-min" => arguments::tls_floor(line)?,
            name if TIMES.contains(&name) => self.take_time(line)?,
            "setenv" | "setenv-safe" => self.take_setenv(line, d)?,
            "ignore-unknown-option" => self.may_be_unknown.extend(d.args.iter().cloned()),
            "route-nopull" => self.route_nopull = true,
            "pull-filter" => self.filters.push(arguments::filter(line)?),
            "comp-lzo" | "compress" if is_stub(line) => self.pass_over(line),
            name if LIKE_PUSHED.contains(&name) => self.options.push(like_pushed(line, d)?),
            name if HARMLESS.contains(&name) => {}
            name if PASSED_OVER.contains(&name) => self.pass_over(line),
            "up" | "down" if is_dns_script(line) => self.pass_over(line),
            _ => return self.refuse(line),
        }
        Ok(())
    }

    fn refuse(&mut self, line: Line<'_>) -> Result<(), ProfileError> {
        let name = line.name();
        if let Some((_, why)) = UNSUPPORTED.iter().find(|(names, _)| names.contains(&name)) {
            return line.not_yet(*why);
        }
        if self.all_may_be_unknown || self.may_be_unknown.iter().any(|other| other == name) {
            self.pass_over(line);
            return Ok(());
        }
        line.fail(ProfileErrorKind::Unknown(name.to_owned()))
    }

    fn take_connection(&mut self, line: Line<'_>, d: &Directive) -> Result<(), ProfileError> {
        let Some(block) = &d.block else {
            return line.fail(ProfileErrorKind::NoMaterial("connection"));
        };
        let grammar = |error| line.error(ProfileErrorKind::Grammar(error));
        let inner = block.directives().map_err(grammar)?;
        let (mut remote, mut proto, mut port) = (None, self.servers.proto, self.servers.port);
        for d in &inner {
            let line = Line::new(self.file, d);
            match d.name.as_str() {
                "remote" => remote = Some(Pending::read(line)?),
                "proto" => proto = Some(arguments::proto(line, line.arg(0))?),
                "port" | "rport" => port = Some(arguments::port(line)?),
                "connect-timeout" | "server-poll-timeout" => {}
                name if HARMLESS.contains(&name) => {}
                name if PASSED_OVER.contains(&name) => self.pass_over(line),
                name if PER_SERVER.contains(&name) => return line.not_yet(NotYet::PerServer),
                _ => return self.refuse(line),
            }
        }
        let Some(remote) = remote else {
            return line.fail(ProfileErrorKind::Missing("remote"));
        };
        self.servers.take_block(remote, port, proto);
        Ok(())
    }

    fn take_secret(&mut self, line: Line<'_>, d: &Directive) -> Result<(), ProfileError> {
        match line.name() {
            "ca" => self.ca = Some(self.material(line, d, "ca")?),
            "cert" => self.cert = Some(self.material(line, d, "cert")?),
            "key" => self.key = Some(self.material(line, d, "key")?),
            "tls-auth" => {
                self.tls_auth = Some(self.material(line, d, "tls-auth")?);
                if let Some(number) = line.arg(1) {
                    self.direction = arguments::direction(line, Some(number))?;
                }
            }
            _ => self.direction = arguments::direction(line, line.arg(0))?,
        }
        Ok(())
    }

    fn take_time(&mut self, line: Line<'_>) -> Result<(), ProfileError> {
        match line.name() {
            "reneg-sec" => self.timers.reneg = line.seconds(0)?,
            "hand-window" => self.timers.hand_window = line.seconds(0)?,
            "tran-window" => self.timers.tran_window = line.seconds(0)?,
            "ping-restart" => self.timers.ping_restart = line.seconds(0)?,
            "keepalive" => self.timers.ping_restart = line.seconds(1)?,
            "connect-retry" => {
                self.retry.first = line.seconds(0)?.max(Duration::from_secs(1));
                if line.arg(1).is_some() {
                    self.retry.longest = line.seconds(1)?.max(self.retry.first);
                }
            }
            "connect-retry-max" if line.arg(0) == Some("unlimited") => self.retry.rounds = None,
            "connect-retry-max" => {
                self.retry.rounds = Some(line.value(0, "connect-retry-max NUMBER")?);
            }
            _ => self.retry.first_packet = Some(line.seconds(0)?),
        }
        Ok(())
    }

    fn take_setenv(&mut self, line: Line<'_>, d: &Directive) -> Result<(), ProfileError> {
        let value = d.args.get(1..).unwrap_or_default().join(" ");
        match line.arg(0) {
            Some("opt") => self.take_optional(line, d)?,
            Some("FORWARD_COMPATIBLE") => self.all_may_be_unknown = value == "1",
            Some("GENERIC_CONFIG") => return line.fail(ProfileErrorKind::Missing("cert")),
            Some(name) if name.starts_with("UV_") || INFO_NAMES.contains(&name) => {
                self.peer_info.push((name.to_owned(), value));
            }
            // For other programs' windows.
            _ => {}
        }
        Ok(())
    }

    /// `setenv opt NAME ...`: the directive, if it is one.
    fn take_optional(&mut self, line: Line<'_>, d: &Directive) -> Result<(), ProfileError> {
        let Some(name) = line.arg(1) else { return line.bad("setenv opt DIRECTIVE ...") };
        let inner = Directive {
            name: name.to_owned(),
            args: d.args.get(2..).unwrap_or_default().to_vec(),
            block: None,
            line: d.line,
            columns: d.columns.get(2..).unwrap_or_default().to_vec(),
        };
        match self.take(&inner) {
            Err(ProfileError { kind: ProfileErrorKind::Unknown(_), .. }) => {
                self.pass_over(Line::new(self.file, &inner));
                Ok(())
            }
            result => result,
        }
    }

    fn material(
        &mut self,
        line: Line<'_>,
        d: &Directive,
        what: &'static str,
    ) -> Result<Material, ProfileError> {
        if let Some(block) = &d.block {
            let text = material::without_margins(&block.text);
            return Ok(Material { line: d.line, text });
        }
        let path = match line.arg(0) {
            Some("[inline]") | None => return line.fail(ProfileErrorKind::NoMaterial(what)),
            Some(path) => self.beside(path),
        };
        if SECRETS.contains(&what) && material::is_exposed(&path) {
            self.warnings.push(Warning::Exposed { path: path.clone() });
        }
        let text = material::read(&path).map_err(|source| {
            line.error(ProfileErrorKind::FileUnreadable { what, path, source })
        })?;
        Ok(Material { line: d.line, text: material::without_margins(&text) })
    }

    fn beside(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new(".")).join(path)
    }

    fn pass_over(&mut self, line: Line<'_>) {
        let directive = line.name().to_owned();
        self.warnings.push(Warning::PassedOver { line: line.number(), directive });
    }

    /// Checks that nothing is missing and that what belongs together fits.
    pub(super) fn finish(
        mut self,
        now: Timestamp,
        expired: Expired,
    ) -> Result<Profile, ProfileError> {
        let missing = |name| ProfileError::new(self.file, None, ProfileErrorKind::Missing(name));
        let remotes = self.servers.complete();
        if remotes.is_empty() {
            return Err(missing("remote"));
        }
        let ca = self.ca.ok_or_else(|| missing("ca"))?;
        let cert = self.cert.ok_or_else(|| missing("cert"))?;
        let key = self.key.ok_or_else(|| missing("key"))?;
        let ca = material::authorities(self.file, &ca)?;
        let identity = material::identity(self.file, &cert, &key)?;
        let dates = material::dates(self.file, &cert, &identity)?;
        let found = dates.check(now);
        if let (Some(Warning::Expired { at, now }), Expired::IsRefused) = (&found, expired) {
            let kind = ProfileErrorKind::Expired { at: *at, now: *now };
            return Err(ProfileError::new(self.file, Some(cert.line), kind));
        }
        self.warnings.extend(found);
        let tls_auth = match &self.tls_auth {
            Some(text) => Some((material::static_key(self.file, text)?, self.direction)),
            None => None,
        };
        self.warnings.extend(tls_auth.is_none().then_some(Warning::NoTlsAuth));
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
}

fn tun_name(line: Line<'_>) -> Result<TunName, ProfileError> {
    match line.arg(0) {
        Some("tun") => Ok(TunName::Any),
        Some(name) if name.starts_with("tap") => line.not_yet(NotYet::Tap),
        Some(name) => Ok(TunName::Named(name.to_owned())),
        None => line.bad("dev tun"),
    }
}

/// Only servers without negotiation heed `cipher`; the others choose from `data-ciphers`.
fn passed_over_cipher(line: Line<'_>) -> Option<Warning> {
    let foreign = line.arg(0).is_some_and(|name| Cipher::parse_list(name).is_empty());
    foreign.then(|| Warning::CipherPassedOver { line: line.number() })
}

fn like_pushed(line: Line<'_>, d: &Directive) -> Result<PushOption, ProfileError> {
    let words = std::iter::once(&d.name).chain(&d.args);
    let text = words.map(String::as_str).collect::<Vec<_>>().join(" ");
    match PushOption::parse(&text) {
        Ok(option) => Ok(option),
        Err(_) => line.bad("route 192.0.2.0 255.255.255.0, and so on: addresses, no names"),
    }
}

/// Compression that compresses nothing. A server that frames its packets for it says so when it is
/// connected to.
fn is_stub(line: Line<'_>) -> bool {
    match (line.name(), line.arg(0)) {
        ("comp-lzo", Some(word)) => word == "no",
        ("compress", word) => word.is_none_or(|word| STUBS.contains(&word)),
        _ => false,
    }
}

/// The scripts that distributions ship for setting name servers, which is done here without one.
fn is_dns_script(line: Line<'_>) -> bool {
    let name = line.arg(0).and_then(|path| Path::new(path).file_name()?.to_str());
    name.is_some_and(|name| DNS_SCRIPTS.contains(&name))
}

/// What `take_time` takes.
const TIMES: [&str; 9] = [
    "reneg-sec",
    "hand-window",
    "tran-window",
    "ping-restart",
    "keepalive",
    "connect-retry",
    "connect-retry-max",
    "connect-timeout",
    "server-poll-timeout",
];
const STUBS: [&str; 3] = ["stub", "stub-v2", "migrate"];
pub(super) const SECRETS: [&str; 2] = ["key", "tls-auth"];
const DNS_SCRIPTS: [&str; 3] =
    ["update-resolv-conf", "update-systemd-resolved", "update-systemd-resolved.sh"];
/// `setenv` names that are told to the server.
const INFO_NAMES: [&str; 3] = ["IV_GUI_VER", "IV_SSO", "IV_PLAT_VER"];
