//! A request's path, decoded once: what routes and files go by.
//!
//! What is handed to a backend is the path as it came; one with dots that lead elsewhere, however they are spelt, goes
//! nowhere.

use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;

/// A path without dots that lead elsewhere. It begins with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    decoded: String,
    /// As the most generous of backends may read it: backslashes are slashes, what stands behind a semicolon does not
    /// count, and many slashes are one. Routes go by this, so that no spelling leads around them.
    canonical: String,
}

impl Path {
    /// Decodes a path; browsers and curl resolve dots themselves before they ask.
    ///
    /// # Errors
    /// Where a segment is a dot or two, or the path has a control character, or is not UTF-8.
    pub(crate) fn decode(raw: &str) -> Result<Self, Refusal> {
        let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| Refusal::Path)?;
        let wrong = decoded.chars().any(char::is_control)
            || decoded
                .split(['/', '\\'])
                .any(|segment| matches!(parameterless(segment), "." | ".."));
        match decoded.starts_with('/') && !wrong {
            true => Ok(Self { canonical: canonical(&decoded), decoded: decoded.into_owned() }),
            false => Err(Refusal::Path),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.decoded
    }

    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }
}

fn canonical(decoded: &str) -> String {
    let mut path = String::with_capacity(decoded.len());
    for segment in decoded.split(['/', '\\']).map(parameterless).filter(|name| !name.is_empty()) {
        path.push('/');
        path.push_str(segment);
    }
    if path.is_empty() || decoded.ends_with('/') {
        path.push('/');
    }
    path
}

/// Servlet containers cut `..;x` to `..`.
fn parameterless(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_dots_gets_through() {
        for wrong in [
            "/..",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/a/..%5cb",
            "/%00",
            "/a%0d%0ab",
            "/..;/a",
            "/..;x=1/a",
            "a",
            "*",
            "/%ff",
        ] {
            assert_eq!(Path::decode(wrong), Err(Refusal::Path), "{wrong}");
        }
        for (raw, decoded) in [
            ("/", "/"),
            ("/a%20b", "/a b"),
            ("/...", "/..."),
            ("/a..b/", "/a..b/"),
            ("//a", "//a"),
            ("/100%", "/100%"),
            ("/.well-known/x", "/.well-known/x"),
            ("/%252e", "/%2e"),
        ] {
            assert_eq!(Path::decode(raw).unwrap().as_str(), decoded);
        }
    }
}
