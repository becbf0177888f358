//! Profiles: for which systems, in which form, with which key.

use std::path::Path;

use admin::failure::{Failure, FailureKind};
use gateway::profile::{Form, System};

use super::words::device_name;
use crate::args::order::{Action, FormerOrder, ProfileOrder, STDOUT};
use crate::args::typed::profiles::{Files, FormWord, Os, Profile};

pub(super) fn understand_profile(profile: Profile) -> Result<Action, Failure> {
    let Profile { device, renew, from, files } = profile;
    match from {
        None => {
            let device = device.unwrap_or_default();
            Ok(Action::Profile(profile_order(&device, renew, files)?))
        }
        Some(former) => {
            let (systems, form) = systems_and_form(&files)?;
            let passphrase = files.passphrase;
            Ok(Action::ProfileFrom(FormerOrder {
                former,
                out: files.out,
                systems,
                form,
                passphrase,
            }))
        }
    }
}

pub(super) fn profile_order(
    device: &str,
    renew: bool,
    files: Files,
) -> Result<ProfileOrder, Failure> {
    let (systems, form) = systems_and_form(&files)?;
    let (device, passphrase) = (device_name(device)?, files.passphrase);
    Ok(ProfileOrder { device, renew, out: files.out, systems, form, passphrase })
}

fn systems_and_form(files: &Files) -> Result<(Vec<System>, Form), Failure> {
    let form = match files.form {
        FormWord::Unified => Form::Unified,
        FormWord::Split => Form::Split,
    };
    let systems = systems(&files.os);
    if form == Form::Split && systems.iter().all(|system| system.is_mobile()) {
        return Err(split_for_mobile());
    }
    let is_one = systems.len() == 1 && form == Form::Unified;
    if files.out == Path::new(STDOUT) && !is_one {
        return Err(one_to_print());
    }
    Ok((systems, form))
}

fn systems(typed: &[Os]) -> Vec<System> {
    let wanted = |system| {
        typed.iter().any(|os| match os {
            Os::All => true,
            Os::Linux => system == System::Linux,
            Os::Windows => system == System::Windows,
            Os::Macos => system == System::Macos,
            Os::Android => system == System::Android,
            Os::Ios => system == System::Ios,
        })
    };
    System::ALL.into_iter().filter(|system| wanted(*system)).collect()
}

fn one_to_print() -> Failure {
    Failure::new(FailureKind::Usage, "only one profile can be printed")
        .hint("name one system and the unified form: `--out - --os linux`")
}

fn split_for_mobile() -> Failure {
    Failure::new(FailureKind::Usage, "the split form can't be used on Android and iOS")
        .because("their clients import one file and can't read vpn.crt and vpn.key beside it")
        .hint("leave out `--form split` for them")
}
