//! How far a judge agrees with people: figures, certificates, corrected pass rates. `METRICS.md` has examples.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

use clap::{Args, Parser, Subcommand};
use llmtest::RunReport;
use llmtest::trust::{
    Bars, Certificate, Confusion, Current, Estimator, Fields, Figure, Floor, Freshness, Item,
    Judged, Mark, Report, correct, read, read_run, today,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "judge-trust", about = "How far a judge agrees with people")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The figures of a judge against labels, and whether it may gate
    Report {
        #[command(flatten)]
        rows: Rows,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes a certificate with the figures and everything that they hold for
    Certify {
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        judge: Judge,
        /// Where it goes
        #[arg(long)]
        out: PathBuf,
        /// The day; today by default
        #[arg(long)]
        date: Option<String>,
    },
    /// Says whether a certificate still holds; exit 1 if it is stale
    Check {
        certificate: PathBuf,
        /// The labels as they are now
        #[arg(long)]
        labels: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
        #[command(flatten)]
        run: FromRun,
        #[command(flatten)]
        judge: Judge,
    },
    /// Corrects a pass rate for the judge's errors
    Correct {
        /// A certificate with labels of yes and no
        #[arg(long)]
        certificate: PathBuf,
        /// How many the judge passed
        #[arg(long)]
        passed: u64,
        /// Of how many
        #[arg(long)]
        of: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Rows {
    /// Labels, and verdicts where no run is given: JSON lines, or CSV
    file: PathBuf,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    run: FromRun,
    /// The least kappa of a judge that may gate
    #[arg(long, default_value_t = Floor::default().kappa)]
    least_kappa: f64,
    /// The least sensitivity and specificity; of pairs, the least consistency
    #[arg(long, default_value_t = Floor::default().rate)]
    least_rate: f64,
    /// The second verdict of a pair is of the answers as they were shown, swapped: `A` is the data's B
    #[arg(long)]
    as_shown: bool,
    /// Makes yes and no of numbers, of labels and of scores: yes is at least this
    #[arg(long)]
    bar: Option<f64>,
    /// The bar of labels, where it is another than that of scores
    #[arg(long)]
    label_bar: Option<f64>,
    /// The bar of scores, where it is another than that of labels
    #[arg(long)]
    score_bar: Option<f64>,
}

/// A field is a name, a path such as `human.coherence`, or a pointer such as `/judges/*/verdict`.
#[derive(Args)]
struct Places {
    /// The field of the id
    #[arg(long, default_value = "id")]
    id: String,
    /// The field of the label, or of the list of what each person said
    #[arg(long, default_value = "label")]
    label: String,
    /// The field of the verdict, or of the list of verdicts
    #[arg(long, visible_alias = "repeats", default_value = "verdict")]
    verdict: String,
    /// The field of the judge's score
    #[arg(long)]
    score: Option<String>,
    /// The field of what the row belongs to
    #[arg(long)]
    group: Option<String>,
    /// What a word of this file means, such as `1=A` or `ok=yes`
    #[arg(long, value_name = "WORD=MARK")]
    word: Vec<String>,
}

#[derive(Args)]
struct FromRun {
    /// The folder of a run, or its report.json: verdicts come from it
    #[arg(long, requires = "metric")]
    run: Option<PathBuf>,
    /// The metric whose verdicts they are
    #[arg(long)]
    metric: Option<String>,
    /// The test that measured it, where several have rows of the same ids
    #[arg(long, requires = "run")]
    test: Option<String>,
}

#[derive(Args)]
struct Judge {
    /// The judge's model
    #[arg(long)]
    model: Option<String>,
    /// The version of a prompt
    #[arg(long, value_name = "PURPOSE=VERSION")]
    prompt: Vec<String>,
    /// The version of the schema
    #[arg(long)]
    schema: Option<String>,
    /// The parameters of the calls, as a JSON object
    #[arg(long)]
    params: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok((text, good)) => {
            println!("{}", text.trim_end());
            if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// What is printed, and whether all is well.
fn run(cli: Cli) -> Result<(String, bool), String> {
    match cli.command {
        Command::Report { rows, json } => {
            let (_, report, _) = measured(&rows)?;
            let text = if json {
                pretty(&report)?
            } else {
                report.table()
            };
            Ok((text, true))
        }
        Command::Certify {
            rows,
            judge,
            out,
            date,
        } => {
            let (items, report, judged) = measured(&rows)?;
            let current = current(&rows.run, judged.as_ref(), &judge)?;
            if current.model.is_none() {
                return Err("whose certificate is it?\nhint: name the judge with `--model`".into());
            }
            let sentence = report.gate.sentence();
            let certificate = Certificate::new(
                report,
                &items,
                rows.floor(),
                current,
                date.unwrap_or_else(today),
            );
            std::fs::write(&out, pretty(&certificate)? + "\n")
                .map_err(|error| format!("{}: {error}", out.display()))?;
            Ok((format!("{}: the judge {sentence}", out.display()), true))
        }
        Command::Check {
            certificate,
            labels,
            places,
            run,
            judge,
        } => {
            let found = certified(&certificate)?;
            let judged = run.read()?;
            let mut current = current(&run, judged.as_ref(), &judge)?;
            if let Some(labels) = labels {
                let items = read(
                    &labels.display().to_string(),
                    &text(&labels)?,
                    &places.fields()?,
                )?;
                current = current.labels(&items);
            }
            if current == Current::default() {
                return Err("there is nothing to compare the certificate with\nhint: `--labels FILE`, `--run DIR --metric NAME`, or `--model NAME`".into());
            }
            let freshness = found.check(&current);
            Ok((freshness.to_string(), freshness == Freshness::Fresh))
        }
        Command::Correct {
            certificate,
            passed,
            of,
            json,
        } => {
            let found = certified(&certificate)?;
            let counts = found.confusion.ok_or(
                "the certificate has no labels of yes and no, without which nothing is corrected",
            )?;
            let text = corrected(&counts, passed, of, json)?;
            Ok((text, true))
        }
    }
}

fn corrected(counts: &Confusion, passed: u64, of: u64, json: bool) -> Result<String, String> {
    let found = correct(counts, passed, of)?;
    if json {
        return pretty(&found);
    }
    let line = |name: &str, figure: Option<Figure>, chosen: bool| {
        let figure = figure.unwrap_or_default();
        let value = figure
            .value
            .map_or_else(|| "refused".into(), |value| format!("{value:.4}"));
        let interval = figure
            .interval
            .map(|i| format!("[{:.4}, {:.4}]", i.low, i.high))
            .unwrap_or_default();
        format!(
            "  {name:<26} {value:>8}  {interval:<17}{}\n",
            if chosen { "  <- use this" } else { "" }
        )
    };
    Ok([
        line("the judge alone", Some(found.raw), false),
        line(
            "the labels alone",
            Some(found.labels),
            found.use_this == Estimator::Labels,
        ),
        line("Rogan-Gladen", found.rogan_gladen, false),
        line(
            "Rogan-Gladen, adjusted",
            found.rogan_gladen_adjusted,
            found.use_this == Estimator::RoganGladen,
        ),
        line("PPI++", found.ppi, found.use_this == Estimator::Ppi),
        format!("\nbecause {}", found.because),
    ]
    .concat())
}

impl Rows {
    fn bars(&self) -> Bars {
        Bars {
            labels: self.label_bar.or(self.bar),
            scores: self.score_bar.or(self.bar),
        }
    }

    fn floor(&self) -> Floor {
        Floor {
            kappa: self.least_kappa,
            rate: self.least_rate,
        }
    }
}

impl Places {
    fn fields(&self) -> Result<Fields, String> {
        let words = self.word.iter().map(|word| {
            let wrong = || {
                format!("`--word {word}` is not WORD=MARK\nhint: a mark is yes, no, A, B or tie")
            };
            let (from, to) = word.split_once('=').ok_or_else(wrong)?;
            let mark = Mark::read(&Value::from(to)).ok_or_else(wrong)?;
            Ok((from.to_string(), mark))
        });
        Ok(Fields {
            id: self.id.clone(),
            label: self.label.clone(),
            verdict: self.verdict.clone(),
            score: self.score.clone(),
            group: self.group.clone(),
            words: words.collect::<Result<_, String>>()?,
        })
    }
}

impl FromRun {
    fn read(&self) -> Result<Option<Judged>, String> {
        let (Some(path), Some(metric)) = (&self.run, &self.metric) else {
            return Ok(None);
        };
        let file = if path.is_dir() {
            path.join("report.json")
        } else {
            path.clone()
        };
        let mut report = RunReport::from_json(&text(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        if let Some(test) = &self.test {
            report.tests.retain(|record| record.test == *test);
        }
        read_run(&report, metric).map(Some)
    }
}

fn measured(rows: &Rows) -> Result<(Vec<Item>, Report, Option<Judged>), String> {
    let mut items = read(
        &rows.file.display().to_string(),
        &text(&rows.file)?,
        &rows.places.fields()?,
    )?;
    let judged = rows.run.read()?;
    if let Some(judged) = &judged
        && judged.join(&mut items) == 0
    {
        return Err("no row of the run has the id of a label\nhint: ids of rows are the `id` of the dataset; `--id` names the field of the labels".into());
    }
    if rows.as_shown {
        items = items.into_iter().map(Item::unswapped).collect();
    }
    let report = Report::of(&items, rows.floor(), rows.bars())?;
    Ok((items, report, judged))
}

fn current(run: &FromRun, judged: Option<&Judged>, judge: &Judge) -> Result<Current, String> {
    let mut prompts = judged.map(|judged| judged.prompts.clone());
    for prompt in &judge.prompt {
        let (purpose, version) = prompt
            .split_once('=')
            .ok_or_else(|| format!("`--prompt {prompt}` is not PURPOSE=VERSION"))?;
        prompts
            .get_or_insert_default()
            .insert(purpose.into(), version.into());
    }
    let params = judge.params.as_ref().map(|params| {
        serde_json::from_str(params)
            .map_err(|error| format!("`--params` is no JSON object: {error}"))
    });
    let models = judged
        .map(|judged| judged.models.join(", "))
        .filter(|models| !models.is_empty());
    Ok(Current {
        metric: run.metric.clone(),
        model: judge.model.clone().or(models),
        prompts,
        schema: judge.schema.clone(),
        params: params.transpose()?,
        labels_hash: None,
    })
}

fn certified(path: &Path) -> Result<Certificate, String> {
    Certificate::from_json(&text(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

fn pretty(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(args: &[&str]) -> Result<(String, bool), String> {
        let args = std::iter::once("judge-trust").chain(args.iter().copied());
        run(Cli::try_parse_from(args).map_err(|error| error.to_string())?)
    }

    #[test]
    fn labels_are_reported_certified_checked_and_used() {
        let dir = std::env::temp_dir().join(format!("judge-trust-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let place = |name: &str| dir.join(name).display().to_string();
        let (labels, certificate) = (place("labels.jsonl"), place("certificate.json"));
        let row = |label: &str, verdict: &str| {
            format!("{{\"human\": \"{label}\", \"said\": \"{verdict}\"}}\n")
        };
        let rows = [
            row("ok", "pass").repeat(63),
            row("ok", "fail").repeat(7),
            row("no", "pass").repeat(6),
            row("no", "fail").repeat(24),
        ]
        .concat();
        std::fs::write(&labels, &rows).unwrap();
        let fields = ["--label", "human", "--verdict", "said", "--word", "ok=yes"];

        let (table, _) = said(&[&["report", &labels][..], &fields].concat()).unwrap();
        assert!(table.contains("may gate, but the interval of"), "{table}");
        let (json, _) = said(&[&["report", &labels, "--json"][..], &fields].concat()).unwrap();
        assert!(
            serde_json::from_str::<Value>(&json).unwrap()["gate"]["may"]
                .as_bool()
                .unwrap()
        );

        let certify = [
            "certify",
            &labels,
            "--out",
            &certificate,
            "--model",
            "tiny",
            "--prompt",
            "g_eval=ab12",
        ];
        assert!(said(&[&certify[..], &fields].concat()).unwrap().1);
        let check = [
            "check",
            &certificate,
            "--labels",
            &labels,
            "--label",
            "human",
            "--word",
            "ok=yes",
        ];
        assert_eq!(said(&check).unwrap(), ("fresh".into(), true));
        let changed = said(&["check", &certificate, "--prompt", "g_eval=cd34"]).unwrap();
        assert_eq!(
            changed,
            ("stale: the prompt of g_eval changed".into(), false)
        );
        assert!(
            said(&["check", &certificate])
                .unwrap_err()
                .contains("nothing to compare")
        );

        let (rate, _) = said(&[
            "correct",
            "--certificate",
            &certificate,
            "--passed",
            "288",
            "--of",
            "400",
        ])
        .unwrap();
        assert!(rate.contains("0.7174") && rate.contains("0.7449"), "{rate}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            said(&["report", "nowhere.jsonl"])
                .unwrap_err()
                .starts_with("nowhere.jsonl: cannot be read")
        );
        assert!(said(&["report", "x", "--word", "ok"]).is_err());
        assert!(
            said(&["report", "x", "--run", "y"])
                .unwrap_err()
                .contains("--metric")
        );
    }
}
