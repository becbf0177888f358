//! Times and lengths of time, as people read them.

/// A length of time in its largest fitting unit.
pub(super) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        1_000_000..120_000_000 => {
            format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000)
        }
        120_000_000..7_200_000_000 => parts(micros / 1_000_000, 60, "min", "s"),
        7_200_000_000..172_800_000_000 => parts(micros / 60_000_000, 60, "h", "min"),
        _ => format!("{} days", micros / 86_400_000_000),
    }
}

/// So many of a larger unit, and the rest in the smaller one.
fn parts(all: u64, each: u64, larger: &str, smaller: &str) -> String {
    match (all / each, all % each) {
        (whole, 0) => format!("{whole} {larger}"),
        (whole, rest) => format!("{whole} {larger} {rest} {smaller}"),
    }
}

/// A moment in seconds since 1970; one before that has no date here.
pub(super) fn moment(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds) => {
            clock::Timestamp::from_wall(std::time::Duration::from_secs(seconds)).to_seconds()
        }
        Err(_) => "before 1970".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_told_to_the_second() {
        let seconds = |seconds: f64| span((seconds * 1e6) as u64);
        assert_eq!(seconds(298.0), "4 min 58 s");
        assert_eq!(seconds(3_627.99), "60 min 27 s");
        assert_eq!((seconds(300.4), seconds(7_200.0)), ("5 min".to_owned(), "2 h".to_owned()));
        assert_eq!(
            (seconds(119.99), seconds(9_000.0)),
            ("119.99 s".to_owned(), "2 h 30 min".to_owned())
        );
    }
}
