//! The grammar of `.ovpn` files: directives, quotes, comments, inline blocks.
//!
//! What a directive means is not known here. Every error names line and column; block contents, which
//! are often secret, are wiped when dropped and not shown by `Debug`.

use std::error::Error;
use std::fmt;

use zeroize::Zeroizing;

use crate::words::{self, Word};

pub use crate::words::WordErrorKind;

/// The largest file, as in OpenVPN 3.
pub const MAX_FILE: usize = 262_144;
/// The longest line outside a block, as in OpenVPN 3. OpenVPN 2 reads no more than 256 bytes.
pub const MAX_LINE: usize = 512;
/// The longest name of a directive.
const MAX_NAME: usize = 64;

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name, without leading dashes.
    pub name: String,
    /// Its arguments. The marker `[inline]` stays among them where it was written.
    pub args: Vec<String>,
    /// The inline block that belongs to it.
    pub block: Option<Block>,
    /// Where it stands, counted from 1.
    pub line: usize,
    /// Where its name and each argument begin, counted in characters from 1.
    pub columns: Vec<usize>,
}

impl Directive {
    /// The column of argument `index`; of the name if there is no such argument.
    pub fn arg_column(&self, index: usize) -> usize {
        let name = self.columns.first().copied().unwrap_or(1);
        self.columns.get(index + 1).copied().unwrap_or(name)
    }
}

/// The lines between `<name>` and `</name>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The text, each line ended by a newline. Often secret.
    pub text: Zeroizing<String>,
    /// The line of `<name>`.
    pub line: usize,
}

impl Block {
    /// Parses the contents as directives, with line numbers of the whole file: for `<connection>`.
    pub fn directives(&self) -> Result<Vec<Directive>, ConfigError> {
        parse_lines(&self.text, self.line + 1)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes from line {})", self.text.len(), self.line)
    }
}

/// Parses a file's bytes.
pub fn parse_bytes(bytes: &[u8]) -> Result<Vec<Directive>, ConfigError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => Err(not_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default())),
    }
}

/// Parses a file's text.
pub fn parse(text: &str) -> Result<Vec<Directive>, ConfigError> {
    if text.len() > MAX_FILE {
        return Err(ConfigError { line: 1, column: 1, kind: ConfigErrorKind::FileTooLong });
    }
    parse_lines(text.strip_prefix('\u{feff}').unwrap_or(text), 1)
}

/// Writes a directive's line; none if a word holds control characters or is too long.
pub fn write_line(name: &str, args: &[&str]) -> Option<String> {
    let words: Option<Vec<String>> =
        [name].iter().chain(args).map(|word| words::quote(word)).collect();
    words.map(|words| words.join(" "))
}

fn parse_lines(text: &str, first_line: usize) -> Result<Vec<Directive>, ConfigError> {
    let mut directives = Vec::new();
    let mut lines = text.lines().zip(first_line..);
    while let Some((content, line)) = lines.next() {
        if let Some(name) = opening(content) {
            let block = read_block(&mut lines, name, line)?;
            attach(&mut directives, name, block);
        } else if let Some(directive) = parse_directive(content, line)? {
            directives.push(directive);
        }
    }
    Ok(merge_late_markers(directives))
}

/// The name in a line that consists of `<name>`.
fn opening(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('<')?.strip_suffix('>')?;
    let clean =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (clean && !name.is_empty() && name.len() <= MAX_NAME).then_some(name)
}

fn read_block<'a>(
    lines: &mut impl Iterator<Item = (&'a str, usize)>,
    name: &str,
    line: usize,
) -> Result<Block, ConfigError> {
    let mut content = Vec::new();
    for (text, _) in lines {
        let end = text.trim_start().strip_prefix("</").and_then(|rest| rest.strip_prefix(name));
        if end.is_some_and(|rest| rest.starts_with('>')) {
            return Ok(Block { text: join(&content), line });
        }
        content.push(text);
    }
    Err(ConfigError { line, column: 1, kind: ConfigErrorKind::OpenBlock(name.to_owned()) })
}

