//! `cargo llmtest …`, as a function: the binary only prints.

mod findings;
mod project;
mod recordings;
mod report;
mod runs;
mod table;

pub use crate::config::Place;

use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// What a command prints, and how it ends: 0 is well, 1 that it could not do what it was asked, 2 a wrong command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: u8,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

#[derive(Parser)]
#[command(
    name = "llmtest",
    bin_name = "cargo llmtest",
    version,
    about = "Looks after what evaluation tests leave behind",
    long_about = "Looks after what evaluation tests leave behind.\n\n\
                  The tests themselves run with `cargo test`. Works in every folder of the project: llmtest.toml and the \
                  variables LLMTEST_* count as they do for the tests."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists, checks and prunes the recordings of judges, stages and embedders
    #[command(subcommand)]
    Recordings(recordings::Recordings),
    /// Shows a run: for a terminal, CI, a pull request
    Report(report::Report),
}

/// Runs a command. `args` come after the program's name; a first `llmtest`, which cargo adds, is left out.
pub fn run(args: impl IntoIterator<Item = OsString>, place: &Place) -> Output {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(|first| first == "llmtest") {
        args.remove(0);
    }
    args.insert(0, "cargo llmtest".into());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(told) => {
            let text = told.render().to_string();
            let code = u8::try_from(told.exit_code()).unwrap_or(2);
            // Help that was asked for is no mistake.
            let (out, err) = if told.use_stderr() {
                (String::new(), text)
            } else {
                (text, String::new())
            };
            return Output { code, out, err };
        }
    };
    let told = match cli.command {
        Command::Recordings(command) => recordings::run(command, place),
        Command::Report(args) => report::run(&args, place),
    };
    match told {
        Ok(out) => Output {
            code: 0,
            out,
            err: String::new(),
        },
        Err((out, why)) => Output {
            code: 1,
            out,
            err: format!("error: {why}\n"),
        },
    }
}

#[cfg(test)]
mod tests;
