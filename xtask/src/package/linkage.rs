//! What the binary asks of the system that it runs on: libraries, and the version of the C library.

use std::path::Path;

use super::{printed, text};
use crate::failed::Failed;

/// Fails where the binary needs more than the packages say.
pub(super) fn check(binary: &Path) -> Result<(), Failed> {
    let dynamic = printed("objdump", &["-p", &text(binary)])?;
    let surplus: Vec<&str> = needed(&dynamic).filter(|name| !LIBRARIES.contains(name)).collect();
    if !surplus.is_empty() {
        return Err(Failed::new(format!("the binary needs {} too", surplus.join(", "))));
    }
    let newest = symbol_versions(&dynamic).max().unwrap_or((0, 0));
    println!("the binary needs glibc {}.{} or newer", newest.0, newest.1);
    if newest > GLIBC {
        let (major, minor) = GLIBC;
        return Err(Failed::new(format!(
            "packages promise glibc {major}.{minor}: build them where the C library is as old"
        )));
    }
    Ok(())
}

fn needed(dynamic: &str) -> impl Iterator<Item = &str> {
    dynamic.lines().filter_map(|line| Some(line.trim().strip_prefix("NEEDED")?.trim()))
}

fn symbol_versions(dynamic: &str) -> impl Iterator<Item = (u32, u32)> {
    dynamic.split_whitespace().filter_map(|word| {
        let (major, minor) = word.strip_prefix("GLIBC_")?.split_once('.')?;
        // A third number, as in 2.2.5, is of times before all that matters here.
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

/// Debian 12's.
const GLIBC: (u32, u32) = (2, 36);

/// Parts of the C library, and what unwinds stacks.
const LIBRARIES: [&str; 4] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "  NEEDED               libz.so.1\n  NEEDED               libc.so.6\n\n\
        Version References:\n  required from libc.so.6:\n    0x09691a75 0x00 09 GLIBC_2.2.5\n    \
        0x069691b4 0x00 02 GLIBC_2.34\n";

    #[test]
    fn libraries_and_the_newest_symbols_are_found() {
        assert_eq!(needed(DUMP).collect::<Vec<_>>(), ["libz.so.1", "libc.so.6"]);
        assert_eq!(symbol_versions(DUMP).max(), Some((2, 34)));
    }
}
