//! A handshake of our own with the VPN gateway of a profile, for its story.

use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::{Profile, Watched, look};
use clock::{Clock, SystemClock};
use explain::capture::Keys;
use explain::live::{Live, Speech};
use explain::story::{Ending, Judgement, Story};
use explain::{Chunk, Side};

use super::secrets::Secrets;

/// Shakes hands, says goodbye, and tells.
pub(super) fn story(file: &Path) -> Result<Story, Failure> {
    let profile = Profile::load(file, &SystemClock)
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
    live.judged(
        looked.refused.map(|sentence| Judgement { by: "this client".to_owned(), sentence }),
    );
    let mut story = live.story(Speech::OpenVpn, secrets.take()).ok_or_else(|| {
        Failure::new(FailureKind::Unreachable, "nothing was said that could be told")
    })?;
    suspect_the_profile(&mut story);
    Ok(story)
}

/// Its packets fit its own key, which says nothing of the server's.
fn suspect_the_profile(story: &mut Story) {
    if let Ending::Broken(broken) = &mut story.ending
        && broken.code == "reset_unanswered"
    {
        broken.mends.insert(0, ANOTHERS.to_owned());
    }
}

fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| Failure::new(FailureKind::Environment, "the system gives no randomness"))?;
    Ok(seed)
}

const ANOTHERS: &str = "If others get in there, the profile is another gateway's, or an old one: a server drops what is made \
     with another tls-auth key without a word. Take a current profile.";
