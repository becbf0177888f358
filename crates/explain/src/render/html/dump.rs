//! Bytes as people look at them: sixteen in a line, and their letters beside them.

const IN_A_LINE: usize = 16;

/// Of bytes in hexadecimal; what is none gives nothing.
pub(super) fn of(digits: &str) -> String {
    let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap_or_default();
    let lines: Vec<String> = bytes.chunks(IN_A_LINE).map(line).collect();
    lines.join("\n")
}

fn line(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    let letters: String = bytes.iter().map(shown).collect();
    format!("{:<47}  {letters}", digits.join(" "))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn sixteen_bytes_stand_in_a_line_with_their_letters() {
        let text = of(&data_encoding::HEXLOWER.encode(b"\x16\x03\x01 hello, world<"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "16 03 01 20 68 65 6c 6c 6f 2c 20 77 6f 72 6c 64  ....hello,.world");
        assert!(lines[1].starts_with("3c ") && lines[1].ends_with("  <"));
        assert_eq!((of(""), of("zz")), (String::new(), String::new()));
    }
}
