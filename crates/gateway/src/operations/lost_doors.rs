//! What other settings would do to profiles that are out: those name sockets that nobody would listen on.
//!
//! Which ones a profile names is not on record, so that each device with a certificate may have such a one. Nothing is
//! changed here.

use std::collections::BTreeSet;

use super::common::remotes;
use crate::config::Config;
use crate::context::Context;

/// Whom a start with these settings would keep out; nothing where every socket of today is kept.
pub(crate) fn lost_doors(at: &Context, file: &Config) -> Option<String> {
    let (today, then) = (named(&at.config()), named(file));
    let lost: Vec<_> = today.difference(&then).cloned().collect();
    let (snapshot, now) = (at.store.snapshot(), at.now());
    let current = snapshot.current_certificates();
    let holds = current.values().filter(|c| c.revoked.is_none() && c.not_after > now).count();
    if lost.is_empty() || holds == 0 {
        return None;
    }
    let (lost, devices) = (lost.join(" and "), if holds == 1 { "device" } else { "devices" });
    Some(format!(
        "{holds} {devices} may have a profile that names {lost} alone, which would not reach this gateway: keep that \
         beside the new one until each has another profile"
    ))
}

/// As profiles of these settings name them, whatever the host.
fn named(config: &Config) -> BTreeSet<String> {
    let remotes = remotes(config).into_iter();
    remotes.map(|remote| format!("{} {}", remote.transport.word(), remote.port)).collect()
}
