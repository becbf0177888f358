//! What `check` looks at: records, certificates, settings and the machine, each with the mend.
//!
//! Looking changes nothing. A finding that is not good says what was seen and what to do.

use admin::response::{CheckReport, Finding, Level};
use store::Depth;

use crate::context::Context;
use crate::doors::Unheard;
use crate::tls_door::unopened;

mod disk;
mod machine;
mod ports;
mod records;
mod sessions;
mod signer;
mod taken;
mod verified;
mod virtual_servers;

pub(crate) use records::RecordsCheck;
pub(crate) use sessions::shared_profiles;
pub(crate) use verified::verified;

/// Everything, in the order in which a person would look.
pub(crate) async fn check(at: &Context, depth: Depth) -> CheckReport {
    let mut findings = verified(&at.verifier.verify(depth).await);
    findings.extend(RecordsCheck { at }.findings().await);
    findings.push(signer::signer(at).await);
    findings.push(machine::settings(at));
    findings.extend(machine::lost(at));
    findings.push(machine::pushes(at));
    findings.extend(virtual_servers::reached_both_ways(&at.config().tls.clone().with_usual_port()));
    findings.extend(virtual_servers::part_a_channel(&at.config().tls));
    findings.extend(machine::machine(at));
    if at.doors.is_any_open() {
        findings.push(machine::in_force(&at.doors.changed().await));
        findings.push(shared_profiles(at));
        findings.extend(unheard(at.doors.unheard()));
        findings.extend(unheard(at.hooks.fault().into_iter().collect()));
    } else {
        findings.extend(unheard(unopened::faults(&at.config().tls, at.now()).await));
    }
    CheckReport { findings }
}

/// Where a door could not listen, which serves elsewhere or not at all; or where events do not arrive.
fn unheard(faults: Vec<Unheard>) -> impl Iterator<Item = Finding> {
    faults.into_iter().map(|fault| warning(fault.subject, fault.what, fault.mend))
}

fn good(subject: &str, seen: impl Into<String>) -> Finding {
    Finding { subject: subject.to_owned(), level: Level::Good, seen: seen.into(), mend: None }
}

fn warning(subject: &str, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
    let (seen, mend) = (seen.into(), Some(mend.into()));
    Finding { subject: subject.to_owned(), level: Level::Warning, seen, mend }
}

fn bad(subject: &str, seen: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level: Level::Bad, ..warning(subject, seen, mend) }
}
