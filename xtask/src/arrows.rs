//! Holds the crate arrows of ARCHITECTURE.md: a dependency that is not drawn there fails the check.

use crate::failed::Failed;
use crate::workspace;

/// Who may depend on whom, the lowest first. What only tests depend on is not held.
const DRAWN: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("sources", &[]),
    ("names", &[]),
    ("admin", &["clock", "names"]),
    ("wire", &[]),
    ("sysio", &[]),
    ("pki", &["clock", "names"]),
    ("tunnel", &["clock", "sources", "wire"]),
    ("datapath", &["clock", "wire"]),
    ("store", &["clock", "names", "pki"]),
    ("engine", &["clock", "names", "sources", "wire", "tunnel", "datapath", "pki", "sysio"]),
    ("signer", &["clock", "pki", "store", "sysio"]),
    ("authority", &["clock", "pki", "signer", "store"]),
    ("publish", &["clock", "pki", "sources"]),
    (
        "front",
        &[
            "carry", "clock", "names", "pki", "proxied", "sources", "starttls", "upgrade", "web",
            "uplink",
        ],
    ),
    ("ask", &["clock", "pki"]),
    ("carry", &[]),
    ("starttls", &[]),
    ("upgrade", &["carry", "starttls"]),
    ("uplink", &["ask", "carry", "clock", "pki", "starttls", "upgrade"]),
    ("acme", &["clock", "pki", "uplink"]),
    ("web", &["carry", "sources"]),
    ("explain", &["clock", "datapath", "pki", "wire"]),
    ("proxied", &[]),
    (
        "vpn",
        &[
            "admin", "clock", "names", "sources", "wire", "tunnel", "datapath", "pki", "sysio",
            "engine",
        ],
    ),
    (
        "gateway",
        &[
            "acme",
            "admin",
            "ask",
            "clock",
            "names",
            "sources",
            "wire",
            "tunnel",
            "pki",
            "publish",
            "signer",
            "sysio",
            "store",
            "engine",
            "authority",
            "explain",
            "front",
            "uplink",
            "vpn",
        ],
    ),
    ("client", &["clock", "wire", "tunnel", "datapath", "pki", "ask", "sysio", "engine"]),
    ("load", &["clock", "wire", "tunnel", "datapath", "sysio", "engine", "client"]),
    (
        "handfast",
        &[
            "admin", "ask", "clock", "names", "pki", "signer", "sysio", "engine", "gateway",
            "client", "load", "starttls", "uplink", "explain",
        ],
    ),
    ("testkit", &[]),
    ("interop", &["sysio"]),
    ("vpn-bench", &["sysio", "interop"]),
    ("ca-bench", &["clock", "pki", "publish"]),
    ("tls-bench", &[]),
    ("control-bench", &["admin", "clock", "sysio", "gateway", "interop"]),
    (
        "fuzz-targets",
        &[
            "admin", "clock", "wire", "tunnel", "datapath", "explain", "pki", "proxied", "signer",
            "gateway", "starttls", "testkit", "web", "front",
        ],
    ),
    ("xtask", &[]),
];

/// A feature that only tests may ask for.
const FOR_TESTS: &str = "fault-injection";

/// Compares the workspace's dependencies with the drawn arrows.
pub(crate) fn check() -> Result<(), Failed> {
    let packages = workspace::packages()?;
    let ours: Vec<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut undrawn = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = DRAWN.iter().find(|(crate_name, _)| *crate_name == name) else {
            undrawn.push(format!("crate `{name}` is not drawn"));
            continue;
        };
        for dependency in &package.dependencies {
            let target = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"].as_str() == Some("dev");
            let mut features = dependency["features"].as_array().into_iter().flatten();
            if !for_tests && features.any(|feature| feature == FOR_TESTS) {
                undrawn.push(format!("{name} -> {target}, which injects faults"));
            }
            if ours.contains(&target) && !for_tests && !allowed.contains(&target) {
                undrawn.push(format!("{name} -> {target}"));
            }
        }
    }
    if undrawn.is_empty() {
        return Ok(());
    }
    Err(Failed::new(format!(
        "arrows that ARCHITECTURE.md does not draw: {}. Draw them there and in xtask/src/arrows.rs, or remove them",
        undrawn.join(", ")
    )))
}
