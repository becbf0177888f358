//! A failure as it is printed: what happened, why, what to do.

use admin::failure::Failure;

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

fn typable(hint: &str, program: &str) -> String {
    let bare = hint.replace("`handfast ", &format!("`{program} "));
    bare.replace("`sudo handfast ", &format!("`sudo {program} "))
}

#[cfg(test)]
mod tests {
    use admin::failure::FailureKind;

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
    fn a_hint_names_the_program_as_it_was_called() {
        let failure = Failure::new(FailureKind::Environment, "not here")
            .hint("see `handfast user list`")
            .hint("run it as root: `sudo handfast demo`");
        let text = text(&failure, "target/release/handfast");
        assert!(text.contains("see `target/release/handfast user list`"), "{text}");
        assert!(text.contains("`sudo target/release/handfast demo`"), "{text}");
    }
}
