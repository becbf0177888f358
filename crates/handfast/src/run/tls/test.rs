//! `handfast tls test`: what a browser would meet at a server, with the mend.

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use clock::{Clock as _, SystemClock, Timestamp};
use pki::ocsp::{OcspExpected, OcspStatus, check};
use pki::standing::Subject;
use pki::{CaCertificate, Refusal, certificates_from_pem};
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use starttls::Protocol;
use uplink::Target;

use super::super::output::Output;
use super::super::standing::{Shown, trusted};
use super::faults::{self, Unchecked};
use super::identity::identity_of;
use super::look::{self, Look, Seen};
use crate::args::order::TlsTestOrder;
use crate::show::tls::{Finding, Report, text};

/// Looks, and says what was found.
pub(super) fn run(data: &Path, json: bool, order: &TlsTestOrder) -> Result<Output, Failure> {
    let target = &order.target;
    let own = order.device.as_deref().map(|one| identity_of(one, data)).transpose()?;
    let newer = look::at(target, &[&TLS13], own.as_ref())?;
    let older = look::at(target, &[&TLS12], own.as_ref())?;
    let mut findings = Vec::new();
    versions(target, &newer, &older, &mut findings);
    let asks = newer.asks_for_certificate() || older.asks_for_certificate();
    if let Some(seen) = seen(newer, older) {
        let cas = anchors(order.ca.as_deref(), data)?;
        certificate(target, &seen.shown, &cas, &mut findings);
        findings.push(group(&seen));
        findings.extend(asks.then(|| client(own.is_some())));
        http(target, &seen, own.is_some(), &mut findings);
    } else if asks {
        findings.push(not_seen("it breaks off in the handshake", own.is_some()));
    }
    let report = Report::new(target, findings);
    let mut output = if json { Output::json(&report) } else { Output::done(text(&report)) };
    if report.is_bad() {
        output.exit_code = FailureKind::FindingsBad.exit_code();
    }
    Ok(output)
}

fn seen(newer: Look, older: Look) -> Option<Box<Seen>> {
    [newer, older].into_iter().find_map(|look| match look {
        Look::Seen(seen) => Some(seen),
        Look::Refused | Look::NoHandshake(_) => None,
    })
}

/// A server that breaks off for want of a certificate speaks the version in which it asked for one.
fn versions(target: &Target, newer: &Look, older: &Look, findings: &mut Vec<Finding>) {
    let cipher = [newer, older].into_iter().find_map(|look| match look {
        Look::Seen(seen) => Some(format!("; {}", seen.cipher)),
        Look::Refused | Look::NoHandshake(_) => None,
    });
    let cipher = cipher.unwrap_or_default();
    let finding = match (newer, older) {
        (Look::NoHandshake(why), Look::NoHandshake(_)) => {
            Finding::bad("version", format!("no handshake with TLS 1.3 or 1.2: {why}"))
                .mend(format!(
                    "see that TLS begins at once on this port, and that the server has a certificate for the name; where a \
                     protocol begins in the clear, as mail does: handfast explain tls {}",
                    in_the_clear(target)
                ))
        }
        (Look::NoHandshake(_), _) => Finding::note("version", format!("TLS 1.2 alone{cipher}"))
            .mend("let the server speak TLS 1.3"),
        (_, Look::NoHandshake(_)) => Finding::ok("version", format!("TLS 1.3 alone{cipher}")),
        (_, _) => Finding::ok("version", format!("TLS 1.3 and 1.2{cipher}")),
    };
    findings.push(finding);
}

/// The same service by the STARTTLS of the protocol that has this port, or else by mail's.
fn in_the_clear(target: &Target) -> String {
    let of_port = Protocol::ALL.into_iter().find(|protocol| protocol.port() == target.port());
    format!("{}://{target}", of_port.unwrap_or(Protocol::Smtp))
}

