//! Times and lengths of time, as people read them.

/// A length of time in its largest fitting unit.
pub(super) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        1_000_000..120_000_000 => {
            format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000)
        }
        120_000_000..7_200_000_000 => format!("{} min", micros / 60_000_000),
        7_200_000_000..172_800_000_000 => format!("{} h", micros / 3_600_000_000),
        _ => format!("{} days", micros / 86_400_000_000),
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
