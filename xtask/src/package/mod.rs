//! `cargo xtask package`: a .deb, an .rpm and a tarball of one release build, their SHA-256 sums, and a list
//! of what they are made of.
//!
//! What goes into them is laid out once in `target/package/root`; the manifest of `handfast` says what goes
//! where. Nothing of the machine is changed. Invariant: the binary needs what the packages say, and no more.

mod linkage;
mod tools;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::failed::Failed;
use crate::workspace;

use tools::Tools;

/// Makes everything; with `trial` also installs, upgrades and removes it in Debians of its own.
pub(crate) fn package(trial: bool) -> Result<(), Failed> {
    let tools = Tools::provide()?;
    run("cargo", &["build", "--release", "--locked", "--quiet", "--package", "handfast"])?;
    let binary = workspace::target_folder()?.join("release/handfast");
    linkage::check(&binary)?;
    let place = Place::begin()?;
    lay_out(&binary, &place.root)?;
    let packages = [deb(&tools, &place, "1")?, rpm(&tools, &place)?, tarball(&place)?];
    let parts = bill_of_materials(&tools, &place)?;
    sums(&place, &[&packages[..], &[parts]].concat())?;
    trial::read_rpm(&packages[1])?;
    if trial {
        let upgrade = deb(&tools, &place, "2")?;
        trial::in_debians(&packages[0], &upgrade)?;
        fs::remove_file(&upgrade).map_err(|error| cannot("remove", &upgrade, &error))?;
    }
    println!("packages are in {}", place.out.display());
    Ok(())
}

/// Where a run works. In the workspace wherever cargo builds, since the manifest names it.
struct Place {
    /// What is to be in the packages, as in the root of a system.
    root: PathBuf,
    /// What is handed out.
    out: PathBuf,
}

impl Place {
    /// Empty folders.
    fn begin() -> Result<Self, Failed> {
        let folder = workspace::root()?.join("target/package");
        let place = Self { root: folder.join("root"), out: folder.join("out") };
        for folder in [&place.root, &place.out] {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(|error| cannot("empty", folder, &error))?;
            }
            fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
        }
        Ok(place)
    }
}

/// The binary without its symbols, and what it writes for packages.
fn lay_out(binary: &Path, root: &Path) -> Result<(), Failed> {
    let programs = root.join("usr/bin");
    fs::create_dir_all(&programs).map_err(|error| cannot("make", &programs, &error))?;
    let own = text(&programs.join("handfast"));
    run("strip", &["-o", &own, &text(binary)])?;
    run(&text(binary), &["packaged", "--out", &text(root)])?;
    let manual = root.join("usr/share/man/man1");
    run("sh", &["-c", "gzip -9n \"$0\"/*.1", &text(&manual)])
}

fn deb(tools: &Tools, place: &Place, revision: &str) -> Result<PathBuf, Failed> {
    let out = text(&place.out);
    let arguments = ["deb", "--package", "handfast", "--no-build", "--no-strip", "--quiet"];
    let which = ["--deb-revision", revision, "--output", &out];
    tools.run("cargo-deb", &[&arguments[..], &which].concat())?;
    let architecture = printed("dpkg", &["--print-architecture"])?;
    made(place, &format!("handfast_{}-{revision}_{architecture}.deb", version()))
}

fn rpm(tools: &Tools, place: &Place) -> Result<PathBuf, Failed> {
    let name = format!("handfast-{}-1.{}.rpm", version(), std::env::consts::ARCH);
    let to = text(&place.out.join(&name));
    tools.run(
        "cargo-generate-rpm",
        &["generate-rpm", "--package", "crates/handfast", "--output", &to],
    )?;
    made(place, &name)
}

/// The same root for systems with neither kind of package.
fn tarball(place: &Place) -> Result<PathBuf, Failed> {
    let name = format!("handfast-{}-{}-linux-gnu.tar.gz", version(), std::env::consts::ARCH);
    let to = text(&place.out.join(&name));
    let owned = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner"];
    let from = ["-C", &text(&place.root), "usr"];
    run("tar", &[&["-czf", &to][..], &owned, &from].concat())?;
    made(place, &name)
}

/// Every crate in the binary with version and licence, in CycloneDX's form.
fn bill_of_materials(tools: &Tools, place: &Place) -> Result<PathBuf, Failed> {
    let name = format!("handfast-{}", version());
    let manifest = ["--manifest-path", "crates/handfast/Cargo.toml"];
    let form = ["--format", "json", "--override-filename", &name];
    tools.run("cargo-cyclonedx", &[&["cyclonedx", "--quiet"][..], &manifest, &form].concat())?;
    let to = place.out.join(format!("{name}.cdx.json"));
    for package in workspace::packages()? {
        let written = package.folder.join(format!("{name}.json"));
        if package.name == "handfast" {
            fs::copy(&written, &to).map_err(|error| cannot("copy", &written, &error))?;
        }
        if written.exists() {
            fs::remove_file(&written).map_err(|error| cannot("remove", &written, &error))?;
        }
    }
    Ok(to)
}

fn sums(place: &Place, files: &[PathBuf]) -> Result<(), Failed> {
    let names: Vec<String> =
        files.iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect();
    let script =
        "cd \"$0\" && sha256sum \"$@\" > SHA256SUMS && sha256sum --check --quiet SHA256SUMS";
    let folder = text(&place.out);
    let names = names.iter().map(String::as_str);
    run("sh", &["-c", script, &folder].into_iter().chain(names).collect::<Vec<_>>())
}

/// A file that a tool was told to make.
fn made(place: &Place, name: &str) -> Result<PathBuf, Failed> {
    let path = place.out.join(name);
    if path.exists() { Ok(path) } else { Err(Failed::new(format!("{name} was not made"))) }
}

fn printed(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let failed = |what: String| Failed::new(format!("`{program}`: {what}"));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failed {
    Failed::new(format!("can't {what} {}: {error}", path.display()))
}

/// The workspace has one version.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
