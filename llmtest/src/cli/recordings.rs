//! `cargo llmtest recordings list|stale|prune`.

use super::Place;
use super::findings::{Finding, Why, findings};
use super::project::Project;
use super::runs::{Run, Used, runs};
use super::table::{day, size, table};
use crate::recording::{self, Kind, Survey};
use crate::text::{clean_name, count};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

#[derive(Subcommand)]
pub(super) enum Recordings {
    /// Lists the files: how many entries, of which models, for what
    #[command(
        after_help = "Example:\n  cargo llmtest recordings list --json | jq '.files[].models'"
    )]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Says which entries no test of the last whole run used
    #[command(
        after_help = "The run must have been whole: every test binary, no filter, no tags, nothing Errored. `cargo test` in \
                      the mode `replay` is the quickest, and asks no judge.\n\n\
                      Examples:\n  LLMTEST_MODE=replay cargo test && cargo llmtest recordings stale\n  \
                      cargo llmtest recordings stale --runs nightly,weekly   what neither of two runs used"
    )]
    Stale {
        #[command(flatten)]
        choice: Choice,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes out what `stale` lists; all else stays, byte for byte
    #[command(
        after_help = "Asks nothing: recordings are committed, and `git diff` shows what went.\n\n\
                      Examples:\n  cargo llmtest recordings prune --dry-run\n  \
                      cargo llmtest recordings prune --other-models   those of models that are not configured, too\n  \
                      cargo llmtest recordings prune --broken         only lines that are no recordings; needs no run"
    )]
    Prune {
        #[command(flatten)]
        choice: Choice,
        /// Only says what would go
        #[arg(long)]
        dry_run: bool,
        /// Takes out what is of models that neither the configuration nor a used entry names, too
        #[arg(long)]
        other_models: bool,
        /// Takes out only lines that are no recordings, and those whose key a later line has
        #[arg(long, conflicts_with_all = ["other_models", "runs", "without_ignored"])]
        broken: bool,
    },
}

impl Recordings {
    /// What no test of the last run used.
    pub(super) fn stale() -> Self {
        Self::Stale {
            choice: Choice::default(),
            json: false,
        }
    }
}

/// What counts as used.
#[derive(Args, Default)]
pub(super) struct Choice {
    /// What these runs used together counts, by the names of their folders; else the last run
    #[arg(long, value_delimiter = ',', value_name = "RUN,RUN")]
    runs: Vec<String>,
    /// Counts ignored tests as gone: what only they use is stale
    #[arg(long)]
    without_ignored: bool,
}

/// How many lines a text lists.
const SHOWN: usize = 100;

/// What is printed; an error with what is printed before it.
type Told = Result<String, (String, String)>;

pub(super) fn run(command: Recordings, place: &Place) -> Told {
    let nothing = |why: String| (String::new(), why);
    let project = Project::find(place).map_err(nothing)?;
    let redactor = project.config.redactor.clone();
    let told = match command {
        Recordings::List { json } => list(&project, json).map_err(nothing),
        Recordings::Stale { choice, json } => stale(&project, &choice, json),
        Recordings::Prune {
            choice,
            dry_run,
            other_models,
            broken,
        } => {
            let takes = |why: Why| match why {
                why if why.is_of_the_line() => true,
                Why::OtherModel => other_models,
                _ => !broken,
            };
            prune(&project, &choice, dry_run, broken, takes).map_err(nothing)
        }
    };
    let shown = |text: String| redactor.scrub(&text).into_owned();
    told.map(shown)
        .map_err(|(out, why)| (shown(out), shown(why)))
}

