//! Plain aligned tables and field lists, and the one place that makes foreign text harmless.
//!
//! What a client says of itself ends up here, so control characters, which a terminal would obey,
//! are shown as a question mark. A table that is to fit a terminal wraps its last column, beside the others
//! or below them, and shortens others, with an ellipsis for what is left out; `--wide` shows all of it.

/// How wide a line may be, and so how much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// As wide as every terminal is.
    Terminal,
    /// As wide as its cells are, with what a terminal would have: for programs that go on with it.
    Pipe,
    /// As wide as its cells are, and all that there is.
    Whole,
}

/// A table with upper-case headings, columns two spaces apart.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that are never shortened.
    kept: Vec<usize>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()], kept: Vec::new() }
    }

    /// Half of what stands in this column would say something else, as of a time.
    pub(crate) fn keep_whole(&mut self, column: usize) {
        self.kept.push(column);
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(harmless).collect());
    }

    /// The table, a line feed after each row.
    pub(crate) fn text(&self) -> String {
        self.text_in(Width::Whole)
    }

    /// The table in lines that are no wider than this.
    pub(crate) fn text_in(&self, width: Width) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        let row = match width {
            Width::Whole | Width::Pipe => beside,
            Width::Terminal => fit(&mut widths, &self.kept),
        };
        self.rows.iter().map(|cells| row(cells, &widths)).collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// Makes columns so narrow that a row fits, and says how one is written then.
fn fit(widths: &mut [usize], kept: &[usize]) -> fn(&[String], &[usize]) -> String {
    let over = total(widths).saturating_sub(TERMINAL);
    let Some((last, others)) = widths.split_last_mut() else { return beside };
    if last.saturating_sub(over) >= LEAST_TO_WRAP {
        *last -= over;
        return beside;
    }
    if *last >= LEAST_TO_WRAP {
        shrink(others, TERMINAL, kept);
        return below;
    }
    let mut narrow = others.to_vec();
    shrink(&mut narrow, TERMINAL - 2 - *last, kept);
    if total(&narrow) + 2 + *last > TERMINAL {
        shrink(others, TERMINAL, kept);
        return below;
    }
    others.copy_from_slice(&narrow);
    beside
}

/// Takes from the widest columns until all fit.
fn shrink(widths: &mut [usize], limit: usize, kept: &[usize]) {
    while total(widths) > limit {
        let others = widths.iter_mut().enumerate().filter(|(column, _)| !kept.contains(column));
        match others.map(|(_, width)| width).max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => return,
        }
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

/// A row; what its last cell has no room for stands below that cell.
fn beside(row: &[String], widths: &[usize]) -> String {
    let Some((last, others)) = row.split_last() else { return String::from("\n") };
    let mut line: String = cells(others, widths);
    let indent = line.chars().count();
    let mut text = String::new();
    for part in wrapped(last, widths.get(others.len()).copied().unwrap_or(TERMINAL)) {
        text.push_str(format!("{line}{part}").trim_end());
        text.push('\n');
        line = " ".repeat(indent);
    }
    text
}

/// A row, and its last cell on lines of its own.
fn below(row: &[String], widths: &[usize]) -> String {
    let Some((last, others)) = row.split_last() else { return String::from("\n") };
    let mut text = format!("{}\n", cells(others, widths).trim_end());
    for part in wrapped(last, TERMINAL - INDENT.len()).iter().filter(|part| !part.is_empty()) {
        text.push_str(&format!("{INDENT}{part}\n"));
    }
    text
}

fn cells(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths);
    cells.map(|(cell, width)| format!("{:width$}  ", shortened(cell, *width))).collect()
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text in parts of at most `width`, cut at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut parts = Vec::new();
    let mut part: Vec<char> = Vec::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !part.is_empty() && part.len() + 1 + word.len() > width {
            parts.push(std::mem::take(&mut part));
        }
        while word.len() > width {
            parts.push(word.drain(..width).collect());
        }
        if !part.is_empty() {
            part.push(' ');
        }
        part.append(&mut word);
    }
    parts.push(part);
    parts.into_iter().map(String::from_iter).collect()
}

