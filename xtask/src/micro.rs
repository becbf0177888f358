//! The micro-benchmarks: instructions of each part of a packet's way, counted by callgrind and compared
//! with the committed baseline; sealing and opening by time.
//!
//! Instructions don't depend on what else the machine does, so a change of one per cent is seen. They
//! say nothing of memory and none of instructions that the emulator lacks (AVX-512), which is why the
//! cipher is left out of the counts. Counts differ between compilers: the baseline names its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::failed::Failed;
use crate::peers;

/// Prints the table; with `save` it becomes the baseline.
pub(crate) fn micro(save: bool) -> Result<(), Failed> {
    if !peers::on_path("valgrind") {
        return Err(Failed::new(
            "instructions are counted by valgrind; install it: apt-get install -y valgrind"
                .to_owned(),
        ));
    }
    let program = build()?;
    let (baseline, compiler) = (read_baseline(), compiler()?);
    let mut saved = format!("# {compiler}\n");
    println!("{:32} {:>12} {:>12} {:>8}", "case", "instructions", "baseline", "change");
    for line in output(Command::new(&program).arg("list"))?.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(unit), Some(times)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let times: f64 = times.parse().unwrap_or(1.0);
        let each = instructions(&program, name)? as f64 / times;
        let before = baseline.get(name).copied();
        let change =
            before.map_or("new".to_owned(), |b| format!("{:+.1} %", (each / b - 1.0) * 100.0));
        let before = before.map_or("-".to_owned(), |before| format!("{before:.1}"));
        println!("{name:32} {each:>12.1} {before:>12} {change:>8}  a {unit}");
        // Writing to a string can't fail.
        let _ = writeln!(saved, "{name} {each:.1}");
    }
    println!("\nThe same for sealing and opening, by time (medians):");
    print!("{}", output(Command::new(&program).arg("ciphers"))?);
    if !baseline.is_empty() && !baseline_text().starts_with(&format!("# {compiler}\n")) {
        println!("the baseline was counted with another compiler than {compiler}");
    }
    if save {
        std::fs::write(BASELINE, saved)
            .map_err(|e| Failed::new(format!("{BASELINE} cannot be written: {e}")))?;
    }
    Ok(())
}

/// Builds the program that runs the cases, and says where it is.
fn build() -> Result<PathBuf, Failed> {
    let arguments = ["bench", "--package", "datapath", "--bench", "micro", "--no-run"];
    run("cargo", &arguments)?;
    let told = output(Command::new("cargo").args(arguments).arg("--message-format=json"))?;
    let executable = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    executable.ok_or_else(|| Failed::new("cargo named no benchmark program".to_owned()))
}

/// Runs one case under callgrind. Only what the counted function calls is counted.
fn instructions(program: &Path, case: &str) -> Result<u64, Failed> {
    let profile = program.with_extension("callgrind");
    output(
        Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--collect-atstart=no",
                "--toggle-collect=*micro_counted_part*",
            ])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args(["run", case]),
    )?;
    let text = std::fs::read_to_string(&profile)
        .map_err(|e| Failed::new(format!("{} cannot be read: {e}", profile.display())))?;
    let _ = std::fs::remove_file(&profile);
    Ok(counted(&text))
}

/// Sums a profile's own costs over all functions but the cipher's.
///
/// A function's lines are `fn=(number) name`, the name only the first time, and then `place cost`. A
/// `calls=` line is followed by the cost of the callee, which is counted at the callee itself.
fn counted(profile: &str) -> u64 {
    let (mut cipher, mut sum) = (BTreeMap::new(), 0);
    let (mut skips, mut of_callee) = (false, false);
    for line in profile.lines() {
        let named = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="));
        if let Some((number, name)) =
            named.map(|named| named.split_once(' ').unwrap_or((named, "")))
        {
            if !name.is_empty() {
                cipher.insert(number, CIPHER.iter().any(|prefix| name.starts_with(prefix)));
            }
            if line.starts_with("fn=") {
                skips = cipher.get(number).copied().unwrap_or(false);
            }
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            if !std::mem::take(&mut of_callee) && !skips {
                sum += cost;
            }
        }
    }
    sum
}

fn baseline_text() -> String {
    std::fs::read_to_string(BASELINE).unwrap_or_default()
}

fn read_baseline() -> BTreeMap<String, f64> {
    let read = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    baseline_text().lines().filter_map(read).collect()
}

fn compiler() -> Result<String, Failed> {
    Ok(output(Command::new("rustc").arg("--version"))?.trim().to_owned())
}

fn output(command: &mut Command) -> Result<String, Failed> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().map_err(|e| Failed::new(format!("`{program}` did not start: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failed::new(format!("`{program}`: {}: {said}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const BASELINE: &str = "crates/datapath/benches/baseline.txt";
/// How the functions of the cipher's library are called.
const CIPHER: [&str; 4] = ["aws_lc_", "aead_", "_aesni_", "_ctr32_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_costs_are_summed_without_calls_and_without_the_cipher() {
        let profile = "events: Ir\nfn=(1) ours\n0 10\ncfn=(2) aws_lc_seal\ncalls=1 0\n0 500\n+3 5\n\
                       fn=(2)\n0 500\ncfn=(3) memcpy\ncalls=1 0\n* 7\n\nfn=(3)\n0 7\nfn=(1)\n-2 1\n";
        assert_eq!(counted(profile), 10 + 5 + 7 + 1);
    }
}
