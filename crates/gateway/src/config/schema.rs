//! The names of all keys, for errors that can say which one was meant.
//!
//! The types alone would refuse unknown keys too; this list knows the nearest one and the place
//! of the key itself. A test keeps both the same.

use std::path::Path;

use toml::de::{DeArray, DeTable, DeValue};

use super::{ConfigError, Place, Problem};

/// One section: its keys and its sections.
struct Section {
    name: &'static str,
    keys: &'static [&'static str],
    sections: &'static [Section],
}

const TOP: Section = Section {
    name: "",
    keys: &[],
    sections: &[
        PUBLIC, VPN, PUBLISH, CA, DEVICE, SESSIONS, CERT, METRICS, HOOKS, EXPLAIN, TLS, GROUPS,
        ACME,
    ],
};
const PUBLIC: Section = Section { name: "public", keys: &["names"], sections: &[] };
const VPN: Section = Section {
    name: "vpn",
    keys: &[
        "listen",
        "interface",
        "network",
        "network6",
        "nat",
        "client_to_client",
        "allow_in",
        "ping",
        "ping_restart",
        "reneg_sec",
        "hand_window",
        "tun_mtu",
        "mssfix",
        "mssfix_df",
        "ciphers",
        "auth",
        "max_sessions",
        "workers",
        "nice",
        "without",
    ],
    sections: &[PUSH],
};
const PUSH: Section = Section {
    name: "push",
    keys: &["routes", "dns", "dns_search", "redirect_gateway", "block_ipv6"],
    sections: &[],
};
const PUBLISH: Section = Section { name: "publish", keys: &["listen"], sections: &[] };
const CA: Section = Section {
    name: "ca",
    keys: &[
        "key_type",
        "validity_days",
        "permitted_names",
        "excluded_names",
        "public_url",
        "crl_validity_days",
        "gateway_validity",
    ],
    sections: &[],
};
const DEVICE: Section = Section {
    name: "device",
    keys: &["key_type", "validity_days", "supersede_days", "free_address_days"],
    sections: &[],
};

const METRICS: Section = Section { name: "metrics", keys: &["per_device"], sections: &[] };
const HOOKS: Section = Section { name: "hooks", keys: &["url", "revocation"], sections: &[] };
const EXPLAIN: Section = Section { name: "explain", keys: &["keep"], sections: &[] };
const SESSIONS: Section = Section { name: "sessions", keys: &["keep_days"], sections: &[] };
const CERT: Section = Section {
    name: "cert",
    keys: &["validity_days", "supersede_days", "key_types", "domains", "profiles"],
    sections: &[],
};
/// Whose keys are names that the file gives.
const GROUPS: Section = Section { name: "groups", keys: &[ANY], sections: &[] };
const ANY: &str = "*";
const TLS: Section =
    Section { name: "tls", keys: &[], sections: &[TLS_LISTEN, TLS_SERVER, TLS_CLIENT] };
const ACME: Section = Section {
    name: "acme",
    keys: &[
        "directory",
        "terms_agreed",
        "email",
        "ca",
        "revocation",
        "challenges",
        "eab_id",
        "eab_key_file",
    ],
    sections: &[],
};
const TLS_LISTEN: Section = Section {
    name: "listen",
    keys: &[
        "address",
        "mode",
        "protocols",
        "unknown_name",
        "no_name",
        "max_connections",
        "proxies",
        "passive_ports",
        "passive_address",
    ],
    sections: &[],
};
const TLS_CLIENT: Section = Section {
    name: "client",
    keys: &["listen", "target", "name", "ca", "pin", "certificate", "key", "revocation"],
    sections: &[],
};
const TLS_SERVER: Section = Section {
    name: "server",
    keys: &[
        "names",
        "backend",
        "default",
        "alpn",
        "clients",
        "users",
        "passthrough",
        "key_types",
        "idle_seconds",
        "max_age_seconds",
        "ticket_seconds",
        "max_connections",
        "proxy",
        "hsts_seconds",
        "hsts_subdomains",
        "hsts_preload",
        "certificate",
        "health",
        "health_seconds",
        "answer_seconds",
        "max_requests",
        "max_body",
    ],
    sections: &[BACKENDS, BACKEND_TLS, TLS_ROUTE],
};
const TLS_ROUTE: Section = Section {
    name: "route",
    keys: &["path", "backend", "health", "health_seconds", "answer_seconds", "max_requests"],
    sections: &[BACKENDS],
};
const BACKEND_TLS: Section = Section {
    name: "backend_tls",
    keys: &["name", "ca", "pin", "certificate", "key", "revocation"],
    sections: &[],
};
const BACKENDS: Section = Section { name: "backends", keys: &["to", "weight"], sections: &[] };

