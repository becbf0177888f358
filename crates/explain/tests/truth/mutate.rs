//! Single changes of a story.

use serde_json::{Value, json};

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sender,
    Cipher,
    KeyId,
    Lifetime,
    Order,
    OcspStatus,
    MissingStep,
    Alert,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Sender,
        Kind::Cipher,
        Kind::KeyId,
        Kind::Lifetime,
        Kind::Order,
        Kind::OcspStatus,
        Kind::MissingStep,
        Kind::Alert,
    ];
}

/// A small generator, for the same changes in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// The story with one change of this kind; none if it has nothing of it.
pub(crate) fn change(story: &Value, kind: Kind, random: &mut Random) -> Option<Value> {
    let mut mutant = story.clone();
    match kind {
        Kind::Sender => {
            let step = any(&mut mutant["steps"], random, |step| {
                !step["basis"].as_array().unwrap().is_empty()
            })?;
            step["from"] = if step["from"] == "client" { json!("server") } else { json!("client") };
        }
        Kind::Cipher => change_field(&mut mutant, "cipher_suite", "0x1305", random)?,
        Kind::KeyId => {
            let packet = any(&mut mutant["packets"], random, |_| true)?;
            packet["key_id"] = json!(packet["key_id"].as_u64()? + 1);
        }
        Kind::Lifetime => change_field(&mut mutant, "ticket_lifetime", "7201", random)?,
        Kind::Order => swap(&mut mutant, random)?,
        Kind::OcspStatus => {
            let certificates = mutant["certificates"].as_array_mut()?;
            let all =
                certificates.iter_mut().flat_map(|one| one["inquiries"].as_array_mut().unwrap());
            let staple =
                all.into_iter().find(|one| one["means"] == "staple" && one["answer"] == "good")?;
            staple["answer"] = json!("revoked");
        }
        Kind::MissingStep => {
            let steps = mutant["steps"].as_array_mut()?;
            let at = random.below(steps.len());
            if is_no_message(&steps[at]) {
                return None;
            }
            steps.remove(at);
        }
        Kind::Alert => change_field(&mut mutant, "alert_description", "99", random)?,
    }
    Some(mutant)
}

fn any<'a>(
    all: &'a mut Value,
    random: &mut Random,
    fits: impl Fn(&Value) -> bool,
) -> Option<&'a mut Value> {
    let mut fitting: Vec<&mut Value> =
        all.as_array_mut()?.iter_mut().filter(|one| fits(one)).collect();
    let at = random.below(fitting.len().max(1));
    (at < fitting.len()).then(|| fitting.swap_remove(at))
}

fn change_field(story: &mut Value, name: &str, to: &str, random: &mut Random) -> Option<()> {
    let steps = story["steps"].as_array_mut()?;
    let fields = steps.iter_mut().flat_map(|step| step["fields"].as_array_mut().unwrap());
    let mut fields: Vec<&mut Value> = fields.filter(|field| field["name"] == name).collect();
    let at = random.below(fields.len().max(1));
    fields.get_mut(at)?["value"] = json!(to);
    Some(())
}

/// Two steps that follow each other change their contents, and keep their numbers.
fn swap(story: &mut Value, random: &mut Random) -> Option<()> {
    let steps = story["steps"].as_array_mut()?;
    let at = random.below(steps.len().checked_sub(1)?);
    // Two of the same message in one frame are the same story.
    if steps[at]["entry"] == steps[at + 1]["entry"]
        || is_no_message(&steps[at])
        || is_no_message(&steps[at + 1])
    {
        return None;
    }
    steps.swap(at, at + 1);
    let numbers = [at, at + 1].map(|at| steps[at]["number"].clone());
    steps[at]["number"] = numbers[1].clone();
    steps[at + 1]["number"] = numbers[0].clone();
    Some(())
}

/// Steps that have no place among the messages of one frame that tshark would tell.
fn is_no_message(step: &Value) -> bool {
    let entry = step["entry"].as_str().unwrap();
    ["disguise", "change_cipher_spec", "sealed", "application_data", "cookie_returned"]
        .contains(&entry)
        || entry.ends_with("_reset")
        || ["data_begins", "reset_repeated", "missing", "unreadable"].contains(&entry)
}
