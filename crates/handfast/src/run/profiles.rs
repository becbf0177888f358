//! `handfast profile` for many devices: all are looked at before the first key is made, then each is written.
//!
//! Each has a certificate of its own, so that what is written stays where a later one fails; that one's failure says how
//! many were.

use std::collections::HashMap;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::Request;
use admin::response::{DeviceState, Response};

use super::ask::Line;
use super::names;
use super::output::{Output, unexpected};
use super::patience::Patience;
use super::profile::{self, Summary};
use crate::args::order::{Names, ProfileOrder, ProfileWish};
use crate::args::understand::many::named_devices;
use crate::show;

pub(super) fn run(
    data: &Path,
    json: bool,
    devices: Names,
    wish: &ProfileWish,
) -> Result<Output, Failure> {
    let given = names::read(devices)?;
    let mut devices = named_devices(&given.names, false)?;
    devices.sort();
    devices.dedup();
    if devices.is_empty() {
        return Ok(if json { Output::json(&[(); 0]) } else { nobody(given.nameless) });
    }
    let passphrase = profile::ask_for_passphrase(wish.passphrase)?;
    let _patience = Patience::start("writing profiles");
    let mut line = Line::open(data)?;
    look_at_all(&mut line, &devices, wish.renew)?;
    let mut written: Vec<Summary> = Vec::with_capacity(devices.len());
    for device in &devices {
        let order = ProfileOrder { device: device.clone(), wish: wish.clone() };
        let one = profile::write(&mut line, order, passphrase.as_ref());
        written.push(one.map_err(|failure| behind(failure, device, written.len()))?);
    }
    line.close();
    Ok(if json {
        Output::json(&written)
    } else {
        let left_out = show::session::nameless(given.nameless);
        Output::done(profile::of_many(&written, &wish.out) + &left_out)
    })
}

fn nobody(nameless: usize) -> Output {
    let left_out = show::session::nameless(nameless);
    Output::done(format!("no name was given; nothing was done\n{left_out}"))
}

/// Tells all at once of whom there is nothing to write for.
fn look_at_all(line: &mut Line, devices: &[DeviceName], renew: bool) -> Result<(), Failure> {
    let answer = line.ask(Request::DeviceList { user: None })?;
    let Response::Devices(all) = answer else { return Err(unexpected()) };
    let known: HashMap<_, _> = all.into_iter().map(|device| (device.name, device.state)).collect();
    let why = |device: &DeviceName| why_not(device, known.get(device).copied(), renew);
    let refused: Vec<_> = devices.iter().filter_map(why).collect();
    let Some(first) = refused.first() else { return Ok(()) };
    let count = refused.len();
    let message = format!("nothing was written: {count} of {} can't be", devices.len());
    let failure = Failure::new(first.kind, message);
    let told = refused.into_iter().take(TOLD);
    let failure = told.fold(failure, |failure, one| failure.because(one.message));
    let failure = match count.saturating_sub(TOLD) {
        0 => failure,
        more => failure.because(format!("and so on: {more} more")),
    };
    Err(failure
        .hint("leave these out, or mend that: `handfast profile USER/DEVICE` says how for each"))
}

fn why_not(device: &DeviceName, state: Option<DeviceState>, renew: bool) -> Option<Failure> {
    let conflict = |why| Failure::new(FailureKind::Conflict, format!("{device} {why}"));
    match state {
        None => Some(Failure::new(FailureKind::NotFound, format!("there is no device {device}"))),
        Some(DeviceState::Disabled) => Some(conflict("is disabled")),
        Some(DeviceState::Revoked) if !renew => Some(conflict("was revoked")),
        Some(DeviceState::Expired) if !renew => Some(conflict("has a certificate that is over")),
        Some(DeviceState::FormerCa) if !renew => Some(conflict("has a certificate of a former CA")),
        Some(_) => None,
    }
}

fn behind(failure: Failure, device: &DeviceName, written: usize) -> Failure {
    let failure = failure.because(format!("this was for {device}"));
    match written {
        0 => failure,
        count => failure
            .because(format!("the profiles of the {count} before it, by name, are written"))
            .hint("go on with this one and those behind it"),
    }
}

/// Of those that can't be.
const TOLD: usize = 20;
