//! Whether an output holds a secret, in whatever form bytes are written.
//!
//! An output is read back from each form, and what comes out is looked through for every piece of every secret: so a
//! form counts at any alignment, in either case, and with whatever stands between its digits. The invariant that
//! callers rest on is [`written`]: each form that it knows is found.

use std::collections::HashSet;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// So many bytes in a row give a secret away.
pub const PIECE: usize = 16;

/// What may have been written in a form.
type Form = fn(&[u8]) -> Vec<Vec<u8>>;

/// Secrets that must not be found.
#[derive(Debug)]
pub struct Secrets {
    pieces: HashSet<[u8; PIECE]>,
    /// By their first two bytes, since most places hold the beginning of none.
    begins: Vec<bool>,
}

impl Secrets {
    /// Those, each of at least [`PIECE`] bytes.
    pub fn of<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut all = Self { pieces: HashSet::new(), begins: vec![false; 1 << 16] };
        for secret in secrets {
            let secret = secret.as_ref();
            assert!(secret.len() >= PIECE, "{} bytes are found by chance", secret.len());
            secret.windows(PIECE).for_each(|piece| all.add(piece));
        }
        all
    }

    fn add(&mut self, piece: &[u8]) {
        // What fills a place that nothing stands in is no secret.
        let is_filler = piece.iter().all(|byte| *byte == piece[0]);
        if !is_filler {
            self.begins[beginning(piece)] = true;
            self.pieces.insert(piece.try_into().expect("a piece has its length"));
        }
    }

    /// The form in which a piece of one of them stands there.
    pub fn found_in(&self, output: &[u8]) -> Option<&'static str> {
        let found = |streams: Vec<Vec<u8>>| streams.iter().any(|bytes| self.has_piece(bytes));
        if self.has_piece(output) {
            return Some("bytes");
        }
        let forms: [(&'static str, Form); 4] = [
            ("hexadecimal digits", from_digits),
            ("decimal numbers", |output| from_numbers(output, 10)),
            ("hexadecimal numbers", |output| from_numbers(output, 16)),
            ("base64", from_base64),
        ];
        forms.into_iter().find(|(_, read)| found(read(output))).map(|(form, _)| form)
    }

    fn has_piece(&self, bytes: &[u8]) -> bool {
        bytes
            .windows(PIECE)
            .any(|piece| self.begins[beginning(piece)] && self.pieces.contains(piece))
    }
}

fn beginning(piece: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([piece[0], piece[1]]))
}

/// What a profile holds: the key that all profiles share, and what of the device's own is secret.
pub fn of_profile(profile: &str) -> Vec<Vec<u8>> {
    let inside = |name: &str| {
        let begin = profile.split(&format!("<{name}>\n")).nth(1).expect("a block");
        let block = begin.split(&format!("</{name}>")).next().expect("its end");
        let lines = block.lines().filter(|line| !line.starts_with(['-', '#']));
        lines.map(str::trim).collect::<String>()
    };
    let shared = HEXLOWER.decode(inside("tls-auth").to_lowercase().as_bytes()).expect("digits");
    let key = BASE64.decode(inside("key").as_bytes()).expect("PEM");
    [vec![shared], of_key(&key)].concat()
}

/// Of a key of P-256 its number; of RSA all but the modulus and the exponent that certificates have.
fn of_key(key: &[u8]) -> Vec<Vec<u8>> {
    let behind = |head: &[u8]| {
        let at = key.windows(head.len()).position(|bytes| bytes == head);
        at.map(|at| &key[at + head.len()..])
    };
    // An octet string of 32 bytes behind the version: RFC 5915, section 3.
    if let Some(number) = behind(&[2, 1, 1, 4, 32]) {
        return vec![number[..32].to_vec()];
    }
    // Behind 65537: RFC 8017, appendix A.1.2.
    let mut rest = behind(&[2, 3, 1, 0, 1]).expect("a key of P-256 or RSA");
    let mut numbers = Vec::new();
    while let [2, length, behind @ ..] = rest {
        let (length, number) = match length {
            0x81 => (usize::from(behind[0]), &behind[1..]),
            0x82 => (usize::from(behind[0]) << 8 | usize::from(behind[1]), &behind[2..]),
            short => (usize::from(*short), behind),
        };
        numbers.push(number[..length].to_vec());
        rest = &number[length..];
    }
    assert_eq!(numbers.len(), 6, "the exponent, two primes, and what follows from them");
    numbers
}

