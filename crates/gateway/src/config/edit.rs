//! One key of `handfast.toml` given another value; all else in the file stays, comments too.
//!
//! Text in, text out: it reads and writes no file. Invariant: what comes out was read again, and nothing is wrong
//! with it but what was before, elsewhere, and stops no start.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::schema::{former_names, nearest_key, successor};
use super::{Config, ConfigError, PublicUrl, WebhookUrl};

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key with its sections: `vpn.push.routes`.
    pub key: String,
    /// The value as the file would have it; nothing, where it is optional and left out.
    pub value: Option<String>,
}

/// The settings with another value for a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The file's text.
    pub text: String,
    /// What it says, without the pushes that a start leaves out.
    pub config: Config,
}

/// Why a key was not set.
#[derive(Debug)]
pub enum EditError {
    /// There is no such key.
    UnknownKey {
        /// What was asked for.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// It takes no such value.
    BadValue {
        /// The key.
        key: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// The file would not be valid with it, or is not so already.
    Config(ConfigError),
}

/// What a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Number,
    Switch,
    Text,
}

impl Config {
    /// Every key with its value, in the order of their names.
    pub fn settings(&self) -> Vec<Setting> {
        let present = leaves(self);
        let value = |key: &str| {
            let found = present.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.to_string())
        };
        let all = leaves(&with_all_keys()).into_iter();
        all.map(|(key, _)| Setting { value: value(&key), key }).collect()
    }
}

/// The file's text with another value for a key: none for an empty list, or for a key that is left out.
///
/// # Errors
/// When the key or the value is wrong, alone or beside the others.
pub fn set(file: &Path, text: &str, key: &str, values: &[String]) -> Result<Changed, EditError> {
    if let Some(successor) = successor(key) {
        let days: Vec<String> = values.iter().map(|days| format!("{days}d")).collect();
        return set(file, text, successor, &days);
    }
    let kind = kind_of(key)?;
    let changed = match value(key, kind, values)? {
        None => without(text, key)?,
        Some(value) => with(file, text, key, value)?,
    };
    let config = Config::parse_changed(file, text, &changed, key).map_err(EditError::Config)?;
    Ok(Changed { text: changed, config })
}

fn with(file: &Path, text: &str, key: &str, value: Value) -> Result<String, EditError> {
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        let wrong = Config::parse(file, text).err();
        return Err(wrong.map_or_else(|| bad(key, "a file in TOML"), EditError::Config));
    };
    let (sections, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table: &mut Table = document.as_table_mut();
    for section in sections.split('.') {
        let inner = table.entry(section).or_insert_with(|| Item::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| bad(key, "a section of its own"))?;
    }
    former_names(key)
        .filter_map(|former| former.rsplit_once('.'))
        .for_each(|(_, former)| drop(table.remove(former)));
    put(table, name, value);
    Ok(document.to_string())
}

/// The text without the key's line, of which a comment stays, as does what stands above it. Refused where the line
/// has more, as in a table in braces: that would go with it.
fn without(text: &str, key: &str) -> Result<String, EditError> {
    let span = DeTable::parse(text).ok().and_then(|table| span_of(table.get_ref(), key));
    let Some(Range { start, end }) = span else { return Ok(text.to_owned()) };
    let line = text[..start].rfind('\n').map_or(0, |before| before + 1);
    let next = text[end..].find('\n').map_or(text.len(), |after| end + after + 1);
    let (before, behind) = (text[line..start].trim(), text[end..next].trim_start());
    // A key may be written with its section before it: `ca.public_url`.
    let is_path = before.is_empty() || before.ends_with('.') && !before.contains(['=', '{', ',']);
    let comment = if behind.starts_with('#') { behind } else { "" };
    match is_path && (behind.is_empty() || !comment.is_empty()) {
        true => Ok([&text[..line], comment, &text[next..]].concat()),
        false => Err(bad(key, "a line of its own in the file before it can be left out")),
    }
}

/// From the key's name to the end of its value.
fn span_of(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == first)?;
    match (rest, value.get_ref()) {
        (None, _) => Some(name.span().start..value.span().end),
        (Some(rest), DeValue::Table(inner)) => span_of(inner, rest),
        (Some(_), _) => None,
    }
}

/// In the place of the former value, whose comments stay.
fn put(table: &mut Table, name: &str, mut value: Value) {
    match table.get_mut(name) {
        Some(item) => {
            if let Some(former) = item.as_value() {
                *value.decor_mut() = former.decor().clone();
            }
            *item = Item::Value(value);
        }
        None => drop(table.insert(name, Item::Value(value))),
    }
}

