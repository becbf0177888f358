//! Splits a line of configuration, or a pushed option, into words.
//!
//! Quotes and comments begin only at the start of a word. A backslash escapes a backslash, a double
//! quote or white space, and nothing else; inside single quotes it is an ordinary character.

use std::fmt;

/// The most words of a line.
pub(crate) const MAX_WORDS: usize = 16;
/// The longest word.
pub(crate) const MAX_WORD: usize = 255;

/// A word and where it began, counted in characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) column: usize,
}

/// Why a line can't be split, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WordError {
    pub(crate) column: usize,
    pub(crate) kind: WordErrorKind,
}

/// Whoever wrote the line has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordErrorKind {
    /// A quote without its end.
    OpenQuote(char),
    /// A backslash in front of a character that it can't escape.
    BadEscape(char),
    /// A backslash at the end of the line.
    EndsInBackslash,
    /// A NUL or another control character.
    ControlCharacter,
    /// More than 16 words.
    TooMany,
    /// A word of more than 255 bytes.
    TooLong,
}

impl fmt::Display for WordErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "the quote {quote} is never closed"),
            Self::BadEscape(c) => {
                write!(f, "a backslash can't stand before {c:?}; write \\\\ for a backslash")
            }
            Self::EndsInBackslash => {
                f.write_str("the line ends in a backslash; write \\\\ for a backslash")
            }
            Self::ControlCharacter => f.write_str("there is a control character"),
            Self::TooMany => write!(f, "there are more than {MAX_WORDS} words"),
            Self::TooLong => write!(f, "a word has more than {MAX_WORD} bytes"),
        }
    }
}

/// The words of a line without its end.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, WordError> {
    let mut splitter = Splitter { words: Vec::new(), word: None, state: State::Between };
    let mut last = 0;
    for (index, character) in line.chars().enumerate() {
        last = index + 1;
        if !splitter.step(character, last)? {
            return Ok(splitter.words);
        }
    }
    splitter.finish(last)
}

#[derive(Clone, Copy)]
enum State {
    Between,
    Bare,
    /// Where the quote was opened.
    Quoted(char, usize),
    /// A backslash was read, in bare words or in double quotes opened at a column.
    Escaped(Option<usize>),
}

struct Splitter {
    words: Vec<Word>,
    word: Option<Word>,
    state: State,
}

impl Splitter {
    /// False at the start of a comment.
    fn step(&mut self, character: char, column: usize) -> Result<bool, WordError> {
        if character.is_control() && character != '\t' {
            return Err(WordError { column, kind: WordErrorKind::ControlCharacter });
        }
        match (self.state, character) {
            (State::Between, '#' | ';') => return Ok(false),
            (State::Between, c) if c.is_ascii_whitespace() => {}
            (State::Between, c) => {
                if self.words.len() == MAX_WORDS {
                    return Err(WordError { column, kind: WordErrorKind::TooMany });
                }
                self.word = Some(Word { text: String::new(), column });
                match c {
                    '"' | '\'' => self.state = State::Quoted(c, column),
                    '\\' => self.state = State::Escaped(None),
                    c => {
                        self.state = State::Bare;
                        self.push(c)?;
                    }
                }
            }
            (State::Bare, '\\') => self.state = State::Escaped(None),
            (State::Bare, c) if c.is_ascii_whitespace() => self.end_word(),
            (State::Quoted('"', at), '\\') => self.state = State::Escaped(Some(at)),
            (State::Quoted(quote, _), c) if c == quote => self.end_word(),
            (State::Bare | State::Quoted(..), c) => self.push(c)?,
            (State::Escaped(quoted), c) => {
                if !(c == '\\' || c == '"' || c.is_ascii_whitespace()) {
                    return Err(WordError { column, kind: WordErrorKind::BadEscape(c) });
                }
                self.push(c)?;
                self.state = quoted.map_or(State::Bare, |at| State::Quoted('"', at));
            }
        }
        Ok(true)
    }

    fn push(&mut self, character: char) -> Result<(), WordError> {
        if let Some(word) = &mut self.word {
            if word.text.len() + character.len_utf8() > MAX_WORD {
                return Err(WordError { column: word.column, kind: WordErrorKind::TooLong });
            }
            word.text.push(character);
        }
        Ok(())
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
        self.state = State::Between;
    }

    fn finish(mut self, last: usize) -> Result<Vec<Word>, WordError> {
        match self.state {
            State::Quoted(quote, column) => {
                Err(WordError { column, kind: WordErrorKind::OpenQuote(quote) })
            }
            State::Escaped(_) => {
                Err(WordError { column: last, kind: WordErrorKind::EndsInBackslash })
            }
            State::Between | State::Bare => {
                self.end_word();
                Ok(self.words)
            }
        }
    }
}

/// A word as it has to be written so that [`split`] reads it again; none if it can't be.
pub(crate) fn quote(word: &str) -> Option<String> {
    if word.len() > MAX_WORD || word.chars().any(char::is_control) {
        return None;
    }
    Some(escape(word))
}

/// As [`quote`], for a word that was read: nothing is too long or strange.
pub(crate) fn escape(word: &str) -> String {
    let plain = |c: char| {
        let special = matches!(c, '"' | '\'' | '\\' | '#' | ';');
        !special && !c.is_ascii_whitespace() && !c.is_control()
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    fn error(line: &str) -> (usize, WordErrorKind) {
        let error = split(line).unwrap_err();
        (error.column, error.kind)
    }

    #[test]
    fn words_quotes_escapes_and_comments_are_told_apart() {
        assert_eq!(texts("  remote\thost  1194 # away"), ["remote", "host", "1194"]);
        assert_eq!(texts(r#"a "b c" 'd\e "f' g#h ;i"#), ["a", "b c", r#"d\e "f"#, "g#h"]);
        assert_eq!(texts(r#"p "C:\\x\"y" a\ b \\"#), ["p", r#"C:\x"y"#, "a b", "\\"]);
        assert_eq!(texts(r#"empty "" ''"#), ["empty", "", ""]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn errors_name_the_column() {
        assert_eq!(error(r#"ca "x y"#), (4, WordErrorKind::OpenQuote('"')));
        assert_eq!(error("ä 'x"), (3, WordErrorKind::OpenQuote('\'')));
        assert_eq!(error(r"ca C:\x"), (7, WordErrorKind::BadEscape('x')));
        assert_eq!(error("ca x\\"), (5, WordErrorKind::EndsInBackslash));
        assert_eq!(error("ca \0"), (4, WordErrorKind::ControlCharacter));
        assert_eq!(error(&"a ".repeat(17)), (33, WordErrorKind::TooMany));
        assert_eq!(error(&format!("ca {}", "x".repeat(256))), (4, WordErrorKind::TooLong));
    }

    #[test]
    fn quoted_words_are_read_as_they_were() {
        let mut random = crate::testing::XorShift::new(0x5eed_0004);
        let alphabet: Vec<char> = "ab \\\"'#;ä\u{2028}".chars().collect();
        for _ in 0..2_000 {
            let words: Vec<String> = (0..1 + random.below(5))
                .map(|_| (0..random.below(8)).map(|_| *random.pick(&alphabet)).collect())
                .collect();
            let line = words.iter().map(|word| quote(word).unwrap()).collect::<Vec<_>>().join(" ");
            assert_eq!(texts(&line), words, "{line}");
        }
    }
}