/// The secrets of a key log.
pub fn of_key_log(log: &str) -> Vec<Vec<u8>> {
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    let last = |line: &str| line.split(' ').nth(2).map(str::to_lowercase);
    let digits = lines.filter_map(last);
    digits.map(|digits| HEXLOWER.decode(digits.as_bytes()).expect("digits")).collect()
}

/// A secret in every form that is found, for controls: a search that finds none of these proves nothing.
pub fn written(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let each = |write: fn(&u8) -> String, between: &str| {
        secret.iter().map(write).collect::<Vec<_>>().join(between).into_bytes()
    };
    let mut forms = vec![
        ("bytes".to_owned(), secret.to_vec()),
        ("lower digits".to_owned(), HEXLOWER.encode(secret).into_bytes()),
        ("upper digits".to_owned(), HEXUPPER.encode(secret).into_bytes()),
        ("digits in groups of four".to_owned(), grouped(&HEXLOWER.encode(secret), 4, " ")),
        ("digits in lines of 32".to_owned(), grouped(&HEXLOWER.encode(secret), 32, "\n")),
        ("numbers with 0x".to_owned(), each(|byte| format!("{byte:#x}"), ", ")),
        ("a literal".to_owned(), each(|byte| format!("\\x{byte:02x}"), "")),
        ("a dump with its letters".to_owned(), dump(secret)),
        ("a debugged slice".to_owned(), format!("{secret:?}").into_bytes()),
        ("a debugged slice over lines".to_owned(), format!("{secret:#?}").into_bytes()),
    ];
    for between in [":", " ", "-", ", ", "."] {
        forms.push((
            format!("lower digits with {between:?}"),
            each(|b| format!("{b:02x}"), between),
        ));
        forms.push((
            format!("upper digits with {between:?}"),
            each(|b| format!("{b:02X}"), between),
        ));
    }
    for before in 0..3 {
        // Whatever stands before it moves it against the groups of three bytes.
        let moved = [&[0xa5; 2][..before], secret].concat();
        forms.push((format!("base64 behind {before}"), BASE64.encode(&moved).into_bytes()));
        forms.push((
            format!("base64 of URLs behind {before}"),
            BASE64URL_NOPAD.encode(&moved).into_bytes(),
        ));
        let lines = grouped(&BASE64.encode(&moved), 64, "\r\n");
        forms.push((format!("base64 in lines behind {before}"), lines));
    }
    forms
}

fn grouped(text: &str, length: usize, between: &str) -> Vec<u8> {
    let groups: Vec<&[u8]> = text.as_bytes().chunks(length).collect();
    groups.join(between.as_bytes())
}

/// Sixteen bytes in a line, and their letters beside them, as pages show the beginning of a step.
fn dump(bytes: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| if byte.is_ascii_graphic() { *byte } else { b'.' };
    let line = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: Vec<u8> = bytes.iter().map(letter).collect();
        [format!("{:<47}  ", digits.join(" ")).as_bytes(), &letters].concat()
    };
    bytes.chunks(16).map(line).collect::<Vec<_>>().join(&b'\n')
}

/// Two digits a byte, whatever stands between digits that is neither letter nor digit.
fn from_digits(output: &[u8]) -> Vec<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    let mut before = b' ';
    for byte in output {
        let run = runs.last_mut().expect("there is one");
        match (byte, char::from(*byte).to_digit(16)) {
            (_, Some(digit)) => run.push(digit as u8),
            // As in 0x2a and \x2a.
            (b'x' | b'X', None) if before == b'0' => drop(run.pop()),
            (b'x' | b'X', None) => {}
            (other, None) if other.is_ascii() && !other.is_ascii_alphabetic() => {}
            _ => runs.push(Vec::new()),
        }
        before = *byte;
    }
    runs.retain(|run| run.len() >= 2 * PIECE);
    let from = |run: &[u8]| run.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    runs.iter().flat_map(|run| [from(run), from(&run[1..])]).collect()
}

