//! `handfast profile`: the folder is looked at first, then the key is made, then all is written.
//!
//! That order matters: the gateway keeps no key, so one that can't be written is lost.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::Request;
use admin::response::Response;
use admin::response::{KeyMaterial, ProfileMaterial};
use clock::Timestamp;
use gateway::profile::System;
use gateway::profile::folder::NotPlaced;
use gateway::profile::former::{FormerError, FormerIdentity};
use gateway::profile::render::{self, Identity, RenderError};
use gateway::profile::write::{SkipReason, Skipped, Wanted, WriteError, Written, prepare};
use serde::Serialize;
use sysio::FolderError;
use zeroize::Zeroizing;

use super::ask::Line;
use super::output::{Output, unexpected};
use super::{locked_key, passphrase};
use crate::args::order::{FormerOrder, ProfileOrder, ProfileWish, STDOUT};
use crate::show::words::count;

pub(crate) fn run(data: &Path, json: bool, order: ProfileOrder) -> Result<Output, Failure> {
    let ProfileWish { renew, out, systems, passphrase, .. } = order.wish.clone();
    let passphrase = ask_for_passphrase(passphrase)?;
    let mut line = Line::open(data)?;
    if let Some(system) = printed(&out, &systems) {
        let request = Request::ProfileMaterial { device: order.device, renew };
        let Response::Profile(mut material) = line.ask(request)? else { return Err(unexpected()) };
        line.close();
        lock_key(&mut material, passphrase.as_ref())?;
        return print(system, &material);
    }
    let summary = write(&mut line, order, passphrase.as_ref())?;
    line.close();
    Ok(if json { Output::json(&summary) } else { Output::done(text(&summary, &out)) })
}

/// Writes a device's profiles, with a key that is made where there is none.
pub(super) fn write(
    line: &mut Line,
    order: ProfileOrder,
    passphrase: Option<&Passphrase>,
) -> Result<Summary, Failure> {
    let ProfileOrder { device, wish } = order;
    let show = Request::DeviceShow { device: device.clone() };
    let Response::Device(known) = line.ask(show)? else { return Err(unexpected()) };
    let makes_key = wish.renew || known.certificates.is_empty();
    let wanted = Wanted { name: device.clone(), systems: wish.systems, form: wish.form, makes_key };
    let prepared = prepare(&wish.out, wanted, known.certificates)
        .map_err(|error| before_the_key(&error, &device))?;
    let request = Request::ProfileMaterial { device, renew: wish.renew };
    let Response::Profile(mut material) = line.ask(request)? else { return Err(unexpected()) };
    lock_key(&mut material, passphrase)?;
    let written = prepared.write(&material).map_err(|error| after_the_key(&error, &material))?;
    Ok(Summary::new(&material, written))
}

/// The same with the settings of today, for a key that somebody has still. The key stays here.
pub(crate) fn run_from(data: &Path, json: bool, order: FormerOrder) -> Result<Output, Failure> {
    let former = FormerIdentity::read(&order.former).map_err(|error| no_identity(&error))?;
    let passphrase = ask_for_passphrase(order.passphrase)?;
    let mut line = Line::open(data)?;
    let request = Request::ProfileAgain { certificate_pem: former.certificate_pem };
    let Response::Profile(mut material) = line.ask(request)? else { return Err(unexpected()) };
    let device = material.name.clone();
    let show = Request::DeviceShow { device: device.clone() };
    let Response::Device(known) = line.ask(show)? else { return Err(unexpected()) };
    line.close();
    material.key = KeyMaterial::Made { pem: former.key_pem };
    lock_key(&mut material, passphrase.as_ref())?;
    if let Some(system) = printed(&order.out, &order.systems) {
        return print(system, &material);
    }
    let wanted =
        Wanted { name: device.clone(), systems: order.systems, form: order.form, makes_key: true };
    let written = prepare(&order.out, wanted, known.certificates)
        .and_then(|prepared| prepared.write(&material))
        .map_err(|error| before_the_key(&error, &device))?;
    let summary = Summary { key: KeyWord::Former, ..Summary::new(&material, written) };
    Ok(if json { Output::json(&summary) } else { Output::done(text(&summary, &order.out)) })
}

