//! Debian's Chromium without a window, with nothing of its own: it goes to one address, and what it meets there leads
//! it on. Dropping it ends it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Browser {
    program: Child,
    home: PathBuf,
}

impl Browser {
    pub(crate) fn at(url: &str, more: &[&str]) -> Browser {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home =
            std::env::temp_dir().join(format!("handfast-browser-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        // It ends by itself should whoever started it be killed.
        let mut command = Command::new("timeout");
        command.args(["400", "chromium", "--headless", "--no-sandbox", "--disable-gpu"]);
        command.args(["--no-first-run", "--disable-background-networking"]);
        command.args(["--disable-component-update", "--remote-debugging-port=0"]);
        command
            .arg(format!("--user-data-dir={}", home.join("profile").display()))
            .args(more)
            .arg(url);
        command.env("HOME", &home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Browser { program: command.spawn().unwrap(), home }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` hands this on to what it started.
        let id = self.program.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.program.wait();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