/// A number a byte.
fn from_numbers(output: &[u8], radix: u32) -> Vec<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    for word in output.split(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric()) {
        let word = std::str::from_utf8(word).unwrap_or("none");
        let word = if radix == 16 { word.strip_prefix("0x").unwrap_or(word) } else { word };
        match u8::from_str_radix(word, radix) {
            Ok(byte) => runs.last_mut().expect("there is one").push(byte),
            Err(_) if word.is_empty() => {}
            Err(_) => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| run.len() >= PIECE);
    runs
}

/// Four characters for three bytes, of either alphabet, from each of the four places that a group may begin at.
fn from_base64(output: &[u8]) -> Vec<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    for byte in output {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            space if space.is_ascii_whitespace() => continue,
            _ => {
                runs.push(Vec::new());
                continue;
            }
        };
        runs.last_mut().expect("there is one").push(value);
    }
    runs.retain(|run| run.len() * 3 >= PIECE * 4);
    let group = |four: &[u8]| {
        [four[0] << 2 | four[1] >> 4, four[1] << 4 | four[2] >> 2, four[2] << 6 | four[3]]
    };
    let from = |run: &[u8]| {
        // A last group that isn't whole is filled up: what it has too much of spoils no piece before it.
        run.chunks(4)
            .flat_map(|four| {
                let mut whole = [0; 4];
                whole[..four.len()].copy_from_slice(four);
                group(&whole)
            })
            .collect()
    };
    runs.iter()
        .flat_map(|run| (0..4).map(|begin| from(&run[begin..])).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn a_secret_is_found_in_every_form_and_within_whatever_stands_around_it() {
        let secret = secret();
        let search = Secrets::of([&secret]);
        let around: [(&[u8], &[u8]); 5] = [
            (b"", b""),
            (b"key: ", b"\n"),
            (b"{\"key\": \"", b"\"}"),
            (b"<code>", b"</code>"),
            (b"\xff\x00\x1b[2J\xc3", b"\xe2\x28 and more"),
        ];
        for (form, text) in written(&secret) {
            for (before, behind) in around {
                let output = [before, &text, behind].concat();
                assert!(search.found_in(&output).is_some(), "as {form} behind {before:?}");
            }
        }
    }

    #[test]
    fn any_sixteen_bytes_in_a_row_are_found_and_fifteen_are_not() {
        let secret = secret();
        let search = Secrets::of([&secret]);
        for from in 0..=secret.len() - PIECE {
            for (form, text) in written(&secret[from..from + PIECE]) {
                assert!(search.found_in(&text).is_some(), "from {from} as {form}");
            }
            for (form, text) in written(&secret[from..from + PIECE - 1]) {
                assert_eq!(search.found_in(&text), None, "from {from} as {form}");
            }
        }
    }

    #[test]
    fn the_secret_of_a_handshake_is_found_in_a_dump_wherever_it_begins_in_a_line() {
        let secret = &secret()[..32];
        let search = Secrets::of([secret]);
        for before in 0..16 {
            let text = dump(&[&[b'a'; 16][..before], secret, b"dead beef"].concat());
            assert_eq!(search.found_in(&text), Some("hexadecimal digits"), "behind {before}");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        let search = Secrets::of([secret(), [vec![7; 16], vec![0; 32]].concat()]);
        for text in [&[0; 64][..], &[7; 16], include_bytes!("secrets.rs"), &[0xff; 99]] {
            assert_eq!(search.found_in(text), None);
        }
    }

    #[test]
    #[should_panic(expected = "are found by chance")]
    fn a_secret_that_chance_would_find_is_not_taken() {
        let _ = Secrets::of([[1, 2, 3]]);
    }

    fn secret() -> Vec<u8> {
        let mut random = Random::new(0x5ec2e7);
        (0..48).map(|_| random.below(256) as u8).collect()
    }
}
