//! What the explorer and the replay of known inputs run: what strangers write that is parsed here and not by hyper.

use crate::files::condition::{Standing, part};
use crate::host::Host;
use crate::path::Path;

/// A function of any octets.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 3] = [("path", path), ("host", host), ("range", range)];

/// A path that routes go by has whole segments and none that leads elsewhere.
pub fn path(octets: &[u8]) {
    let Ok(raw) = str::from_utf8(octets) else { return };
    let Ok(path) = Path::decode(raw) else { return };
    assert!(path.as_str().starts_with('/') && !path.as_str().chars().any(char::is_control));
    let canonical = path.canonical();
    assert!(canonical.starts_with('/') && !canonical.contains(['\\', ';']), "{canonical}");
    let mut names = canonical.strip_suffix('/').unwrap_or(canonical).split('/').skip(1);
    assert!(names.all(|name| !matches!(name, "" | "." | "..")), "{canonical}");
}

/// A host is written as it is read, in one spelling.
pub fn host(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let Ok(host) = text.parse::<Host>() else { return };
    assert!(!host.name().chars().any(|char| char.is_ascii_uppercase() || char == '/'));
    assert_eq!(host.to_string().parse(), Ok(host));
}

/// A part lies within its file, and is not empty. The first eight octets are the file's length.
pub fn range(octets: &[u8]) {
    let Some((length, range)) = octets.split_first_chunk() else { return };
    let (length, Ok(range)) = (u64::from_be_bytes(*length), str::from_utf8(range)) else { return };
    if let Standing::Part(part) = part(range, length) {
        assert!(part.start < part.end && part.end <= length, "{part:?} of {length}");
    }
}