/// Before a key is made, so that none is lost to a typing error.
pub(super) fn ask_for_passphrase(wanted: bool) -> Result<Option<Passphrase>, Failure> {
    wanted.then(|| passphrase::typed_twice("new passphrase of the device's key: ")).transpose()
}

/// A key that was handed out before, or was made elsewhere, is not here.
fn lock_key(
    material: &mut ProfileMaterial,
    passphrase: Option<&Passphrase>,
) -> Result<(), Failure> {
    if let (KeyMaterial::Made { pem }, Some(passphrase)) = (&mut material.key, passphrase) {
        *pem = locked_key::lock(pem, passphrase)?;
    }
    Ok(())
}

pub(super) type Passphrase = Zeroizing<Vec<u8>>;

/// Which system's profile is printed, where none is to be written.
fn printed(out: &Path, systems: &[System]) -> Option<System> {
    systems.first().copied().filter(|_| out == Path::new(STDOUT))
}

/// The profile alone, so that what follows in a pipe gets no other word.
fn print(system: System, material: &ProfileMaterial) -> Result<Output, Failure> {
    let KeyMaterial::Made { pem } = &material.key else { return Err(no_key_to_print(material)) };
    let identity =
        Identity { name: &material.name, certificate_pem: &material.certificate.pem, key_pem: pem };
    let text = render::unified(system, &material.common, identity)
        .map_err(|error| after_the_key(&WriteError::Render(error), material))?;
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.expose().as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| {
        Failure::new(
            FailureKind::Failed,
            "the profile could not be printed, and its key is not kept",
        )
        .caused_by(&error)
        .hint(format!("make another: `handfast profile {} --renew`", material.name))
    })?;
    Ok(Output::done(""))
}

fn no_key_to_print(material: &ProfileMaterial) -> Failure {
    let device = &material.name;
    Failure::new(
        FailureKind::Conflict,
        format!("the private key of {device} is not to be had here"),
    )
    .because("it was handed out before and is not kept, or is on the device alone")
    .hint(format!("new key and certificate: `handfast profile {device} --renew`"))
    .hint("or take it from a former profile: `handfast profile --from OLD.ovpn`")
}

fn no_identity(error: &FormerError) -> Failure {
    let failure = Failure::new(FailureKind::Usage, error.to_string());
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    };
    failure.hint(
        "take a profile with key and certificate in it, or with both files beside it; without the key, \
         make another: handfast profile USER/DEVICE --renew",
    )
}

/// What was done, for `--json` too.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    device: DeviceName,
    files: Vec<PathBuf>,
    skipped: Vec<Skipped>,
    key: KeyWord,
    serial: String,
    expires_at: Timestamp,
    supersedes: Option<String>,
    superseded_revoked_by: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyWord {
    Made,
    Gone,
    OnDevice,
    Former,
}

impl Summary {
    fn new(material: &ProfileMaterial, written: Written) -> Self {
        Self {
            device: material.name.clone(),
            files: written.files,
            skipped: written.skipped,
            key: match material.key {
                KeyMaterial::Made { .. } => KeyWord::Made,
                KeyMaterial::Gone => KeyWord::Gone,
                KeyMaterial::OnDevice => KeyWord::OnDevice,
            },
            serial: material.certificate.serial.clone(),
            expires_at: material.certificate.not_after,
            supersedes: material.supersedes.as_ref().map(|(serial, _)| serial.clone()),
            superseded_revoked_by: material.supersedes.as_ref().map(|(_, at)| *at),
        }
    }
}

fn text(summary: &Summary, out: &Path) -> String {
    let device = &summary.device;
    let files = count(summary.files.len(), "file");
    let mut text = format!("wrote {files} for {device} to {}\n", out.display());
    for file in &summary.files {
        text.push_str(&format!("  {}\n", file.file_name().unwrap_or_default().display()));
    }
    let until = summary.expires_at.date();
    text.push_str(&format!("certificate {}, valid until {until}\n", summary.serial));
    if let (Some(serial), Some(by)) = (&summary.supersedes, &summary.superseded_revoked_by) {
        text.push_str(&format!(
            "the former one, {serial}, is revoked when this one connects, at the latest on {}\n",
            by.date()
        ));
    }
    text.push_str(&key_note(summary));
    text.push_str(&skip_note(&summary.skipped));
    text
}

