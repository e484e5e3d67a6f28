//! What turns a release build into something to install: manual pages, completions, a Debian and an RPM package.
//!
//! Everything it makes lies below `target/dist` and depends on the sources and the last commit's time only, so that the
//! same tree gives the same bytes. It installs nothing and needs no root.

#![forbid(unsafe_code)]

mod deb;
mod man;
mod rpm;
mod stage;
mod tool;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// What went wrong, as a sentence.
type Outcome<T = ()> = Result<T, String>;

#[derive(Parser)]
#[command(name = "xtask", about = "Makes manual pages, completions and packages")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// One manual page for each verb of fakctl
    Man {
        /// Where to write [default: target/dist/man]
        dir: Option<PathBuf>,
    },
    /// Completions for bash, zsh and fish
    Completions {
        /// Where to write [default: target/dist/completions]
        dir: Option<PathBuf>,
    },
    /// Build what the packages are made with, once, below target/tools
    Tools,
    /// Build, stage below target/dist/root, and make the packages
    Dist(Dist),
}

#[derive(clap::Args)]
struct Dist {
    /// The Debian package's version, when it is not the workspace's; only that package is made
    #[arg(long, value_name = "VERSION")]
    deb_version: Option<String>,
    /// Where the packages go [default: target/dist]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Pack what `cargo build --release` has made before
    #[arg(long)]
    no_build: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder: this crate stands two below it.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn run(verb: Verb) -> Outcome {
    let dist = root().join("target/dist");
    match verb {
        Verb::Man { dir } => man::write(&dir.unwrap_or_else(|| dist.join("man"))),
        Verb::Completions { dir } => {
            stage::completions(&dir.unwrap_or_else(|| dist.join("completions")))
        }
        Verb::Tools => deb::tool_of_ours(&root()).map(drop),
        Verb::Dist(flags) => packages(&dist, &flags),
    }
}

fn packages(dist: &Path, flags: &Dist) -> Outcome {
    let root = root();
    let epoch = tool::epoch(&root)?;
    if !flags.no_build {
        // The same command as `make demo`: one release build serves both.
        let words = [
            "build",
            "--release",
            "--locked",
            "-p",
            "fakd",
            "-p",
            "fakctl",
        ];
        tool::run(tool::cargo(&root).args(words))?;
    }
    let output = flags.output.clone().unwrap_or_else(|| dist.to_owned());
    let staged = dist.join("root");
    stage::stage(&root, &staged, &epoch)?;
    // Who packs the same tree again to compare needs the same time.
    stage::put(&dist.join("epoch"), epoch.as_bytes(), 0o644)?;
    let mut made = vec![deb::build(
        &root,
        &output,
        flags.deb_version.as_deref(),
        &epoch,
    )?];
    if flags.deb_version.is_none() {
        made.push(rpm::build(&root, &staged, &output, &epoch)?);
    }
    for package in made {
        eprintln!("xtask: made {}", package.display());
    }
    Ok(())
}