/// Names and values below each other, the values aligned.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    fields.iter().map(|(name, value)| format!("{name:width$}  {}\n", visible(value))).collect()
}

/// Most cells are so from the start.
fn harmless(cell: String) -> String {
    if cell.chars().any(is_obeyed) { visible(&cell) } else { cell }
}

/// The text without anything a terminal would obey.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '?' } else { c }).collect()
}

fn is_obeyed(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Direction marks and the like, which make a line read otherwise than it is.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Columns of a terminal that nobody has made wider.
const TERMINAL: usize = 80;
/// What stays of a column at least.
const LEAST: usize = 8;
/// What a column needs to be wrapped beside others.
const LEAST_TO_WRAP: usize = 24;
/// How far in it stands below them.
const INDENT: &str = "    ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["alice".into(), "active".into()]);
        table.row(["b".into(), String::new()]);
        assert_eq!(table.text(), "NAME   STATE\nalice  active\nb\n");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_and_no_word_of_the_last_column_is_lost() {
        let mut table = Table::new(&["ID", "NAME", "SOURCE", "WHAT"]);
        let sentence = "the peer's certificate was revoked, so it is refused; renew the device";
        for (name, what) in [("n".repeat(129), sentence.to_owned()), ("b".into(), "w".repeat(200))]
        {
            table.row([
                "1".into(),
                name,
                "[2001:db8:ffff:ffff:ffff:ffff:ffff:1]:65535".into(),
                what,
            ]);
        }
        let text = table.text_in(Width::Terminal);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("nnn…"), "{text}");
        let words: Vec<_> = text.split_whitespace().collect();
        assert!(sentence.split(' ').all(|word| words.contains(&word)), "{text}");
        assert_eq!(text.matches('w').count() - sentence.matches('w').count(), 200);
        assert!(table.text().contains(&"n".repeat(129)));
    }

    #[test]
    fn a_last_column_without_room_stands_below_its_row() {
        let mut table = Table::new(&["AT", "NAME", "WHY"]);
        let (at, name) = ("2026-11-22 02:26:31", "alice/a-laptop-with-a-name-of-some-length");
        table.row([at.into(), name.into(), "it was revoked; renew the device".into()]);
        table.row([at.into(), "b/c".into(), String::new()]);
        let name_heading = format!("{:name$}", "NAME", name = name.len());
        assert_eq!(
            table.text_in(Width::Terminal),
            format!(
                "{:19}  {}\n    WHY\n{at}  {name}\n    it was revoked; renew the device\n{at}  b/c\n",
                "AT",
                name_heading.trim_end()
            )
        );
    }

    #[test]
    fn a_time_is_never_cut_and_the_last_column_goes_below_where_there_is_no_room() {
        let mut table =
            Table::new(&["DEVICE", "OPENED (UTC)", "FOR", "ADDRESS", "IN", "OUT", "ENDED"]);
        table.keep_whole(1);
        for (device, ended) in [("alice/laptop-of-the-office", "gateway_ended"), ("b/c", "-")] {
            let cells = [device, "2026-11-29 11:41:56", "1 h 31 min", "10.71.255.254"];
            let cells = cells.into_iter().chain(["1023.9 MB", "1023.9 MB", ended]);
            table.row(cells.map(str::to_owned));
        }
        let text = table.text_in(Width::Terminal);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.matches("2026-11-29 11:41:56").count(), 2, "{text}");
        assert!(text.contains("gateway_ended"), "{text}");
    }

    #[test]
    fn a_short_last_column_stays_beside_what_is_shortened() {
        let mut table = Table::new(&["NAME", "SEEN"]);
        table.row(["n".repeat(100), "2026-11-22".into()]);
        let text = table.text_in(Width::Terminal);
        assert_eq!(text.lines().last(), Some(&*format!("{}…  2026-11-22", "n".repeat(67))));
    }

    #[test]
    fn a_table_that_fits_is_left_as_it_is() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["alice".into(), "active".into()]);
        assert_eq!(table.text_in(Width::Terminal), table.text());
    }

    #[test]
    fn foreign_text_cannot_command_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\n\u{202e}"), "a?[2Jb??");
    }
}
