//! `cargo llmtest report`: a run that was recorded, as people and CI servers read it.

use super::Place;
use super::project::Project;
use crate::Result;
use crate::gate::GateReport;
use crate::report::stream::{self, Cases};
use crate::report::{
    Annotations, COMMENT, Junit, Markdown, Outcome, RunReport, SUMMARY, Style, Tally, TestRecord,
    recorded_summary, test_block,
};
use crate::runs::Snapshot;
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many cases a terminal is shown in full.
const BLOCKS: usize = 50;

#[derive(Args)]
#[command(
    after_help = "RUN is the name of a folder in `target/llmtest/runs`, a folder that holds a report.json, or such a file; \
                  without it, the last run.\n\n\
                  Examples:\n  cargo llmtest report                                     what failed in the last run, and why\n  \
                  cargo llmtest report --format junit --out junit.xml\n  \
                  cargo llmtest report --format markdown --full >> \"$GITHUB_STEP_SUMMARY\"\n  \
                  cargo llmtest report --format annotations                marks lines of the pull request, on GitHub"
)]
pub(super) struct Report {
    /// The run; else the last one
    run: Option<String>,
    /// A run, or a baseline, that the outcomes and means are shown beside (markdown)
    #[arg(long, value_name = "FILE|RUN")]
    baseline: Option<String>,
    /// What the gate said of the run, in JSON (markdown, annotations)
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
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
    /// Workflow commands of GitHub
    Annotations,
    /// A report of code quality for GitLab
    CodeQuality,
}

/// What is printed; an error with what is printed before it.
type Told = std::result::Result<String, (String, String)>;

pub(super) fn run(args: &Report, place: &Place) -> Told {
    let told = |why: String| (String::new(), why);
    let project = Project::find(place).map_err(told)?;
    let at = |path: &Path| place.folder.join(path);
    let run = find(&project, place, args.run.as_deref()).map_err(told)?;
    let Some(out) = args.out.as_deref().map(at) else {
        let mut text = Vec::new();
        write(args, &project, place, &run, &mut text).map_err(|why| told(why.to_string()))?;
        let text = String::from_utf8_lossy(&text);
        return Ok(project.config.redactor.scrub(&text).into_owned());
    };
    let cannot = |error: io::Error| {
        told(format!(
            "cannot write {}: {error}\nhint: name a file in a folder that exists and can be written",
            out.display()
        ))
    };
    // Readers see the old or the new file, never half of it; and the run may be the file itself.
    let half = out.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = BufWriter::new(File::create(&half).map_err(cannot)?);
    let written = write(args, &project, place, &run, &mut file)
        .and_then(|()| Ok(file.flush()?))
        .map_err(|why| told(why.to_string()));
    if written.is_err() {
        let _ = fs::remove_file(&half);
    }
    written?;
    fs::rename(&half, &out).map_err(cannot)?;
    Ok(String::new())
}

/// The report.json of a run.
fn find(
    project: &Project,
    place: &Place,
    name: Option<&str>,
) -> std::result::Result<PathBuf, String> {
    let latest = || {
        let reports = project.roots.iter().map(|root| root.join("report.json"));
        let known =
            reports.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)));
        known.max().map(|(_, path)| path)
    };
    let Some(name) = name else {
        return latest().ok_or_else(|| {
            "no run is recorded\nhint: run the tests with `cargo test`, or name a report: `cargo llmtest report FILE`"
                .to_string()
        });
    };
    let report = |path: PathBuf| {
        if path.is_dir() {
            path.join("report.json")
        } else {
            path
        }
    };
    // A name is no way out of the folder of runs.
    let runs = project
        .roots
        .iter()
        .filter(|_| !name.contains(['/', '\\']) && name != "..");
    let runs = runs.map(|root| root.join("runs").join(name));
    let all = std::iter::once(place.folder.join(name)).chain(runs);
    let mut all = all.map(report);
    all.find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "there is no run `{}`\nhint: name a folder of `runs`, or a report.json",
            crate::report::clean_name(name)
        )
    })
}

fn write(
    args: &Report,
    project: &Project,
    place: &Place,
    run: &Path,
    out: &mut dyn Write,
) -> Result<()> {
    let gate = args
        .gate
        .as_ref()
        .map(|path| gate(&place.folder.join(path)));
    let gate = gate.transpose()?;
    let gate = gate.as_ref();
    match args.format {
        Format::Json => {
            // Of another format, it is refused.
            stream::read(run, &mut Nothing)?;
            io::copy(&mut File::open(run)?, out)?;
        }
        Format::Terminal => {
            let mut terminal = Terminal::default();
            let report = stream::read(run, &mut terminal)?;
            out.write_all(terminal.finish(&report).as_bytes())?;
        }
        Format::Junit => {
            let mut junit = Junit::new();
            let report = stream::read(run, &mut junit)?;
            junit.write(&report, out)?;
        }
        Format::Markdown => {
            let baseline = match &args.baseline {
                Some(name) => Some(Snapshot::read(&find(project, place, Some(name))?)?),
                None => None,
            };
            let mut markdown = Markdown::new(gate, baseline.as_ref());
            let report = stream::read(run, &mut markdown)?;
            let limit = if args.full { SUMMARY } else { COMMENT };
            out.write_all(markdown.finish(&report, limit).as_bytes())?;
        }
        Format::Annotations | Format::CodeQuality => {
            let mut notes = Annotations::new(gate);
            let report = stream::read(run, &mut notes)?;
            let text = match args.format {
                Format::Annotations => notes.github(&report),
                _ => notes.code_quality(),
            };
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

fn gate(path: &Path) -> Result<GateReport> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let gate: GateReport = serde_json::from_str(&text).map_err(|error| {
        wrong(format!(
            "{error}\nhint: `cargo llmtest gate --json` writes it"
        ))
    })?;
    if gate.format != GateReport::FORMAT {
        let (found, ours) = (gate.format, GateReport::FORMAT);
        return Err(wrong(format!(
            "has format {found}, and this llmtest reads format {ours}"
        ))
        .into());
    }
    Ok(gate)
}

struct Nothing;

impl Cases for Nothing {
    fn add(&mut self, _: &TestRecord) {}
}

/// What a terminal shows: what did not pass, and the table.
#[derive(Default)]
struct Terminal {
    tally: Tally,
    blocks: String,
    shown: usize,
    wrong: usize,
}

/// Reports are read in logs as well.
const STYLE: Style = Style {
    colour: false,
    all: false,
};

impl Cases for Terminal {
    fn add(&mut self, case: &TestRecord) {
        self.tally.add(case);
        if matches!(case.outcome, Outcome::Failed | Outcome::Errored) {
            self.wrong += 1;
            if self.shown < BLOCKS {
                self.shown += 1;
                self.blocks.push_str(&test_block(case, STYLE));
                self.blocks.push('\n');
            }
        }
    }
}

impl Terminal {
    fn finish(mut self, report: &RunReport) -> String {
        if self.wrong > self.shown {
            let rest = self.wrong - self.shown;
            let _ = writeln!(self.blocks, "  … and {rest} more, all in report.json\n");
        }
        self.blocks + &recorded_summary(&self.tally, report, STYLE)
    }
}
