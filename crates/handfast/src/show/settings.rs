//! Settings in words: what the file says, and what is not in force yet.

use admin::response::{Reloaded, Setting, Settings, TakesEffect};

use super::table::visible;
use super::words::list;

pub(crate) fn listing(settings: &Settings) -> String {
    let mut text = format!("# {}\n", visible(&settings.file));
    for setting in &settings.settings {
        text.push_str(&line(setting));
        if let Some(waits) = setting.waits_for {
            text.push_str(&format!("  # not in force: {}", mend(waits)));
        }
        text.push('\n');
    }
    text
}

pub(crate) fn changed(settings: &Settings) -> String {
    let mut text = String::new();
    for setting in &settings.settings {
        text.push_str(&format!("{}\n", line(setting)));
        text.push_str(&match setting.waits_for {
            Some(waits) => format!("not in force yet: {}\n", mend(waits)),
            None => "it is in force\n".to_owned(),
        });
    }
    text + &warnings(&settings.warnings)
}

pub(crate) fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = "settings were read again; sessions stay\n".to_owned();
    if !reloaded.waiting.is_empty() {
        text.push_str(&format!("waiting for the next start: {}\n", list(&reloaded.waiting)));
    }
    if reloaded.pushes_changed {
        text.push_str(
            "connected clients get the new pushes when they come again: handfast kick USER\n",
        );
    }
    text + &warnings(&reloaded.warnings)
}

fn warnings(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {}\n", visible(warning))).collect()
}

fn line(setting: &Setting) -> String {
    match &setting.value {
        Some(value) => format!("{} = {}", setting.key, visible(value)),
        None => format!("# {} is left out", setting.key),
    }
}

fn mend(waits: TakesEffect) -> &'static str {
    match waits {
        TakesEffect::Reload => "handfast reload",
        TakesEffect::Start => "it waits for the gateway's next start",
    }
}
