//! Words that several answers share: counts, yes and no, lists.

/// `1 session`, `2 sessions`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `yes`, `no`, or a dash where it can't be known.
pub(crate) fn yes_no(known: Option<bool>) -> String {
    match known {
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => "-".into(),
    }
}

/// Joined by comma, or a dash.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".into();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
