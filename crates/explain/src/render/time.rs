//! Times and lengths of time, as people read them. Each is rounded to its last digit and none is cut, so that a sum of
//! two figures of a page is the figure that the page has for it.

/// A length of time: to a hundredth of a second, or finer where it is short.
pub(super) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..999_950 => {
            let tenths = (micros + 50) / 100;
            format!("{}.{} ms", tenths / 10, tenths % 10)
        }
        _ => {
            let hundredths = micros.saturating_add(5_000) / 10_000;
            let seconds = hundredths / 100;
            match seconds {
                0..120 => format!("{} s", with_rest(seconds, hundredths % 100)),
                120..7_200 => parts(&[(seconds / 60, "min")], seconds % 60, hundredths % 100),
                7_200..172_800 => {
                    let larger = [(seconds / 3_600, "h"), (seconds / 60 % 60, "min")];
                    parts(&larger, seconds % 60, hundredths % 100)
                }
                _ => {
                    let larger = [
                        (seconds / 86_400, "days"),
                        (seconds / 3_600 % 24, "h"),
                        (seconds / 60 % 60, "min"),
                    ];
                    parts(&larger, seconds % 60, hundredths % 100)
                }
            }
        }
    }
}

/// How long something takes by a rule, which are whole seconds as a rule.
pub(super) fn lasting(micros: u64) -> String {
    span(micros).replace(".00 s", " s")
}

fn with_rest(seconds: u64, hundredths: u64) -> String {
    format!("{seconds}.{hundredths:02}")
}

/// The units that there is something of, the larger first.
fn parts(larger: &[(u64, &str)], seconds: u64, hundredths: u64) -> String {
    let larger = larger.iter().filter(|(count, _)| *count > 0);
    let mut all: Vec<String> = larger.map(|(count, unit)| format!("{count} {unit}")).collect();
    match (seconds, hundredths) {
        (0, 0) => {}
        (_, 0) => all.push(format!("{seconds} s")),
        _ => all.push(format!("{} s", with_rest(seconds, hundredths))),
    }
    all.join(" ")
}

/// A moment in seconds since 1970; one before that has no date here.
pub(super) fn moment(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds) => {
            clock::Timestamp::from_wall(std::time::Duration::from_secs(seconds)).to_string()
        }
        Err(_) => "before 1970".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rounded_and_what_is_added_to_one_gives_the_other() {
        for (micros, said) in [
            (999, "999 µs"),
            (30_949, "30.9 ms"),
            (30_950, "31.0 ms"),
            (999_949, "999.9 ms"),
            (999_950, "1.00 s"),
            (4_988_000, "4.99 s"),
            (119_994_999, "119.99 s"),
            (119_995_000, "2 min"),
            // 245 s after 4.99 s, and an hour after 4.95 s.
            (249_988_000, "4 min 9.99 s"),
            (3_604_950_000, "60 min 4.95 s"),
            (298_000_000, "4 min 58 s"),
            (300_400_000, "5 min 0.40 s"),
            (7_200_000_000, "2 h"),
            (9_000_000_000, "2 h 30 min"),
            (86_400_013_000, "24 h 0.01 s"),
            (604_800_000_000, "7 days"),
        ] {
            assert_eq!(span(micros), said);
        }
        assert_eq!((lasting(30_000_000), lasting(2_500_000)), ("30 s".into(), "2.50 s".into()));
        assert!(!span(u64::MAX).is_empty());
    }
}
