//! `cargo llmtest report`: a run that was recorded, as people and CI servers read it.

use super::gate::candidate;
use super::project::Project;
use super::{Failure, Output, Place};
use crate::gate::{GateReport, Policy, decide};
use crate::report::{
    Annotations, COMMENT, Html, Junit, Markdown, Outputs, SUMMARY, Style, Tally, recorded_summary,
    test_block,
};
use crate::results::stream::{self, Cases};
use crate::results::{Outcome, RunReport, TestRecord, write_whole};
use crate::runs::{Snapshot, find};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How many cases a terminal is shown in full.
const BLOCKS: usize = 50;

#[derive(Args)]
#[command(
    after_help = "Where there is a baseline, or llmtest.toml asks for more than the defaults of [gate], markdown and annotations \
                  begin with what the gate says. It never changes the exit code: `cargo llmtest gate` does.\n\n\
                  Examples:\n  cargo llmtest report                                     what failed in the last run, and why\n  \
                  cargo llmtest report --format junit --out junit.xml\n  \
                  cargo llmtest report --format markdown --full >> \"$GITHUB_STEP_SUMMARY\"\n  \
                  cargo llmtest report --format html --out report.html     a page to look into every case\n  \
                  cargo llmtest report --format annotations                marks lines of the pull request, on GitHub"
)]
pub(super) struct Report {
    /// The run: an id, the start of one, `last`, `last~1`, or the path of a report
    #[arg(default_value = "last")]
    run: String,
    /// What it is compared with, instead of the baseline of llmtest.toml
    #[arg(long, value_name = "FILE|RUN")]
    baseline: Option<String>,
    /// What the gate said, as `cargo llmtest gate --json FILE` wrote it, instead of asking it anew
    #[arg(long, value_name = "FILE", conflicts_with = "no_gate")]
    gate: Option<PathBuf>,
    /// Leaves out what the gate says: outcomes and means stand beside those of `--baseline`
    #[arg(long)]
    no_gate: bool,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Of markdown, as much as the summary of a job takes (1 MiB), and not only what a comment takes (64 KiB)
    #[arg(long)]
    full: bool,
    /// Writes to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A report to be written to a file: `html=report.html`.
#[derive(Clone)]
pub(super) struct ToFile(Format, PathBuf);

impl std::str::FromStr for ToFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text
            .split_once('=')
            .filter(|(_, file)| !file.is_empty())
            .ok_or("is not FORMAT=FILE, such as html=report.html")?;
        Ok(Self(Format::from_str(format, false)?, PathBuf::from(file)))
    }
}