fn value(key: &str, kind: Kind, values: &[String]) -> Result<Option<Value>, EditError> {
    let one = || match values {
        [one] => Ok(one.as_str()),
        _ => Err(bad(key, "one value")),
    };
    Ok(Some(match kind {
        Kind::List => Value::Array(values.iter().map(String::as_str).collect::<Array>()),
        _ if values.is_empty() && OPTIONAL.contains(&key) => return Ok(None),
        Kind::Number => {
            let number = one()?.parse::<i64>();
            number.map_err(|_| bad(key, "a number"))?.into()
        }
        Kind::Switch => {
            let switch = one()?.parse::<bool>();
            switch.map_err(|_| bad(key, "true or false"))?.into()
        }
        Kind::Text => one()?.into(),
    }))
}

fn bad(key: &str, wanted: &'static str) -> EditError {
    EditError::BadValue { key: key.to_owned(), wanted }
}

fn kind_of(key: &str) -> Result<Kind, EditError> {
    let all = leaves(&with_all_keys());
    let Some((_, value)) = all.iter().find(|(name, _)| name == key) else {
        let known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let nearest = meant(key, &known).or_else(|| nearest_key(key, &known)).map(str::to_owned);
        return Err(EditError::UnknownKey { key: key.to_owned(), nearest });
    };
    Ok(match value {
        toml::Value::Array(_) => Kind::List,
        toml::Value::Integer(_) => Kind::Number,
        toml::Value::Boolean(_) => Kind::Switch,
        _ => Kind::Text,
    })
}

/// By an option's name, or without its sections.
fn meant<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().replace('-', "_");
    let wanted = match leaf(key) {
        option if option == "full_tunnel" => "redirect_gateway".to_owned(),
        other => other,
    };
    let mut fitting = known.iter().filter(|known| leaf(known) == wanted);
    fitting.next().copied().filter(|_| fitting.next().is_none())
}

/// With the keys that may be left out.
fn with_all_keys() -> Config {
    let mut config = Config::default();
    config.vpn.network6 = Some(super::random_ula([0; 8]));
    config.ca.public_url = "http://vpn.example.org".parse::<PublicUrl>().ok();
    config.hooks.url = "https://ops.example.org/handfast".parse::<WebhookUrl>().ok();
    config
}

fn leaves(config: &Config) -> Vec<(String, toml::Value)> {
    let mut found = Vec::new();
    // Settings are made of what TOML has.
    if let Ok(table) = toml::Table::try_from(config) {
        gather(&table, "", &mut found);
    }
    found
}

fn gather(table: &toml::Table, path: &str, found: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => gather(inner, &key, found),
            value => found.push((key, value.clone())),
        }
    }
}

impl Display for EditError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, nearest: Some(nearest) } => {
                write!(f, "there is no key `{key}`; did you mean `{nearest}`?")
            }
            Self::UnknownKey { key, nearest: None } => write!(f, "there is no key `{key}`"),
            Self::BadValue { key, wanted } => write!(f, "{key} takes {wanted}"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl Error for EditError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(error) => error.source(),
            Self::UnknownKey { .. } | Self::BadValue { .. } => None,
        }
    }
}

