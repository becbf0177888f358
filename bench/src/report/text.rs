//! How figures and lines are written on the page.

use std::fmt::Write;

/// Three digits that mean something.
pub(super) fn figure_text(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        large if large >= 100.0 => format!("{figure:.0}"),
        medium if medium >= 10.0 => format!("{figure:.1}"),
        one if one >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// How many times as much; a dash where there is nothing to compare with.
pub(super) fn ratio_text(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio.is_finite() => format!("{ratio:.2}x"),
        _ => "-".to_owned(),
    }
}

/// Adds a line to the page.
pub(super) fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_mean_something() {
        let texts = [0.0, 0.0123, 0.5, 8.321, 12.34, 473_000.4].map(figure_text);
        assert_eq!(texts, ["0", "0.012", "0.500", "8.32", "12.3", "473000"]);
    }
}