/// What is to be said of a certificate that a server showed, by the CAs that a browser would trust.
pub(in crate::run) fn judge(target: &Target, shown: &Shown, cas: &[CaCertificate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    certificate(target, shown, cas, &mut findings);
    findings
}

fn certificate(target: &Target, shown: &Shown, cas: &[CaCertificate], findings: &mut Vec<Finding>) {
    let now: Timestamp = SystemClock.now().into();
    findings.push(name(target, shown));
    findings.push(chain(shown, cas, now));
    findings.push(dates(shown, now));
    findings.push(staple(shown, cas, now));
    findings.extend(shown.proof_is_wrong.then(proof));
}

fn name(target: &Target, shown: &Shown) -> Finding {
    let wanted = target.name().to_str();
    match faults::name(target, shown) {
        Ok(()) => Finding::ok("name", format!("the certificate is for {wanted}")),
        Err(error) => Finding::bad("name", format!("the certificate is not for {wanted}: {error}"))
            .mend(format!("have one issued for it: handfast cert issue {wanted}")),
    }
}

fn chain(shown: &Shown, cas: &[CaCertificate], now: Timestamp) -> Finding {
    match faults::check(shown, cas, now) {
        Ok(()) if !faults::is_for_ours(shown, cas, now) => {
            Finding::note("chain", "it leads to a CA that is trusted, and names no use: browsers take it, Handfast's own clients don't")
                .mend("have one issued for servers (extended key usage serverAuth)")
        }
        Ok(()) => Finding::ok("chain", "it leads to a CA that is trusted"),
        Err(Unchecked::Anchor(error)) => {
            Finding::bad("chain", format!("no CA is at hand to check it by: {error}"))
                .mend("name the CA that the browser trusts: --ca FILE")
        }
        // Its own words say what mends it.
        Err(Unchecked::Refused(
            refusal @ (Refusal::Expired { .. }
            | Refusal::NotYetValid { .. }
            | Refusal::CaExpired { .. }
            | Refusal::WrongUsage { .. }),
        )) => Finding::bad("chain", refusal.to_string()),
        Err(Unchecked::Refused(refusal)) => Finding::bad("chain", refusal.to_string()).mend(
            "have the server send the certificates between its own and the CA's, and have the CA installed in the browser",
        ),
    }
}

pub(in crate::run) fn dates(shown: &Shown, now: Timestamp) -> Finding {
    match faults::time(shown, now) {
        Err(Refusal::Expired { at }) => Finding::bad("dates", format!("it was over on {at}"))
            .mend("renew it, and have the server load the new one"),
        Err(Refusal::NotYetValid { at }) => Finding::bad("dates", format!("it begins on {at}"))
            .mend("compare this machine's clock with one that is right, and that of the CA"),
        Err(refusal) => Finding::bad("dates", refusal.to_string()).mend("have a new one issued"),
        Ok(end) => {
            let days = end.since(now).as_secs() / 86_400;
            let said = format!("it holds until {end}, {days} days from here");
            match days {
                0..14 => Finding::note("dates", said)
                    .mend("renew it; see why that was not done by itself"),
                _ => Finding::ok("dates", said),
            }
        }
    }
}

pub(in crate::run) fn staple(shown: &Shown, cas: &[CaCertificate], now: Timestamp) -> Finding {
    let sent = shown.chain.iter().filter_map(|der| CaCertificate::from_der(der).ok());
    let all: Vec<_> = cas.iter().cloned().chain(sent).collect();
    let subject = match Subject::of(&shown.certificate, &all) {
        Ok(subject) => subject,
        Err(refusal) => return Finding::bad("staple", refusal.to_string()),
    };
    match (&shown.staple, subject.issuer()) {
        (None, _) if subject.sources().ocsp.is_empty() => {
            Finding::ok("staple", "none, and the certificate names no responder to ask (OCSP)")
        }
        (None, _) => Finding::note("staple", "none, so that browsers ask the CA or nobody")
            .mend("let the server staple OCSP answers"),
        (Some(_), None) => Finding::note("staple", "there is one, of a CA that is not known"),
        (Some(staple), Some(issuer)) => {
            let serial = subject.id().serial;
            match check(staple, &OcspExpected { issuer, serial, nonce: None, now }) {
                Ok(verdict) if verdict.status == OcspStatus::Good => {
                    let until = verdict.next_update;
                    Finding::ok(
                        "staple",
                        format!(
                            "the CA's word that it is not revoked, which may be used until {until}"
                        ),
                    )
                }
                Ok(_) => Finding::bad("staple", "the CA says that it was revoked, or never given")
                    .mend("have a new one issued"),
                Err(error) => Finding::bad("staple", format!("it does not count: {error}"))
                    .mend("see that the server fetches new ones, and its clock"),
            }
        }
    }
}

fn proof() -> Finding {
    Finding::bad("proof", "its own signature is wrong: it did not show that it has the key")
        .mend("see that its private key belongs to its certificate; else suspect an impostor")
}

fn group(seen: &Seen) -> Finding {
    let said = format!("keys by {}", seen.group);
    match seen.hybrid {
        true => Finding::ok("group", said),
        false if seen.version == ProtocolVersion::TLSv1_3 => Finding::note("group", said)
            .mend("let the server take X25519MLKEM768, or what is recorded today can be read by tomorrow's machines"),
        false => Finding::ok("group", said),
    }
}

fn client(has_own: bool) -> Finding {
    let what = if has_own { "the profile's was shown" } else { "none was shown" };
    Finding::ok("client", format!("it asks for a client's certificate; {what}"))
}

fn http(target: &Target, seen: &Seen, has_own: bool, findings: &mut Vec<Finding>) {
    let Some(head) = &seen.head else {
        let protocol = seen.protocol.as_deref().unwrap_or("no protocol agreed");
        findings.push(match &seen.broke_off {
            Some(why) if seen.asks_for_certificate => {
                not_seen(&format!("it broke off: {why}"), has_own)
            }
            _ => Finding::ok("http", format!("it answered no HTTP ({protocol})")),
        });
        return;
    };
    let status = head.lines().next().unwrap_or_default().trim();
    findings.push(Finding::ok("http", status.to_owned()));
    findings.push(hsts(head));
    if target.port() == 443 {
        findings.extend(redirect(target));
    }
}

/// What is behind a server that lets in devices alone.
fn not_seen(why: &str, has_own: bool) -> Finding {
    let mend = match has_own {
        true => "show the certificate of a device that is let in: --as FILE.ovpn",
        false => "show a device's certificate: --as FILE.ovpn",
    };
    Finding::note("http", format!("not seen: {why}")).mend(mend)
}

fn hsts(head: &str) -> Finding {
    let mend = "send Strict-Transport-Security: max-age=31536000";
    let said: Vec<_> = fields(head, "strict-transport-security").collect();
    let age = said.first().and_then(|value| {
        let directives = value.split(';').map(str::trim);
        let mut ages = directives.filter_map(|part| {
            part.to_ascii_lowercase().strip_prefix("max-age=").map(str::to_owned)
        });
        ages.next()?.trim_matches('"').parse::<u64>().ok()
    });
    match (said.len(), age) {
        (0, _) => {
            Finding::bad("hsts", "none: a browser that is sent to http:// goes there").mend(mend)
        }
        (1, Some(age)) if age >= HALF_A_YEAR => Finding::ok("hsts", said[0].to_owned()),
        (1, _) => Finding::note("hsts", format!("{}: for so short a time it helps few", said[0]))
            .mend(mend),
        (_, _) => Finding::bad("hsts", "it stands there more than once").mend(mend),
    }
}

fn redirect(target: &Target) -> Option<Finding> {
    let head = look::ask_in_the_clear(target, 80)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let to_https = fields(&head, "location").any(|to| to.starts_with("https://"));
    Some(match status.starts_with('3') && to_https {
        true => Finding::ok("port 80", "it sends browsers to HTTPS"),
        false => Finding::note("port 80", "it answers without sending browsers to HTTPS")
            .mend("redirect all but what the CA publishes"),
    })
}

fn fields<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = head.lines().skip(1).take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(':'))
        .filter_map(move |(field, value)| field.eq_ignore_ascii_case(name).then_some(value.trim()))
}