impl ToFile {
    /// The command that writes it.
    pub(super) fn of(&self, run: &Path) -> Report {
        Report {
            run: run.to_string_lossy().into_owned(),
            baseline: None,
            gate: None,
            no_gate: false,
            format: self.0,
            full: true,
            out: Some(self.1.clone()),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.1
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What did not pass, and the table
    Terminal,
    /// The report itself, as schemas/report-1.schema.json describes it
    Json,
    /// For GitLab, Jenkins and actions of GitHub
    Junit,
    /// For the summary of a job and the comment of a pull request
    Markdown,
    /// One page with everything in it, for a browser; nothing is loaded from a network
    Html,
    /// Workflow commands of GitHub
    Annotations,
    /// A report of code quality for GitLab
    CodeQuality,
}

pub(super) fn run(args: &Report, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let run = find(&project.roots, &given(place, &args.run))?;
    let out = args.out.as_deref().map(|path| place.folder.join(path));
    if let Some(out) = out {
        write_whole(&out, |out| write(args, &project, place, &run, out)).map_err(|error| {
            let at = out.display();
            let io = error.downcast_ref::<io::Error>();
            match io {
                Some(error) => format!("cannot write {at}: {error}\nhint: name a file in a folder that exists and can be written"),
                None => error.to_string(),
            }
        })?;
        return Ok(Output::well(String::new()));
    }
    let mut text = Vec::new();
    write(args, &project, place, &run, &mut text)?;
    let text = String::from_utf8(text)?;
    Ok(Output::well(
        project.config.redactor.scrub(&text).into_owned(),
    ))
}

/// What is given may be a path, which counts from where the command was called.
fn given(place: &Place, name: &str) -> String {
    let path = place.folder.join(name);
    if path.exists() {
        path.to_string_lossy().into_owned()
    } else {
        name.to_string()
    }
}

fn write(
    args: &Report,
    project: &Project,
    place: &Place,
    run: &Path,
    out: &mut dyn Write,
) -> crate::Result<()> {
    match args.format {
        Format::Json => {
            // Of another format, it is refused.
            stream::read(run, &mut Nothing)?;
            io::copy(&mut File::open(run)?, out)?;
        }
        Format::Terminal => {
            let mut terminal = Terminal::new(None, false);
            let report = stream::read(run, &mut terminal)?;
            out.write_all(terminal.finish(&report).as_bytes())?;
        }
        Format::Junit => {
            let mut junit = Junit::new();
            let report = stream::read(run, &mut junit)?;
            junit.write(&report, out)?;
        }
        Format::Markdown => {
            let (gate, baseline) = verdict(args, project, place, run)?;
            let mut markdown = Markdown::new(gate.as_ref(), baseline.as_ref());
            drop(baseline);
            let report = stream::read(run, &mut markdown)?;
            let limit = if args.full { SUMMARY } else { COMMENT };
            out.write_all(markdown.finish(&report, limit).as_bytes())?;
        }
        Format::Html => {
            let (gate, baseline) = verdict(args, project, place, run)?;
            let mut outputs = Outputs::default();
            // What `accept` writes holds no texts; a run that is named does.
            if let Some(name) = &args.baseline {
                stream::read(&find(&project.roots, &given(place, name))?, &mut outputs)?;
            }
            let mut page = Html::new(gate.as_ref(), baseline.as_ref(), outputs, out)?;
            let report = stream::read(run, &mut page)?;
            page.finish(&report)?;
        }
        Format::Annotations | Format::CodeQuality => {
            let (gate, _) = verdict(args, project, place, run)?;
            let mut notes = Annotations::new(gate.as_ref());
            let report = stream::read(run, &mut notes)?;
            let text = match args.format {
                Format::Annotations => notes.github(&report),
                _ => notes.code_quality(&report),
            };
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// What the gate says, where it is asked anything, and the baseline, where there is one.
fn verdict(
    args: &Report,
    project: &Project,
    place: &Place,
    run: &Path,
) -> crate::Result<(Option<GateReport>, Option<Snapshot>)> {
    let name = args.baseline.as_deref().map(|name| given(place, name));
    let configured = &project.config.gate.baseline;
    let baseline = match name {
        Some(name) => Some(Snapshot::read(&find(&project.roots, &name)?)?),
        None if configured.is_file() => Some(Snapshot::read(configured)?),
        None => None,
    };
    if args.no_gate {
        return Ok((None, baseline));
    }
    if let Some(path) = &args.gate {
        return Ok((Some(recorded_gate(&place.folder.join(path))?), baseline));
    }
    let policy = project.config.gate.policy()?;
    if baseline.is_none() && policy == Policy::default() {
        return Ok((None, None));
    }
    let gate = decide(&candidate(run, &policy)?, baseline.as_ref(), &policy);
    Ok((Some(gate), baseline))
}

fn recorded_gate(path: &Path) -> crate::Result<GateReport> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let gate: GateReport = serde_json::from_str(&text).map_err(|error| {
        wrong(format!(
            "{error}\nhint: `cargo llmtest gate --json FILE` writes it"
        ))
    })?;
    if gate.format != GateReport::FORMAT {
        let (found, ours) = (gate.format, GateReport::FORMAT);
        let why = format!("has format {found}, and this llmtest reads format {ours}");
        return Err(wrong(why).into());
    }
    Ok(gate)
}

struct Nothing;

impl Cases for Nothing {
    fn add(&mut self, _: &TestRecord) {}
}

/// What a terminal shows: what did not pass, and the table.
pub(super) struct Terminal {
    /// A part of the names of the cases that are shown, whether they passed or not.
    wanted: Option<String>,
    style: Style,
    tally: Tally,
    blocks: String,
    shown: usize,
    /// All that would be shown, were they fewer.
    due: usize,
}

impl Terminal {
    /// What did not pass, or `all`, or the cases with this in their names.
    pub(super) fn new(wanted: Option<String>, all: bool) -> Self {
        Self {
            // Reports are read in logs as well.
            style: Style {
                colour: false,
                all: all || wanted.is_some(),
            },
            wanted,
            tally: Tally::default(),
            blocks: String::new(),
            shown: 0,
            due: 0,
        }
    }

    /// Whether no case is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.due == 0
    }

    /// The blocks, and where the whole run is meant, its table.
    pub(super) fn finish(mut self, report: &RunReport) -> String {
        if self.due > self.shown {
            let rest = self.due - self.shown;
            let _ = writeln!(self.blocks, "  … and {rest} more, all in report.json\n");
        }
        if self.wanted.is_some() {
            return self.blocks;
        }
        self.blocks + &recorded_summary(&self.tally, report, self.style)
    }
}

impl Cases for Terminal {
    fn add(&mut self, case: &TestRecord) {
        self.tally.add(case);
        let due = match &self.wanted {
            Some(wanted) => case.name().contains(wanted),
            None => self.style.all || matches!(case.outcome, Outcome::Failed | Outcome::Errored),
        };
        if due {
            self.due += 1;
            if self.shown < BLOCKS {
                self.shown += 1;
                self.blocks.push_str(&test_block(case, self.style));
                self.blocks.push('\n');
            }
        }
    }
}