fn join(lines: &[&str]) -> Zeroizing<String> {
    // Sized at once, so that no secret stays behind in a buffer that was outgrown.
    let mut text =
        Zeroizing::new(String::with_capacity(lines.iter().map(|line| line.len() + 1).sum()));
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Gives a block to the directive that announced it (`tls-auth [inline] 1`), or to one of its own.
fn attach(directives: &mut Vec<Directive>, name: &str, block: Block) {
    let waiting = directives
        .iter_mut()
        .rev()
        .find(|have| have.name == name && have.block.is_none() && announces_block(have));
    match waiting {
        Some(directive) => directive.block = Some(block),
        None => directives.push(Directive {
            name: name.to_owned(),
            args: Vec::new(),
            line: block.line,
            block: Some(block),
            columns: vec![1],
        }),
    }
}

/// `name [inline] ...` that stands after its block takes the block over.
fn merge_late_markers(directives: Vec<Directive>) -> Vec<Directive> {
    let mut merged: Vec<Directive> = Vec::with_capacity(directives.len());
    for mut directive in directives {
        if directive.block.is_none() && announces_block(&directive) {
            let bare = |have: &Directive| {
                have.name == directive.name && have.args.is_empty() && have.block.is_some()
            };
            if let Some(index) = merged.iter().position(bare) {
                directive.block = merged.remove(index).block;
            }
        }
        merged.push(directive);
    }
    merged
}

fn announces_block(directive: &Directive) -> bool {
    directive.args.first().is_some_and(|arg| arg == "[inline]")
}

fn parse_directive(content: &str, line: usize) -> Result<Option<Directive>, ConfigError> {
    if content.len() > MAX_LINE && !is_comment(content) {
        return Err(ConfigError { line, column: MAX_LINE + 1, kind: ConfigErrorKind::LineTooLong });
    }
    if is_comment(content) {
        return Ok(None);
    }
    let words = words::split(content).map_err(|error| ConfigError {
        line,
        column: error.column,
        kind: ConfigErrorKind::Words(error.kind),
    })?;
    let mut words = words.into_iter();
    let Some(Word { text, column }) = words.next() else { return Ok(None) };
    let name = text.strip_prefix("--").unwrap_or(&text);
    if let Some(kind) = bad_name(name) {
        return Err(ConfigError { line, column, kind });
    }
    let (args, mut columns): (Vec<_>, Vec<_>) = words.map(|word| (word.text, word.column)).unzip();
    columns.insert(0, column);
    Ok(Some(Directive { name: name.to_owned(), args, block: None, line, columns }))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

fn bad_name(name: &str) -> Option<ConfigErrorKind> {
    if let Some(tag) = name.strip_prefix("</") {
        return Some(ConfigErrorKind::EndWithoutBlock(tag.trim_end_matches('>').to_owned()));
    }
    let clean =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    (!clean || name.is_empty() || name.starts_with('-') || name.len() > MAX_NAME)
        .then(|| ConfigErrorKind::BadName(name.to_owned()))
}

fn not_utf8(valid: &[u8]) -> ConfigError {
    let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
    let last = valid.get(line_start..).unwrap_or_default();
    // Continuation bytes begin no character.
    let column = last.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    ConfigError { line, column, kind: ConfigErrorKind::NotUtf8 }
}

/// The file doesn't follow the grammar. Whoever wrote it has to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub kind: ConfigErrorKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// More than 256 KiB.
    FileTooLong,
    /// More than 512 bytes.
    LineTooLong,
    /// Not UTF-8.
    NotUtf8,
    /// `<name>` without `</name>`.
    OpenBlock(String),
    /// `</name>` without `<name>`.
    EndWithoutBlock(String),
    /// No name of a directive.
    BadName(String),
    /// The line can't be split into words.
    Words(WordErrorKind),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        match &self.kind {
            ConfigErrorKind::FileTooLong => write!(f, "the file has more than {MAX_FILE} bytes"),
            ConfigErrorKind::LineTooLong => write!(f, "the line has more than {MAX_LINE} bytes"),
            ConfigErrorKind::NotUtf8 => f.write_str("the file is not UTF-8"),
            ConfigErrorKind::OpenBlock(name) => write!(f, "<{name}> has no </{name}>"),
            ConfigErrorKind::EndWithoutBlock(name) => write!(f, "</{name}> has no <{name}>"),
            // The word itself may be a line of a key.
            ConfigErrorKind::BadName(_) => f.write_str("no directive has a name like this"),
            ConfigErrorKind::Words(kind) => kind.fmt(f),
        }
    }
}