fn list(project: &Project, json: bool) -> Result<String, String> {
    let recordings = recording::Recordings::new(&project.config);
    let survey = recordings.survey()?;
    let mut files = Vec::new();
    let (mut rows, mut entries, mut bytes) = (Vec::new(), 0, 0);
    for file in &survey.files {
        let (mut models, mut whats) = (BTreeSet::new(), BTreeSet::new());
        let (mut held, mut broken) = (0, 0);
        for line in &file.lines {
            match &line.kind {
                Kind::Entry { what, model, .. } => {
                    held += 1;
                    models.extend(model.as_deref());
                    whats.insert(what.as_str());
                }
                Kind::Body { .. } => {}
                Kind::Broken(_) => broken += 1,
            }
        }
        entries += held;
        bytes += file.bytes;
        let changed = file.changed.map(day);
        let joined = |words: &BTreeSet<&str>| words.iter().copied().collect::<Vec<_>>().join(", ");
        let mut what = joined(&whats);
        if broken > 0 {
            let _ = write!(what, " ({broken} broken)");
        }
        rows.push(vec![
            file.name.clone(),
            held.to_string(),
            size(file.bytes),
            changed.clone().unwrap_or_default(),
            joined(&models),
            what.trim_start().to_string(),
        ]);
        files.push(json!({
            "file": file.name,
            "entries": held,
            "broken": broken,
            "bytes": file.bytes,
            "changed": changed,
            "models": models,
            "what": whats,
        }));
    }
    let folder = recordings.shown();
    if json {
        return Ok(format!(
            "{:#}\n",
            json!({ "folder": folder, "files": files })
        ));
    }
    if survey.files.is_empty() {
        return Ok(format!(
            "`{folder}` holds no recordings\nhint: `LLMTEST_MODE=auto cargo test` records what judges answer\n"
        ));
    }
    let titles = ["file", ">entries", ">size", "changed", "models", "what"];
    Ok(format!(
        "{}\n{} in {} of `{folder}`, {}\n",
        table(&titles, &rows),
        count(entries, "entry", "entries"),
        count(files.len(), "file", "files"),
        size(bytes)
    ))
}

/// The runs that say what is used, or why none does.
fn used(project: &Project, choice: &Choice) -> Result<(Vec<String>, Used), String> {
    let all = runs(&project.roots);
    let shown = |run: &Run| {
        let began = UNIX_EPOCH + Duration::from_millis(run.started);
        format!("`{}` of {}", run.name, day(began))
    };
    let chosen: Vec<&Run> = if choice.runs.is_empty() {
        all.iter().take(1).collect()
    } else {
        let named = |name: &String| {
            let found = all.iter().find(|run| run.name == *name);
            found.ok_or_else(|| {
                let known: Vec<_> = all
                    .iter()
                    .take(5)
                    .map(|run| format!("`{}`", run.name))
                    .collect();
                format!(
                    "no run is named `{name}`\nhint: the latest are {}",
                    known.join(", ")
                )
            })
        };
        choice.runs.iter().map(named).collect::<Result<_, _>>()?
    };
    let roots: Vec<_> = project
        .roots
        .iter()
        .map(|root| root.display().to_string())
        .collect();
    if chosen.is_empty() {
        let place = if roots.is_empty() {
            "no `target` folder upwards of here has one".to_string()
        } else {
            format!("{} has none", roots.join(", "))
        };
        return Err(format!(
            "no run is recorded: {place}\n\
             hint: `LLMTEST_MODE=replay cargo test` records one; LLMTEST_DIR or CARGO_TARGET_DIR say where, if they are set for the tests"
        ));
    }
    let names: Vec<String> = chosen.iter().map(|run| shown(run)).collect();
    let folder = &project.config.recordings;
    let used = Used::by(&chosen, folder)?;
    let mut gaps = used.gaps(&all, folder, choice.without_ignored);
    if used.processes.is_empty() && gaps.is_empty() {
        gaps.push(format!("no test of it records into {}", folder.display()));
    }
    if gaps.is_empty() {
        return Ok((names, used));
    }
    Err(format!(
        "what is used cannot be told from the run {}:\n- {}\n\
         hint: `LLMTEST_MODE=replay cargo test --workspace` runs all tests on the recordings and asks no judge; then try again\n\
         hint: `--runs RUN,RUN` takes several runs together that ran all binaries between them",
        names.join(", "),
        gaps.join("\n- ")
    ))
}

fn models(project: &Project) -> [&str; 2] {
    [&project.config.judge.model, &project.config.embedder.model]
}

