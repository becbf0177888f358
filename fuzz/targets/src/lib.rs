//! Every parser that meets strangers, as a function of any bytes, under one name each.
//!
//! It exists so that the explorer (cargo-fuzz, nightly) and the replay of known inputs (stable, on
//! every change) run the same code. The functions live in their crates, beside what they exercise; here
//! are only those that need several crates.
//!
//! It degrades loudly: a target panics when its parser does, or when what it understood is not
//! what it writes and reads again.

mod gateway;
mod peer;
mod tunnel;

pub use wire::fuzzing::Target;

/// One crate's targets, by name.
type Group = (&'static str, &'static [(&'static str, Target)]);

const GROUPS: &[Group] = &[
    ("datapath", &datapath::fuzzing::TARGETS),
    ("explain", &explain::fuzzing::TARGETS),
    ("front", &front::fuzzing::TARGETS),
    ("gateway", &gateway::TARGETS),
    ("pki", &pki::fuzzing::TARGETS),
    ("proxied", &proxied::fuzzing::TARGETS),
    ("signer", &signer::fuzzing::TARGETS),
    ("starttls", &starttls::fuzzing::TARGETS),
    ("tunnel", &tunnel::TARGETS),
    ("web", &web::fuzzing::TARGETS),
    ("wire", &wire::fuzzing::TARGETS),
];

/// All targets, each named by its crate and its parser.
pub fn all() -> impl Iterator<Item = (String, Target)> {
    GROUPS.iter().flat_map(|(group, targets)| {
        targets.iter().map(move |(name, target)| (format!("{group}_{name}"), *target))
    })
}

/// The target of that name.
pub fn find(wanted: &str) -> Option<Target> {
    all().find(|(name, _)| name == wanted).map(|(_, target)| target)
}

/// Makes the entry point of an explorer's program from a target's name.
#[macro_export]
macro_rules! explore {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<$crate::Target> =
            std::sync::LazyLock::new(|| $crate::find($name).expect("the target is listed"));
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
    };
}