impl Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, Vec<String>)> {
        parse(text).unwrap().into_iter().map(|directive| (directive.name, directive.args)).collect()
    }

    fn error(text: &str) -> (usize, usize, ConfigErrorKind) {
        let error = parse(text).unwrap_err();
        (error.line, error.column, error.kind)
    }

    #[test]
    fn a_profile_is_read_with_marks_comments_and_windows_line_ends() {
        let text = "\u{feff}# comment\r\nclient\r\n--dev tun ; x\r\n\r\nremote \"vpn.example\" 1194 udp\r\n";
        let directives = parse(text).unwrap();
        assert_eq!(directives.len(), 3);
        assert_eq!((directives[1].name.as_str(), directives[1].line), ("dev", 3));
        assert_eq!(directives[2].args, ["vpn.example", "1194", "udp"]);
        assert_eq!(directives[2].columns, [1, 8, 22, 27]);
        assert_eq!((directives[2].arg_column(1), directives[2].arg_column(9)), (22, 1));
    }

    #[test]
    fn a_block_is_kept_verbatim_up_to_its_end() {
        let text = "<ca>\n# not a comment\n \"open\n</cax>\n  </ca> rest\nverb 3\n";
        let directives = parse(text).unwrap();
        let block = directives[0].block.as_ref().unwrap();
        assert_eq!(&*block.text, "# not a comment\n \"open\n</cax>\n");
        assert_eq!((directives[0].line, directives[1].line), (1, 6));
        assert_eq!(format!("{block:?}"), "Block(30 bytes from line 1)");
    }

    #[test]
    fn an_announced_block_joins_its_directive_before_and_after() {
        for text in [
            "tls-auth [inline] 1\n<tls-auth>\nkey\n</tls-auth>\n",
            "<tls-auth>\nkey\n</tls-auth>\ntls-auth [inline] 1\n",
        ] {
            let directives = parse(text).unwrap();
            assert_eq!(directives.len(), 1, "{text}");
            assert_eq!(directives[0].args, ["[inline]", "1"]);
            assert_eq!(&*directives[0].block.as_ref().unwrap().text, "key\n");
        }
    }

    #[test]
    fn connection_blocks_stay_apart_and_report_lines_of_the_file() {
        let text = "client\n<connection>\nremote a\n</connection>\n<connection>\n\nremote \"b\n</connection>\n";
        let directives = parse(text).unwrap();
        assert_eq!(directives.len(), 3);
        assert_eq!(directives[1].block.as_ref().unwrap().directives().unwrap()[0].line, 3);
        let error = directives[2].block.as_ref().unwrap().directives().unwrap_err();
        assert_eq!((error.line, error.column), (7, 8));
        assert_eq!(error.to_string(), "line 7, column 8: the quote \" is never closed");
    }

    #[test]
    fn errors_name_line_and_column() {
        assert_eq!(error("client\n<ca>\nx\n"), (2, 1, ConfigErrorKind::OpenBlock("ca".into())));
        assert_eq!(
            error("client\n </ca>\n"),
            (2, 2, ConfigErrorKind::EndWithoutBlock("ca".into()))
        );
        assert_eq!(error("a\n  b=c d"), (2, 3, ConfigErrorKind::BadName("b=c".into())));
        let open = ConfigErrorKind::Words(WordErrorKind::OpenQuote('"'));
        assert_eq!(error("a\nb c \"d\n"), (2, 5, open));
        assert_eq!(
            error(&format!("a\nb {}", "c ".repeat(300))),
            (2, 513, ConfigErrorKind::LineTooLong)
        );
        assert_eq!(error(&"#\n".repeat(MAX_FILE)), (1, 1, ConfigErrorKind::FileTooLong));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_located() {
        let error = parse_bytes(b"client\n\xc3\xa4 \xff").unwrap_err();
        assert_eq!((error.line, error.column, error.kind), (2, 3, ConfigErrorKind::NotUtf8));
    }

    #[test]
    fn long_comments_are_no_error() {
        assert_eq!(names(&format!("# {}\nclient", "x".repeat(2000))), [("client".into(), vec![])]);
    }

    #[test]
    fn written_lines_are_read_as_they_were() {
        let line = write_line("setenv", &["UV_X", "a \"b\" #c", ""]).unwrap();
        assert_eq!(parse(&line).unwrap()[0].args, ["UV_X", "a \"b\" #c", ""]);
        assert_eq!(write_line("a", &["b\nc"]), None);
    }

    #[test]
    fn random_text_never_panics() {
        let mut random = crate::testing::XorShift::new(0x5eed_0005);
        let pieces = [
            "<ca>", "</ca>", "\n", "\r\n", " ", "\"", "'", "\\", "#", ";", "x", "[inline]", "\0",
            "ä", "--",
        ];
        for _ in 0..5_000 {
            let text: String = (0..random.below(30)).map(|_| *random.pick(&pieces)).collect();
            let _ = parse(&text);
        }
    }
}
