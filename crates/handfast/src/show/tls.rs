//! What was found at a TLS server, and what happens at a local port in front of one.

use serde::Serialize;
use serde_json::json;
use uplink::{Event, Target};

use super::table::visible;

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// HOST:PORT.
    pub(crate) target: String,
    /// Whom a browser asked for.
    pub(crate) name: String,
    pub(crate) findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) state: State,
    pub(crate) said: String,
    pub(crate) mend: Option<String>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It could be better.
    Note,
    /// Browsers refuse it, or should.
    Bad,
}

impl Report {
    pub(crate) fn new(target: &Target, findings: Vec<Finding>) -> Self {
        Self { target: target.to_string(), name: target.name().to_str().into_owned(), findings }
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.findings.iter().any(|finding| finding.state == State::Bad)
    }
}

impl Finding {
    pub(crate) fn ok(what: &'static str, said: impl Into<String>) -> Self {
        Self { what, state: State::Ok, said: said.into(), mend: None }
    }

    pub(crate) fn note(what: &'static str, said: impl Into<String>) -> Self {
        Self { state: State::Note, ..Self::ok(what, said) }
    }

    pub(crate) fn bad(what: &'static str, said: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::ok(what, said) }
    }

    pub(crate) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

/// For people. What a server says is shown as far as it can be.
pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("{} as {}\n\n", report.target, report.name);
    for finding in &report.findings {
        let state = match finding.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Bad => "bad",
        };
        text.push_str(&format!("{state:4}  {:8}  {}\n", finding.what, visible(&finding.said)));
        if let Some(mend) = &finding.mend {
            text.push_str(&format!("{:16}mend: {mend}\n", ""));
        }
    }
    text
}

/// One line for programs.
pub(crate) fn event_json(event: &Event) -> String {
    let (name, from, mut more) = match event {
        Event::Listens(local) => ("listens", local, json!({})),
        Event::Connected(from) => ("connected", from, json!({})),
        Event::PassedOver(from, what) => ("connected", from, json!({ "warning": what })),
        Event::Refused(from, why) => {
            ("refused", from, json!({ "problem": why.to_string(), "mend": why.mend() }))
        }
        Event::Ended(from, there, back) => {
            ("ended", from, json!({ "bytes_there": there, "bytes_back": back }))
        }
        Event::Full(from) => ("full", from, json!({})),
    };
    more["event"] = name.into();
    more["address"] = from.to_string().into();
    more.to_string()
}