/// Keys that may be left out.
const OPTIONAL: [&str; 3] = ["vpn.network6", "ca.public_url", "hooks.url"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FirstConfig;

    #[test]
    fn a_key_is_set_where_it_stands_and_every_comment_stays() {
        let text = FirstConfig::default().text().replace("nat = true", "nat = true # ours");
        let all = [
            ("vpn.push.routes", vec!["10.9.0.0/16", "10.10.0.0/16"]),
            ("vpn.nat", vec!["false"]),
            ("vpn.ping", vec!["7"]),
            ("vpn.interface", vec!["hf1"]),
            ("vpn.network6", vec!["fd09:1::/64"]),
            ("public.names", vec![]),
        ];
        let mut edited = text.clone();
        for (key, values) in all {
            edited = set_in(&edited, key, &values).expect("set");
        }
        let comments = |text: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| Some(line.split_once('#')?.1.to_owned()));
            lines.collect()
        };
        assert_eq!(comments(&edited), comments(&text));
        assert!(edited.contains("nat = false # ours\n"), "{edited}");
        let config = Config::parse(Path::new("x"), &edited).expect("valid");
        assert_eq!((config.vpn.ping, config.vpn.nat, config.vpn.push.routes.len()), (7, false, 2));
        let without = set_in(&edited, "vpn.network6", &[]).expect("left out");
        assert_eq!(Config::parse(Path::new("x"), &without).expect("valid").vpn.network6, None);
        assert_eq!(comments(&without), comments(&text));
    }

    #[test]
    fn a_key_that_is_left_out_leaves_the_comments_above_and_behind_it() {
        let text =
            "[vpn]\n# ours, by the plan of 2024\nnetwork6 = \"fd09:1::/64\" # ask Eve\nping = 7\n";
        let without = set_in(text, "vpn.network6", &[]).expect("left out");
        assert_eq!(without, "[vpn]\n# ours, by the plan of 2024\n# ask Eve\nping = 7\n");
        assert_eq!(set_in(&without, "vpn.network6", &[]).expect("as it was"), without);
    }

    #[test]
    fn a_key_that_shares_its_line_is_not_left_out_as_the_others_would_go_with_it() {
        for text in [
            "ca = { key_type = \"p256\", crl_validity_days = 3, public_url = \"http://x\" }\n",
            "ca = { public_url = \"http://x\", crl_validity_days = 3 } # both\n",
            "ca = { public_url = \"http://x\" }\n",
        ] {
            let said = set_in(text, "ca.public_url", &[]).unwrap_err().to_string();
            assert!(said.starts_with("ca.public_url takes a line of its own"), "{said}");
        }
        for (text, left) in [
            (
                "ca.crl_validity_days = 3\nca.public_url = \"http://x\"\n",
                "ca.crl_validity_days = 3\n",
            ),
            ("[ca]\r\npublic_url = \"http://x\" \r\n", "[ca]\r\n"),
            ("[ca]\n  public_url = \"http://x\"", "[ca]\n"),
        ] {
            assert_eq!(set_in(text, "ca.public_url", &[]).expect("left out"), left);
        }
    }

    #[test]
    fn what_a_start_goes_without_is_mended_key_by_key_and_stops_no_change_elsewhere() {
        let text = "[vpn.push]\nroutes = [\"127.0.0.0/8\"]\ndns = [\"127.0.0.53\"]\n";
        let elsewhere = set_in(text, "public.names", &["vpn.example.org"]).expect("set");
        assert!(elsewhere.contains("127.0.0.0/8"), "{elsewhere}");
        let one = set_in(&elsewhere, "vpn.push.routes", &["10.9.0.0/16"]).expect("one is mended");
        assert!(Config::parse(Path::new("x"), &one).is_err(), "and the other is left");
        let both = set_in(&one, "vpn.push.dns", &["10.9.0.1"]).expect("the other");
        Config::parse(Path::new("x"), &both).expect("nothing is wrong");
        let said = |key: &str, value: &str| set_in(text, key, &[value]).unwrap_err().to_string();
        assert!(said("vpn.push.routes", "127.0.0.0/8").contains("127.0.0.0/8"), "the key itself");
        assert!(said("vpn.push.dns_search", "a b").contains("`a b`"), "another mistake");
        assert!(said("vpn.ping", "0").contains("vpn.ping is 0 s"), "one that stops a start");
        let narrow = "[vpn.push]\nroutes = [\"10.9.0.0/16\"]\n";
        let said = set_in(narrow, "vpn.network", &["10.8.0.0/14"]).unwrap_err().to_string();
        assert!(said.contains("10.9.0.0/16"), "made so by the change: {said}");
    }

    #[test]
    fn a_key_that_has_another_name_by_now_is_known_by_both_and_stands_once() {
        let text = "[ca]\ngateway_validity_days = 30\n";
        let edited = set_in(text, "ca.gateway_validity", &["12h"]).expect("set");
        assert_eq!(edited, "[ca]\ngateway_validity = \"12h\"\n");
        let edited = set_in(&edited, "ca.gateway_validity_days", &["90"]).expect("set");
        assert_eq!(edited, "[ca]\ngateway_validity = \"90d\"\n");
        let said = set_in(text, "ca.gateway_validity_days", &["90d"]).unwrap_err().to_string();
        assert!(said.contains("`90dd` is no length of time"), "{said}");
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_comes_out() {
        let text = FirstConfig::default().text();
        let said = |key: &str, values: &[&str]| set_in(&text, key, values).unwrap_err().to_string();
        assert_eq!(
            said("vpn.push.route", &["10.9.0.0/16"]),
            "there is no key `vpn.push.route`; did you mean `vpn.push.routes`?"
        );
        assert_eq!(said("vpn.nat", &["maybe"]), "vpn.nat takes true or false");
        assert_eq!(said("vpn.ping", &["1", "2"]), "vpn.ping takes one value");
        assert!(said("vpn.ping", &["0"]).contains("vpn.ping is 0 s; choose 1 to 3600"));
        assert!(said("vpn.push.routes", &["10.9.0.1/16"]).contains("10.9.0.0/16"));
    }

    #[test]
    fn every_key_is_listed_with_its_value() {
        let settings = Config::default().settings();
        let value = |key: &str| {
            settings.iter().find(|setting| setting.key == key).expect("listed").value.clone()
        };
        assert_eq!(value("vpn.listen").as_deref(), Some(r#"["udp:[::]:1194"]"#));
        assert_eq!(value("vpn.push.redirect_gateway").as_deref(), Some("false"));
        assert_eq!(value("vpn.network6"), None);
    }

    fn set_in(text: &str, key: &str, values: &[&str]) -> Result<String, EditError> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        set(Path::new("/d/handfast.toml"), text, key, &values).map(|changed| changed.text)
    }
}