fn stale(project: &Project, choice: &Choice, json: bool) -> Told {
    let nothing = |why: String| (String::new(), why);
    let recordings = recording::Recordings::new(&project.config);
    let survey = recordings.survey().map_err(nothing)?;
    let (names, used) = match used(project, choice) {
        Ok(used) => used,
        Err(why) => {
            // What is wrong with the lines themselves needs no run.
            let found = findings(&survey, None, &[]);
            if json || found.is_empty() {
                return Err(nothing(why));
            }
            let out = format!(
                "{}\nhint: `cargo llmtest recordings prune --broken` takes these out\n\n",
                listed(&found)
            );
            return Err((out, why));
        }
    };
    let found = findings(&survey, Some(&used), &models(project));
    if json {
        let value = json!({ "runs": names, "stale": found });
        return Ok(format!("{value:#}\n"));
    }
    let mut out = told(&survey, &names, &used, &found);
    if !found.is_empty() {
        let _ = write!(out, "\n{}", listed(&found));
        let _ = write!(out, "\n{}", summed(&found, "stale"));
        out.push_str("hint: `cargo llmtest recordings prune` takes them out");
        let others = found.iter().filter(|found| found.why == Why::OtherModel);
        match others.count() {
            0 => {}
            all if all == found.len() => {
                out.push_str(" with `--other-models`: all are of other models");
            }
            others => {
                let _ = write!(out, ", the {others} of other models with `--other-models`");
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// What was compared, in a line or two.
fn told(survey: &Survey, names: &[String], used: &Used, found: &[Finding]) -> String {
    let lines = survey.files.iter().flat_map(|file| &file.lines);
    let entries = lines
        .filter(|line| matches!(line.kind, Kind::Entry { .. }))
        .count();
    let binaries: BTreeSet<_> = used
        .processes
        .iter()
        .map(|process| &process.binary)
        .collect();
    let mut out = format!(
        "run {}: {}; {} of {} may go\n",
        names.join(", "),
        count(binaries.len(), "test binary", "test binaries"),
        found.len(),
        count(entries, "entry", "entries"),
    );
    for binary in used.outside() {
        let _ = writeln!(
            out,
            "note: `{}` measures outside of `#[llm_test]`: nothing says whether all of its tests ran",
            clean_name(binary)
        );
    }
    out
}

/// The findings as a table; those of other models come last.
fn listed(found: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = found.iter().collect();
    sorted.sort_by_key(|found| found.why == Why::OtherModel);
    let rows: Vec<_> = sorted
        .iter()
        .take(SHOWN)
        .map(|found| {
            let why = match &found.problem {
                Some(problem) => format!("{}: {problem}", found.why.text()),
                None => found.why.text().to_string(),
            };
            vec![
                format!("{}:{}", found.file, found.line),
                found.what.clone(),
                found.model.clone().unwrap_or_default(),
                why,
            ]
        })
        .collect();
    let mut out = table(&["line", "what", "model", "why"], &rows);
    if sorted.len() > SHOWN {
        let _ = writeln!(
            out,
            "… and {} more; `--json` of `stale` has all",
            sorted.len() - SHOWN
        );
    }
    out
}

/// `3 lines in 2 files are stale, 4 KiB`.
fn summed(found: &[Finding], how: &str) -> String {
    let files: BTreeSet<_> = found.iter().map(|found| &found.file).collect();
    let bytes: usize = found.iter().map(|found| found.bytes).sum();
    let be = if found.len() == 1 { "is" } else { "are" };
    format!(
        "{} in {} {be} {how}, {}\n",
        count(found.len(), "line", "lines"),
        count(files.len(), "file", "files"),
        size(bytes as u64)
    )
}

fn prune(
    project: &Project,
    choice: &Choice,
    dry_run: bool,
    broken: bool,
    takes: impl Fn(Why) -> bool,
) -> Result<String, String> {
    let recordings = recording::Recordings::new(&project.config);
    // Under the lock: what a test that has begun meanwhile records is not stale.
    let choose = |survey: &Survey| {
        let (names, used) = if broken {
            (Vec::new(), None)
        } else {
            let (names, used) = used(project, choice)?;
            (names, Some(used))
        };
        let found = findings(survey, used.as_ref(), &models(project));
        let (going, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| takes(found.why));
        let mut out = used.map_or_else(String::new, |used| told(survey, &names, &used, &going));
        if dry_run && !going.is_empty() {
            let _ = write!(out, "\n{}\n", listed(&going));
        }
        let how = if dry_run {
            "stale and would go"
        } else {
            "gone"
        };
        out.push_str(&summed(&going, how));
        let others = kept
            .iter()
            .filter(|kept| kept.why == Why::OtherModel)
            .count();
        if others > 0 {
            let _ = writeln!(
                out,
                "{} of other models stay\nhint: `--other-models` takes them out, too",
                count(others, "entry", "entries")
            );
        }
        let lines = going.into_iter().map(|found| (found.file, found.line));
        let lines: Vec<_> = if dry_run { Vec::new() } else { lines.collect() };
        Ok((lines, out))
    };
    recordings.prune(choose)
}
