//! The certificates of a step as values: two that differ are told like any other difference.

use crate::story::{Certificate, Field, Means, Step, Story};

/// What is said of the certificates that a step showed: what each says of itself, and what was answered about it. When an
/// answer was signed differs from one fetch to the next, and is left out.
pub(super) fn of(story: &Story, step: &Step) -> Vec<Field> {
    let shown = story.certificates.iter().filter(|one| one.step == step.number);
    shown.flat_map(one).collect()
}

fn one(certificate: &Certificate) -> Vec<Field> {
    let Certificate { depth, subject, issuer, serial, not_before, not_after, names, key, .. } =
        certificate;
    let field = |name: &str, value: &str| Field {
        name: format!("certificates[{depth}].{name}").into(),
        value: value.to_owned(),
        meaning: None,
    };
    let itself = [
        field("subject", subject),
        field("issuer", issuer),
        field("serial", serial),
        field("not_before", &not_before.to_string()),
        field("not_after", &not_after.to_string()),
        field("key", key),
    ];
    let names = names.iter().map(|name| field("names", name));
    let answers = certificate.inquiries.iter().flat_map(|inquiry| {
        let name = format!("inquiries.{}", word(inquiry.means));
        let by = inquiry.signed_by.as_deref();
        let signed_by = by.map(|by| field(&format!("{name}.signed_by"), by));
        [field(&name, &inquiry.answer)].into_iter().chain(signed_by)
    });
    itself.into_iter().chain(names).chain(answers).collect()
}

/// As JSON has it.
fn word(means: Means) -> &'static str {
    match means {
        Means::Staple => "staple",
        Means::Ocsp => "ocsp",
        Means::Crl => "crl",
        Means::Records => "records",
    }
}
