//! A failure as it is printed: what happened, why, what to do.

use admin::failure::Failure;

use crate::show::table::visible;

/// For people.
pub(crate) fn text(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", visible(&failure.message));
    for cause in &failure.cause {
        text.push_str(&format!("cause: {}\n", visible(cause)));
    }
    for hint in &failure.hints {
        text.push_str(&format!("hint:  {}\n", visible(hint)));
    }
    text
}

/// For programs, on one line.
pub(crate) fn json(failure: &Failure) -> String {
    let value = serde_json::json!({ "error": failure, "exit_code": failure.kind.exit_code() });
    format!("{value}\n")
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
            text(&failure),
            "error: there is no user \"alcie\"\n\
             cause: nobody added it\n\
             hint:  see `handfast user list`\n"
        );
        assert!(json(&failure).contains("\"exit_code\":3"));
    }
}
