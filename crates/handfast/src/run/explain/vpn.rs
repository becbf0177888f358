//! A handshake of our own with the VPN gateway of a profile, for its story.

use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::{Profile, Warning, Watched, look};
use clock::{Clock, SystemClock};
use explain::capture::Keys;
use explain::live::{Live, Speech};
use explain::story::{Ending, Judgement, Story};
use explain::{Chunk, Side};

use super::declined;
use super::secrets::Secrets;

/// Shakes hands, says goodbye, and tells.
pub(super) fn story(file: &Path) -> Result<Story, Failure> {
    let profile = Profile::load_expired_too(file, &SystemClock)
        .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secrets = Arc::new(Secrets::default());
    let mut live = Live::new("udp");
    let mut frame = 0;
    let looked =
        look(&profile, &clock, seed()?, Arc::clone(&secrets) as _, |packet: Watched<'_>| {
            frame += 1;
            let from = if packet.ours { Side::Client } else { Side::Server };
            let at = u64::try_from(packet.at.wall.as_micros()).unwrap_or(u64::MAX);
            live.push(&Chunk { at, from, frame, offset: 0, bytes: packet.bytes });
        });
    let looked = looked.map_err(|error| {
        Failure::new(FailureKind::Unreachable, "there is no handshake to tell").caused_by(&error)
    })?;
    live.between(looked.local.to_string(), looked.server.to_string());
    if let Some((key, _)) = &profile.tls_auth {
        let mut keys = Keys::default();
        // It was read from a key's text before.
        let _ = keys.add(&key.to_text());
        live.checked_with(keys);
    }
    let said = match &looked.declined {
        // The end of the story says it, and in better words.
        Some(declined) => {
            live.declined(declined::verdict(declined));
            None
        }
        None => looked.refused,
    };
    let out_of_time = |warning: &&Warning| {
        matches!(warning, Warning::Expired { .. } | Warning::NotYetValid { .. })
    };
    let own = profile.warnings.iter().filter(out_of_time).map(ToString::to_string);
    let closed = looked.nothing_listens.then(|| NOTHING_LISTENS.to_owned());
    live.judged(
        said.into_iter()
            .chain(own)
            .chain(closed)
            .map(|sentence| Judgement { by: "this client".to_owned(), sentence }),
    );
    let mut story = live.story(Speech::OpenVpn, secrets.take()).ok_or_else(|| {
        Failure::new(FailureKind::Unreachable, "nothing was said that could be told")
    })?;
    if looked.nothing_listens {
        suspect_the_port(&mut story);
    }
    Ok(story)
}

/// More than silence tells.
fn suspect_the_port(story: &mut Story) {
    if let Ending::Broken(broken) = &mut story.ending
        && broken.code == "reset_unanswered"
    {
        broken.mends.insert(0, START_IT.to_owned());
    }
}

fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| Failure::new(FailureKind::Environment, "the system gives no randomness"))?;
    Ok(seed)
}

const NOTHING_LISTENS: &str =
    "the machine there, or a firewall on the way, answered that nothing listens at this UDP port";
const START_IT: &str = "Start the server, or mend address and port in the profile: the answer came that nothing listens there (a firewall that rejects says the same).";