/// A line for each, and once what holds of all.
pub(super) fn of_many(all: &[Summary], out: &Path) -> String {
    let mut text = String::new();
    let mut notes: Vec<String> = Vec::new();
    for one in all {
        let (files, until) = (count(one.files.len(), "file"), one.expires_at.date());
        let device = &one.device;
        text.push_str(&format!("wrote {files} for {device}, valid until {until}\n"));
        for note in [key_note(one), skip_note(&one.skipped)] {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    let devices = count(all.len(), "device");
    text + &format!("the profiles of {devices} are in {}\n", out.display()) + &notes.concat()
}

fn key_note(summary: &Summary) -> String {
    let device = &summary.device;
    match summary.key {
        KeyWord::Made => "the private key is in these files and nowhere else: hand them over \
                          safely, then delete them here\n"
            .into(),
        KeyWord::Gone => format!(
            "the private key of {device} was handed out before and is not kept, so these are the \
             common files only\n\
             new key and certificate: handfast profile {device} --renew\n\
             or keep the key, with a profile that somebody has still: handfast profile --from OLD.ovpn\n"
        ),
        KeyWord::Former => {
            "the private key is the former one: hand these files over safely in place of the old ones\n"
                .into()
        }
        KeyWord::OnDevice => {
            format!("the private key is on {device}: put it beside these files as vpn.key\n")
        }
    }
}

fn skip_note(skipped: &[Skipped]) -> String {
    let of = |why: SkipReason| {
        let words: Vec<&str> =
            skipped.iter().filter(|s| s.why == why).map(|s| s.system.word()).collect();
        words.join(", ")
    };
    let mut text = String::new();
    let (one_file, the_key) = (of(SkipReason::NeedsOneFile), of(SkipReason::NeedsTheKey));
    if !one_file.is_empty() {
        text.push_str(&format!(
            "nothing for {one_file}: their clients import one file; use --form unified\n"
        ));
    }
    if !the_key.is_empty() {
        text.push_str(&format!(
            "nothing for {the_key}: their clients import one file with the key in it\n"
        ));
    }
    text
}

fn before_the_key(error: &WriteError, device: &DeviceName) -> Failure {
    let failure = failure(error);
    match error {
        WriteError::OtherDevice { .. } => failure
            .hint(format!("write to another folder: `handfast profile {device} --out DIR`"))
            .hint("or move that file away first"),
        WriteError::Folder { source: FolderError::Link(_) | FolderError::NotPlain(_), .. } => {
            failure.hint("move it away first, or write to another folder: `--out DIR`")
        }
        WriteError::Folder { source: FolderError::OthersWrite(_), .. } => {
            failure.hint("name a folder that only you may write to: `--out DIR`")
        }
        WriteError::Folder { .. } => failure.hint("name a folder you may write to: `--out DIR`"),
        WriteError::NotPlaced(_) | WriteError::Render(_) => failure,
    }
}

/// The key was made and is lost, which only a further renewal mends.
fn after_the_key(error: &WriteError, material: &ProfileMaterial) -> Failure {
    let failure = failure(error);
    match material.key {
        KeyMaterial::Made { .. } if matches!(error, WriteError::NotPlaced(_)) => {
            failure.hint("the new private key is in it: move it to its place by hand")
        }
        KeyMaterial::Made { .. } => failure
            .because("the new private key could not be written and is not kept")
            .hint(format!(
                "mend that, then make another: `handfast profile {} --renew`",
                material.name
            )),
        KeyMaterial::Gone | KeyMaterial::OnDevice => failure,
    }
}

fn failure(error: &WriteError) -> Failure {
    match error {
        WriteError::Folder { source, .. } | WriteError::NotPlaced(NotPlaced { source, .. }) => {
            let failure = Failure::new(FailureKind::Failed, error.to_string());
            match source {
                FolderError::Io { source, .. } => failure.caused_by(source),
                other => failure.caused_by(other),
            }
        }
        WriteError::OtherDevice { .. } => Failure::new(FailureKind::Conflict, error.to_string())
            .because("it would be replaced, and with it perhaps the only copy of a key"),
        WriteError::Render(render) => {
            let failure =
                Failure::new(FailureKind::Configuration, error.to_string()).caused_by(render);
            match render {
                RenderError::NoRemote => failure.hint(
                    "say what clients reach this gateway by: handfast config set public.names NAME",
                ),
                _ => failure.hint("mend the setting in handfast.toml"),
            }
        }
    }
}
