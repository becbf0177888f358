//! A failure as it is printed: what happened, why, what to do.

use admin::failure::{Failure, FailureKind};

use crate::show::table::visible;

/// For people. `program` is how this one was called, so that what a hint says can be typed as it stands.
pub(crate) fn text(failure: &Failure, program: &str) -> String {
    let mut text = format!("error: {}\n", visible(&failure.message));
    for cause in &failure.cause {
        text.push_str(&format!("cause: {}\n", visible(cause)));
    }
    for hint in &failure.hints {
        text.push_str(&format!("hint:  {}\n", visible(&typable(hint, program))));
    }
    text
}

/// For programs, on one line.
pub(crate) fn json(failure: &Failure) -> String {
    let value = serde_json::json!({ "error": failure, "exit_code": failure.kind.exit_code() });
    format!("{value}\n")
}

/// Of what the reader of arguments says: a sentence, tips, and how the command is used.
pub(crate) fn of_usage(said: &str) -> Failure {
    let mut parts = said.split("\n\n");
    let sentence = one_line(parts.next().unwrap_or_default());
    let message = sentence.strip_prefix("error: ").unwrap_or(&sentence).to_owned();
    parts.map(one_line).fold(Failure::new(FailureKind::Usage, message), |failure, part| match part
        .strip_prefix("tip: ")
    {
        Some(tip) => failure.hint(tip),
        None if part.starts_with("Usage: ") => failure.hint(part),
        None => failure,
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn typable(hint: &str, program: &str) -> String {
    let bare = hint.replace("`handfast ", &format!("`{program} "));
    bare.replace("`sudo handfast ", &format!("`sudo {program} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_why_and_what_to_do() {
        let failure = Failure::new(FailureKind::NotFound, "there is no user \"alcie\"")
            .because("nobody added it")
            .hint("see `handfast user list`");
        assert_eq!(
            text(&failure, "handfast"),
            "error: there is no user \"alcie\"\n\
             cause: nobody added it\n\
             hint:  see `handfast user list`\n"
        );
        assert!(json(&failure).contains("\"exit_code\":3"));
    }

    #[test]
    fn what_was_typed_wrongly_is_a_failure_like_others() {
        let said = "error: unexpected argument '--jsn' found\n\n  tip: a similar argument exists: '--json'\n\n\
                    Usage: handfast user list --json\n\nFor more information, try '--help'.\n";
        let failure = of_usage(said);
        assert_eq!(failure.message, "unexpected argument '--jsn' found");
        let hints = ["a similar argument exists: '--json'", "Usage: handfast user list --json"];
        assert_eq!(failure.hints, hints);
        assert_eq!(failure.kind, FailureKind::Usage);
    }

    #[test]
    fn a_hint_names_the_program_as_it_was_called() {
        let failure = Failure::new(FailureKind::Environment, "not here")
            .hint("see `handfast user list`")
            .hint("run it as root: `sudo handfast demo`");
        let text = text(&failure, "target/release/handfast");
        assert!(text.contains("see `target/release/handfast user list`"), "{text}");
        assert!(text.contains("`sudo target/release/handfast demo`"), "{text}");
    }
}
