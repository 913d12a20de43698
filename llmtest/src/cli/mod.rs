//! `cargo llmtest …`, as a function: the binary only prints.

mod findings;
mod follow;
mod gate;
mod history;
mod init;
mod more;
mod progress;
mod project;
mod record;
mod recordings;
mod report;
mod run;
mod runs;
mod show;
mod table;
mod watch;

pub use crate::config::Place;

use clap::{CommandFactory, Parser, Subcommand};
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

impl Output {
    /// A command that did what it was asked.
    fn well(out: String) -> Self {
        Self {
            code: 0,
            out,
            err: String::new(),
        }
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

#[derive(Parser)]
#[command(
    name = "llmtest",
    bin_name = "cargo llmtest",
    version,
    about = "Gates evaluation tests, and looks after what they leave behind",
    long_about = "Gates evaluation tests, and looks after what they leave behind.\n\n\
                  The tests themselves run with `cargo test`. Works in every folder of the project: llmtest.toml and the \
                  variables LLMTEST_* count as they do for the tests.",
    after_help = "To begin:          cargo llmtest init && cargo test --test evals\n\
                  Every day:         cargo llmtest run --replay --gate        asks no judge, costs nothing\n\
                  A changed prompt:  cargo llmtest record                     asks the judges anew, for money\n\
                  Into what failed:  cargo llmtest report --format html --out eval.html\n\
                  A new baseline:    cargo llmtest accept\n\n\
                  `cargo llmtest help COMMAND` has examples of each; `cargo llmtest help exit-codes` says what CI sees."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:\n  \
  0  well\n  \
  1  it could not do what it was asked: no such run, nothing recorded, a file that cannot be written, a run that was stopped\n  \
  2  a wrong command line\n\
100  the gate failed: `cargo llmtest gate` says which check, and which cases\n\
101  a test failed; with `run --gate` only one that is Errored, since the gate decides about scores\n\
102  the gate is inconclusive, with `on-inconclusive = \"more-trials\"` under [gate]: each check names what would settle it\n\n\
Example:\n  cargo llmtest run --replay --gate; case $? in 0) ;; 102) cargo llmtest run --live --gate ;; *) exit 1 ;; esac";

#[derive(Subcommand)]
enum Command {
    /// Lists, checks and prunes the recordings of judges, stages and embedders
    #[command(subcommand)]
    Recordings(recordings::Recordings),
    /// Runs the tests as one run, and gates them
    Run(run::RunArgs),
    /// Runs the tests and records anew what judges and stages say; this costs money where judges do
    Record(run::RunArgs),
    /// Writes the two files that a project needs
    Init(init::InitArgs),
    /// Prints the completions of a shell
    #[command(
        after_help = "Example:\n  cargo llmtest completions bash > ~/.local/share/bash-completion/completions/cargo-llmtest"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Says what the exit codes mean
    #[command(after_help = EXIT_CODES)]
    ExitCodes,
    /// Lists the runs that were recorded
    Runs(history::RunsArgs),
    /// Shows a run, or a case of it, as the tests did
    Show(show::ShowArgs),
    /// Folds what several machines recorded into one run
    Merge(history::MergeArgs),
    /// Takes old runs away
    Prune(history::PruneArgs),
    /// Says whether a run may be merged: against the baseline, the bars and the invariants of llmtest.toml
    Gate(gate::GateArgs),
    /// Makes a run the baseline
    Accept(gate::AcceptArgs),
    /// Compares two runs, case by case
    Compare(gate::CompareArgs),
    /// Says how often the gate would block a change that changes nothing
    Aa(gate::AaArgs),
    /// Lists the cases that do not always end alike, and sets them aside with evidence
    Flaky(gate::FlakyArgs),
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
    let done = match cli.command {
        Command::Recordings(command) => match recordings::run(command, place) {
            Ok(out) => Ok(Output::well(out)),
            Err((out, why)) => {
                let err = format!("error: {why}\n");
                Ok(Output { code: 1, out, err })
            }
        },
        Command::Run(args) => run::run(&args, place),
        Command::Record(args) => record::record(args, place),
        Command::Init(args) => init::init(&args, place),
        Command::Completions { shell } => Ok(Output::well(completions(shell))),
        Command::ExitCodes => Ok(Output::well(EXIT_CODES.to_string() + "\n")),
        Command::Runs(args) => history::runs(&args, place),
        Command::Show(args) => show::show(&args, place),
        Command::Merge(args) => history::merge(&args, place),
        Command::Prune(args) => history::prune(&args, place),
        Command::Report(args) => report::run(&args, place),
        Command::Gate(args) => gate::gate(&args, place),
        Command::Accept(args) => gate::accept(&args, place),
        Command::Compare(args) => gate::compare(&args, place),
        Command::Aa(args) => gate::aa(&args, place),
        Command::Flaky(args) => gate::flaky(&args, place),
    };
    done.unwrap_or_else(|Failure(why)| Output {
        code: 1,
        out: String::new(),
        err: format!("error: {why}\n"),
    })
}

/// The tool is called by cargo, or by its own name.
fn completions(shell: clap_complete::Shell) -> String {
    let mut out = Vec::new();
    let mut command = Cli::command().bin_name("cargo-llmtest");
    clap_complete::generate(shell, &mut command, "cargo-llmtest", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
