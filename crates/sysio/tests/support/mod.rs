//! What the tests in namespaces share.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::process::Command;

use sysio::{Netns, NetnsError};

/// A fresh namespace, or `None` and a printed reason where that is not permitted.
pub(crate) fn netns() -> Option<Netns> {
    match Netns::create() {
        Ok(netns) => Some(netns),
        Err(error @ (NetnsError::Denied(_) | NetnsError::Unsupported(_))) => {
            println!("SKIP namespaces: {error}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// Runs `ip` in the namespace and returns what it wrote.
pub(crate) fn ip(netns: &Netns, arguments: &str) -> String {
    run(netns, &format!("ip {arguments}"))
}

/// Runs a program with plain arguments in the namespace and returns what it wrote.
pub(crate) fn run(netns: &Netns, line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    let output = netns.output(command).expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).expect("the output is text")
}
