//! What has to hold in `[acme]`.

use super::{Finding, refuse};
use crate::config::Acme;

/// The first contradiction.
pub(super) fn consistent(acme: &Acme) -> Result<(), Finding> {
    if acme.challenges.is_empty() {
        let message = "acme.challenges is empty; choose from tls-alpn-01, http-01";
        return refuse(&["acme", "challenges"], message.to_owned());
    }
    if acme.email.as_ref().is_some_and(|email| !is_address(email)) {
        let message = "acme.email is no address; write one like \"admin@example.org\"";
        return refuse(&["acme", "email"], message.to_owned());
    }
    if acme.eab_id.is_some() != acme.eab_key_file.is_some() {
        let (path, message): (&'static [&'static str], _) = match acme.eab_id {
            Some(_) => (&["acme", "eab_id"], "acme.eab_id needs acme.eab_key_file beside it"),
            None => (&["acme", "eab_key_file"], "acme.eab_key_file needs acme.eab_id beside it"),
        };
        return refuse(path, message.to_owned());
    }
    let files = [(&["acme", "ca"], &acme.ca), (&["acme", "eab_key_file"], &acme.eab_key_file)];
    for (path, file) in files {
        if let Some(file) = file.as_ref().filter(|file| !file.is_absolute()) {
            let file = file.display();
            return refuse(path, format!("{file} is no whole path; write /FOLDER/{file}"));
        }
    }
    Ok(())
}

/// What can stand behind `mailto:`.
fn is_address(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"<>,;?&\"".contains(&b));
    plain && text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
}