/// Refuses the first key of `text` that is in no list.
pub(super) fn known_keys_only(file: &Path, text: &str) -> Result<(), ConfigError> {
    let table = DeTable::parse(text).map_err(|e| ConfigError::from_toml(file, text, &e))?;
    match first_unknown(table.get_ref(), &TOP, "") {
        None => Ok(()),
        Some(unknown) => Err(ConfigError::Wrong {
            place: Place::of(file, text, &unknown.span),
            problem: Box::new(unknown.problem),
        }),
    }
}

struct Unknown {
    span: std::ops::Range<usize>,
    problem: Problem,
}

fn first_unknown(table: &DeTable<'_>, section: &Section, path: &str) -> Option<Unknown> {
    let mut found: Option<Unknown> = None;
    for (key, value) in table {
        let name: &str = key.get_ref();
        let inner = section.sections.iter().find(|s| s.name == name);
        let unknown = match (inner, value.get_ref()) {
            (Some(inner), DeValue::Table(table)) => first_unknown(table, inner, &join(path, name)),
            (Some(inner), DeValue::Array(tables)) => {
                first_unknown_of_many(tables, inner, &join(path, name))
            }
            (Some(_), _) => None,
            (None, _) if section.keys.contains(&name) || section.keys == [ANY] => None,
            (None, _) if successor(&join(path, name)).is_some() => None,
            (None, _) => Some(Unknown { span: key.span(), problem: problem(section, path, name) }),
        };
        found = [found, unknown].into_iter().flatten().min_by_key(|u| u.span.start);
    }
    found
}

/// In `[[section]]`, which may stand there often.
fn first_unknown_of_many(tables: &DeArray<'_>, section: &Section, path: &str) -> Option<Unknown> {
    tables.iter().find_map(|table| first_unknown(table.get_ref().as_table()?, section, path))
}

fn problem(section: &Section, path: &str, key: &str) -> Problem {
    let known: Vec<_> = section.names().collect();
    Problem::UnknownKey {
        section: path.to_owned(),
        key: key.to_owned(),
        nearest: nearest_key(key, &known),
        known,
    }
}

/// The key that took the place of this one.
pub(super) fn successor(key: &str) -> Option<&'static str> {
    FORMER.iter().find(|(former, _)| *former == key).map(|(_, successor)| *successor)
}

/// What a key was called before.
pub(super) fn former_names(key: &str) -> impl Iterator<Item = &'static str> {
    FORMER.iter().filter(move |(_, successor)| *successor == key).map(|(former, _)| *former)
}

/// Keys of former releases, which are read still, and those that took their place, in the same sections.
const FORMER: &[(&str, &str)] = &[("ca.gateway_validity_days", "ca.gateway_validity")];

impl Section {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().copied().chain(self.sections.iter().map(|s| s.name))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The known name that is at most a third of its letters away from `word`.
pub(super) fn nearest_key<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|k| (distance(word, k), *k)).min()?;
    (near.0 <= near.1.len().div_ceil(3)).then_some(near.1)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    // Bounded: a key can be as long as the file.
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// Fails unless `table`, made from the types with every option set, has just the listed keys.
#[cfg(test)]
pub(super) fn assert_matches(table: &toml::Table) {
    fn walk(table: &toml::Table, section: &Section) {
        if section.keys == [ANY] {
            return;
        }
        let mut listed: Vec<_> = section.names().collect();
        let mut actual: Vec<_> = table.keys().map(String::as_str).collect();
        listed.sort_unstable();
        actual.sort_unstable();
        assert_eq!(listed, actual, "in section [{}]", section.name);
        for inner in section.sections {
            let found = &table[inner.name];
            let found = found.as_array().map_or(found, |many| &many[0]);
            walk(found.as_table().expect("a section"), inner);
        }
    }
    walk(table, &TOP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_counts_once() {
        assert_eq!(distance("netwrok", "network"), 1);
        assert_eq!(distance("", "nat"), 3);
    }

    #[test]
    fn a_word_like_no_key_has_no_nearest_one() {
        assert_eq!(nearest_key("zebra", &["network", "nat"]), None);
    }
}