/// What was named; else what this system trusts, and the data folder's CA.
pub(in crate::run) fn anchors(
    named: Option<&Path>,
    data: &Path,
) -> Result<Vec<CaCertificate>, Failure> {
    let mut cas = trusted(named, data)?;
    if named.is_none()
        && let Ok(bundle) = fs::read_to_string(SYSTEM_CAS)
    {
        let ders = certificates_from_pem(&bundle).unwrap_or_default();
        cas.extend(ders.iter().filter_map(|der| CaCertificate::from_der(der).ok()));
    }
    Ok(cas)
}

const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";
const HALF_A_YEAR: u64 = 15_768_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::tls::State;

    #[test]
    fn hsts_is_judged_by_its_number_and_its_age() {
        let head =
            |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nstrict-transport-security: x");
        let state = |lines: &str| hsts(&head(lines)).state;
        assert_eq!(state("Strict-Transport-Security: max-age=31536000; preload"), State::Ok);
        assert_eq!(state("strict-transport-security: MAX-AGE=\"31536000\""), State::Ok);
        assert_eq!(state("strict-transport-security: max-age=60"), State::Note);
        assert_eq!(state("strict-transport-security: preload"), State::Note);
        assert_eq!(state("server: x"), State::Bad);
        let twice =
            "strict-transport-security: max-age=31536000\r\nstrict-transport-security: max-age=0";
        assert_eq!(state(twice), State::Bad);
    }
}
